import type { Result } from '../../errors.ts';

/** control > supervision > user. Control and supervision messages are never dropped. */
export type Lane = 'control' | 'supervision' | 'user';

/** What every message of a chart looks like; handlers of plain logic may take anything. */
export interface Message {
  readonly type: string;
}

/** What the kernel itself sends on the control lane: finish what must be finished, then reach a final state. */
export interface Shutdown {
  readonly type: 'kernel.shutdown';
}

/**
 * The address of an actor: stable across restarts, because it names a place in the tree and not an incarnation.
 */
export interface Ref<M = Message> {
  /** Such as `/node/cluster/gossip-member`. */
  readonly path: string;
  /**
   * Puts a message into the actor’s inbox; never runs the actor on the caller’s stack and never throws.
   * Refused with INBOX_FULL (the caller still holds the message) or STOPPED (it became a dead letter).
   */
  tell(message: M, lane?: Lane): Result<void>;
}
