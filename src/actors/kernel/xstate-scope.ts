import type { AnyActorRef } from 'xstate';
import type { ActorInternals } from './xstate-internals.ts';
import type { ChartSystem } from './xstate-system.ts';

/** An action as XState has resolved it. */
interface Action {
  readonly type: string;
  readonly info: unknown;
  readonly params: unknown;
  readonly exec: ((info: unknown, params: unknown) => void) | undefined;
}

/** XState’s `ProcessingStatus.Running`. */
const running = 1;

/**
 * What an actor’s logic is given to act through, in place of the object that XState makes for each actor, and by the
 * same rules (the contract test of `xstate-system.ts` holds the two beside each other). XState’s has five closures for
 * each actor; and in every microstep it puts another around `actionExecutor`, which V8 allocates among what is old
 * (it does so for each function literal that is assigned to a property), so that the event, its actions and the snapshot
 * outlive a scavenge, until the next full collection. That closure notes actions for callers that an actor does not
 * have: here it is not taken.
 */
export class ChartScope {
  readonly self: ActorInternals;

  constructor(self: ActorInternals) {
    this.self = self;
  }

  get id(): string {
    return this.self.id;
  }

  get sessionId(): string {
    return this.self.sessionId;
  }

  get system(): ChartSystem {
    return this.self.system;
  }

  get logger(): unknown {
    return this.self.logger;
  }

  get actionExecutor(): (action: Action) => void {
    return execute;
  }

  set actionExecutor(_noting: (action: Action) => void) {}

  // Made when asked for, so that logic may take them out of the object.

  get defer(): (effect: () => void) => void {
    return (effect) => void this.self._deferred.push(effect);
  }

  get stopChild(): (child: ActorInternals) => void {
    return (child) => {
      if (child._parent !== this.self)
        throw new Error(`Cannot stop child actor ${child.id} of ${this.self.id} because it is not a child`);
      child._stop();
    };
  }

  get emit(): (event: { readonly type: string }) => void {
    return (event) => {
      const { eventListeners } = this.self;
      for (const listen of [...(eventListeners.get(event.type) ?? []), ...(eventListeners.get('*') ?? [])])
        try {
          listen(event);
        } catch (error) {
          rethrown(error);
        }
    };
  }
}

/** XState takes it out of the scope only to put it back, and calls it as a method. */
function execute(this: ChartScope, action: Action): void {
  const { self } = this;
  if (self._processingStatus === running) perform(self, action);
  else self._deferred.push(() => perform(self, action));
}

function perform(self: ActorInternals, action: Action): void {
  const { system } = self;
  if (system.inspected) {
    const { type, params } = action;
    system._sendInspectionEvent({
      type: '@xstate.action',
      actorRef: self as unknown as AnyActorRef,
      action: { type, params },
    } as never);
  }
  action.exec?.(action.info, action.params);
}

/** Into the hands of whoever catches strays, as XState does it. */
function rethrown(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}
