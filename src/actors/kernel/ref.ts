import type { Refusal, Result } from '../../errors.ts';

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

/** Why a message was not taken, and the message itself, so that nobody has to keep a copy in case. */
export interface Undelivered extends Refusal {
  readonly message: unknown;
}

/** What becomes of a user message that finds its receiver’s inbox full. */
export type Overflow =
  /** Refused with INBOX_FULL; the sender still holds it. */
  | 'refuse'
  /** It takes the place of the user message that has waited longest, which becomes a dead letter. */
  | 'drop-oldest'
  /** It becomes a dead letter itself; its sender hears nothing. */
  | 'drop-newest'
  /** As `refuse` for `tell`; `send` waits until there is room. */
  | 'wait';

export interface SendOptions {
  /** Gives up waiting: refused with CANCELLED. Nothing is sent at all when it is aborted already. */
  readonly signal?: AbortSignal;
}

/**
 * The address of an actor: stable across restarts, because it names a place in the tree and not an incarnation.
 */
export interface Ref<M = Message> {
  /** Such as `/node/cluster/gossip-member`; of another node’s place `node-2!/node/cluster/gossip-member`. */
  readonly path: string;
  /**
   * Puts a message into the actor’s inbox; never runs the actor on the caller’s stack and never throws.
   * Refused with INBOX_FULL (unless the inbox drops), STOPPED (it became a dead letter), MALFORMED (no object, or an
   * event of XState’s own) or UNREACHABLE (another node’s, and the node cannot be reached). The refusal has the message.
   */
  tell(message: M, lane?: Lane): Result<void, Undelivered>;
  /**
   * As `tell` on the user lane, but waits while an inbox whose overflow is `wait` is full. Resolves once the message
   * is in the inbox; never rejects. INBOX_FULL also when `limits.inboxWaitersMax` wait already; CANCELLED by the signal;
   * STOPPED when the actor goes for good while the message waits.
   */
  send(message: M, options?: SendOptions): Promise<Result<void, Undelivered>>;
}

/** A refusal that gives the message back. */
export function undelivered(
  code: Refusal['code'],
  reason: string,
  message: unknown,
): { readonly ok: false; readonly refusal: Undelivered } {
  return { ok: false, refusal: { code, reasons: [reason], message } };
}

/** The outcome of a `send` whose signal was aborted before. */
export const notSent = (message: unknown): { readonly ok: false; readonly refusal: Undelivered } =>
  undelivered('CANCELLED', 'The sender’s signal was aborted before it sent this.', message);
