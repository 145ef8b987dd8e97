import type { Refusal, Result } from '../../errors.ts';
import type { Unverified } from '../../unverified.ts';
import { notSent, type Ref, type SendOptions, type Undelivered } from './ref.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** Where the answer to one question goes: on this node, or over to the node of whoever asked. */
export abstract class ReplyRef extends SendToTarget implements Ref<never> {
  abstract readonly path: string;
  abstract tell(answer: unknown): Result<void, Undelivered>;

  /**
   * The answer of another node. Refused with MALFORMED when the asker’s check does not take it: then the question is
   * over, and the node was wrong.
   */
  abstract take(answer: Unverified<unknown>): Result<void>;

  /** The question was lost before anybody read it: the asker need not wait for its timeout. */
  abstract letDown(refusal: Refusal): void;

  /** `forget` is called when nobody waits for the answer any more, and so when it was given. */
  abstract onSettled(forget: () => void): void;

  send(answer: unknown, { signal }: SendOptions = {}): Promise<Result<void, Undelivered>> {
    return Promise.resolve(signal?.aborted === true ? notSent(answer) : this.tell(answer));
  }

  protected override deliver(message: object): Result<void> {
    return this.tell(message);
  }

  protected override lost(): void {
    // An answer that nobody waits for has been counted where it was refused.
  }

  toJSON(): string {
    return this.path;
  }
}

/** Where the answer to this message goes; `undefined` when it is no question. */
export function replyRefOf(message: unknown): ReplyRef | undefined {
  try {
    const replyTo = (message as { readonly replyTo?: unknown } | null | undefined)?.replyTo;
    return replyTo instanceof ReplyRef ? replyTo : undefined;
  } catch {
    // A getter or a proxy that throws is no question.
    return undefined;
  }
}
