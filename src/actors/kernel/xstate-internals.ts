import type { Delayed } from './chart-timers.ts';

/** The shapes inside XState that `xstate-bridge.ts` relies on, whose test fails when an upgrade changes any of them. */

/** What XState calls on the target of `sendTo`, on the sender’s stack. */
export interface Inlet {
  _send(event: object): void;
}

/**
 * The parts of XState’s actor system that tell who was started and stopped in it, that pass every event from actor to
 * actor, and that hold the delayed ones; those there at the start are scheduled then.
 */
export interface SystemInternals {
  _register(sessionId: string, actor: ActorInternals): string;
  _unregister(actor: ActorInternals): void;
  _relay(source: object | undefined, target: Inlet, event: object): void;
  readonly scheduler: { schedule: Schedule };
  readonly _snapshot: { readonly _scheduledEvents: Record<string, Delayed & { readonly delay: number }> };
}

type Schedule = (source: object, target: object, event: object, delay: number, id?: string) => void;

export interface ActorInternals {
  readonly id: string;
  readonly _parent: ActorInternals | undefined;
  getSnapshot(): { readonly children?: Readonly<Record<string, ActorInternals>> } | undefined;
  /** XState’s own stop; the public `stop()` refuses anybody but a root. */
  _stop(): unknown;
}
