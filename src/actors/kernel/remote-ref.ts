import type { Refusal, Result } from '../../errors.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import { type Lane, notSent, type Ref, type SendOptions, type Undelivered, undelivered } from './ref.ts';
import { isMessage } from './registry.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** The address of a place on another node. */
export class RemoteRef<M> extends SendToTarget implements Ref<M> {
  readonly path: string;
  readonly #carry: (message: object) => Result<void>;
  readonly #deadLetters: DeadLetterOffice;

  constructor(path: string, carry: (message: object) => Result<void>, deadLetters: DeadLetterOffice) {
    super();
    this.path = path;
    this.#carry = carry;
    this.#deadLetters = deadLetters;
  }

  /** The lanes above `user` are a node’s own: another node’s are refused with NOT_SUPPORTED. */
  tell(message: M, lane: Lane = 'user'): Result<void, Undelivered> {
    if (!isMessage(message)) return undelivered('MALFORMED', 'This is no message for an actor.', message);
    if (lane !== 'user')
      return undelivered('NOT_SUPPORTED', `${this.path} is on another node: it takes user messages only.`, message);
    const sent = this.#carry(message);
    return sent.ok ? sent : { ok: false, refusal: { ...sent.refusal, message } };
  }

  send(message: M, { signal }: SendOptions = {}): Promise<Result<void, Undelivered>> {
    return Promise.resolve(signal?.aborted === true ? notSent(message) : this.tell(message));
  }

  protected override deliver(message: object): Result<void> {
    return this.tell(message as M);
  }

  protected override lost(message: object, refusal: Refusal): void {
    this.#deadLetters.add(this.path, message, refusal.code === 'INBOX_FULL' ? 'inbox full' : 'refused');
  }

  toJSON(): string {
    return this.path;
  }
}
