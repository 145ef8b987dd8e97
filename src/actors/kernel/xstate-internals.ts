import type { AnyActorLogic } from 'xstate';
import type { ChartSystem } from './xstate-system.ts';

/** The shapes inside XState that the bridge relies on, whose tests fail when an upgrade changes any of them. */

/** What XState calls on the target of `sendTo`, on the sender’s stack. */
export interface Inlet {
  _send(event: object): void;
}

export interface ActorInternals extends Inlet {
  readonly id: string;
  readonly logic: AnyActorLogic;
  readonly sessionId: string;
  readonly systemId: string | undefined;
  _parent: ActorInternals | undefined;
  options: { readonly input?: unknown };
  eventListeners: EventListeners;
  readonly system: ChartSystem;
  readonly logger: unknown;
  /** What its logic acts through. */
  _actorScope: object;
  /** Of XState’s `ProcessingStatus`. */
  readonly _processingStatus: number;
  /** What a step has put off until the snapshot after it is there. */
  readonly _deferred: (() => void)[];
  readonly observers: Set<object>;
  getSnapshot(): { readonly children?: Readonly<Record<string, ActorInternals>> } | undefined;
  /** XState’s own stop; the public `stop()` refuses anybody but a root. */
  _stop(): unknown;
}

type Listener = (event: object) => void;

/** What XState keeps for `actor.on`, as far as it asks for it: a map that is made when somebody listens. */
export class EventListeners {
  #byType: Map<string, Set<Listener>> | undefined;

  get(type: string): Set<Listener> | undefined {
    return this.#byType?.get(type);
  }

  set(type: string, listeners: Set<Listener>): void {
    this.#byType ??= new Map();
    this.#byType.set(type, listeners);
  }

  clear(): void {
    this.#byType = undefined;
  }
}
