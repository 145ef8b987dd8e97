import { type Refusal, type Result, refuse } from '../../errors.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import { type Lane, type Ref, type SendOptions, type Undelivered, undelivered } from './ref.ts';
import { isMessage } from './registry.ts';
import { ReplyRef } from './reply-ref.ts';
import type { Packet } from './transport.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** The address of a place on another node. */
export class RemoteRef<M> extends SendToTarget implements Ref<M> {
  readonly path: string;
  readonly #carry: (message: object) => Result<void, Undelivered>;
  readonly #deadLetters: DeadLetterOffice;

  constructor(path: string, carry: (message: object) => Result<void, Undelivered>, deadLetters: DeadLetterOffice) {
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
    return this.#carry(message);
  }

  send(message: M, { signal }: SendOptions = {}): Promise<Result<void, Undelivered>> {
    if (signal?.aborted === true)
      return Promise.resolve(undelivered('CANCELLED', 'The sender stopped waiting.', message));
    return Promise.resolve(this.tell(message));
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

/** Takes the answer to a question of another node back to it. Keeps nothing: the asker knows what it waits for. */
export class RemoteReply extends ReplyRef {
  readonly #node: string;
  readonly #id: number;
  readonly #carry: (packet: Packet) => Result<void>;
  #answered = false;

  constructor(node: string, id: number, carry: (packet: Packet) => Result<void>) {
    super();
    this.#node = node;
    this.#id = id;
    this.#carry = carry;
  }

  get path(): string {
    return `${this.#node}!?answer`;
  }

  tell(answer: unknown): Result<void, Undelivered> {
    const sent = this.#once({ kind: 'answer', id: this.#id, answer });
    return sent.ok ? sent : undelivered(sent.refusal.code, sent.refusal.reasons[0], answer);
  }

  override letDown(refusal: Refusal): void {
    // The message that an `Undelivered` has is not for the other node.
    const { code, reasons } = refusal;
    this.#once({ kind: 'refused', id: this.#id, refusal: { code, reasons } });
  }

  override onSettled(): void {
    // Only the asker’s node knows when it stops waiting.
  }

  #once(packet: Packet): Result<void> {
    if (this.#answered) return refuse('STOPPED', 'This question has been answered.');
    this.#answered = true;
    return this.#carry(packet);
  }
}
