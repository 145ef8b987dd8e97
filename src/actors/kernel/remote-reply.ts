import { ok, type Refusal, type Result } from '../../errors.ts';
import type { Unverified } from '../../unverified.ts';
import type { DeadLetterOffice, DeadLetterReason } from './dead-letters.ts';
import { type Undelivered, undelivered } from './ref.ts';
import { ReplyRef } from './reply-ref.ts';
import type { Packet } from './transport.ts';

/** A question of another node, as far as the way back goes. */
export interface QuestionFrom {
  readonly node: string;
  readonly id: number;
  /** Sends to the node. */
  readonly carry: (packet: Packet) => Result<void>;
  /** It waits for no answer any more. */
  readonly over: () => void;
}

/** Takes the answer to a question of another node back to it, once. */
export class RemoteReply extends ReplyRef {
  readonly #from: QuestionFrom;
  readonly #deadLetters: DeadLetterOffice;
  #over: DeadLetterReason | undefined;
  #settled: (() => void) | undefined;

  constructor(from: QuestionFrom, deadLetters: DeadLetterOffice) {
    super();
    this.#from = from;
    this.#deadLetters = deadLetters;
  }

  get path(): string {
    return `${this.#from.node}!?answer`;
  }

  /** What cannot be carried is given back, and the asker hears why there is no answer. STOPPED: nobody waits for it. */
  tell(answer: unknown): Result<void, Undelivered> {
    if (this.#over !== undefined) {
      this.#deadLetters.add(this.path, answer, this.#over);
      return undelivered('STOPPED', 'Nobody waits for this answer any more.', answer);
    }
    const { id, carry } = this.#from;
    const sent = carry({ kind: 'answer', id, content: answer });
    if (sent.ok) {
      this.close('late reply');
      return sent;
    }
    this.letDown(sent.refusal);
    return undelivered(sent.refusal.code, sent.refusal.reasons[0], answer);
  }

  /** Passes on what yet another node answered: whoever asked judges it. */
  take({ unverified }: Unverified<unknown>): Result<void> {
    this.tell(unverified);
    return ok(undefined);
  }

  override letDown({ code, reasons }: Refusal): void {
    if (this.#over !== undefined) return;
    // The message that an `Undelivered` has is not for the other node.
    this.#from.carry({ kind: 'refused', id: this.#from.id, refusal: { code, reasons } });
    this.close('late reply');
  }

  override onSettled(forget: () => void): void {
    if (this.#over === undefined) this.#settled = both(this.#settled, forget);
    else forget();
  }

  /** The asker does not wait any more, or its node is lost. */
  close(reason: DeadLetterReason): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#from.over();
    this.#settled?.();
    this.#settled = undefined;
  }
}

/** One question may have been passed on to several. */
export const both = (first: (() => void) | undefined, second: () => void): (() => void) =>
  first === undefined
    ? second
    : () => {
        first();
        second();
      };
