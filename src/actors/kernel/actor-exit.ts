import type { Exit } from './occupant.ts';

/**
 * Thrown by an actor’s own code, it ends the actor without being a crash: OTP’s `exit(normal)`, `exit(shutdown)` and
 * `exit({shutdown, Detail})`. A transient actor that ends so is not restarted. It works wherever a throw is charged to
 * the actor: in an action, a guard, a rejected promise, a handler, a timer. Thrown while the actor starts, it is a
 * start that failed.
 */
export class ActorExit extends Error {
  override readonly name = 'ActorExit';
  readonly reason: 'normal' | 'shutdown';
  /** What a watcher should know, such as why it shut down; kept as it is. */
  readonly detail: unknown;

  constructor(reason: 'normal' | 'shutdown', detail?: unknown) {
    super(`It ended: ${reason}.`);
    this.reason = reason;
    this.detail = detail;
  }
}

/** How a life ends whose code threw this. */
export function exitOf(thrown: unknown): Exit {
  if (!isActorExit(thrown)) return { reason: 'crash', error: thrown };
  const { reason, detail } = thrown;
  return detail === undefined ? { reason } : { reason, detail };
}

function isActorExit(thrown: unknown): thrown is ActorExit {
  try {
    return thrown instanceof ActorExit;
  } catch {
    // A proxy may throw at every look.
    return false;
  }
}
