import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type SendOptions, type Undelivered, undelivered } from './ref.ts';

type Outcome = Result<void, Undelivered>;

interface WaitingSender {
  readonly message: object;
  readonly settle: (outcome: Outcome) => void;
}

/**
 * Those who wait for room in one full inbox, first come first served. While anybody waits the inbox is full: whoever
 * takes a message out lets the next sender in at once, so that a newcomer cannot overtake.
 */
export class WaitingSenders {
  readonly #path: string;
  /** In order of coming; one that gives up is taken out, so that nobody can fill it by coming and going. */
  readonly #waiting = new Set<WaitingSender>();

  /** `path` of the receiver, for refusals. */
  constructor(path: string) {
    this.#path = path;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when `admit` has given the message to the inbox, or with a refusal. */
  wait(message: object, { signal }: SendOptions): Promise<Outcome> {
    if (this.#waiting.size >= limits.inboxWaitersMax) {
      const reason = `The inbox of ${this.#path} is full, and ${limits.inboxWaitersMax} senders wait already.`;
      return Promise.resolve(undelivered('INBOX_FULL', reason, message));
    }
    return new Promise((resolve) => {
      const giveUp = (): void => {
        if (this.#waiting.delete(sender)) resolve(this.#cancelled(message));
      };
      const sender: WaitingSender = {
        message,
        settle: (outcome) => {
          signal?.removeEventListener('abort', giveUp);
          resolve(outcome);
        },
      };
      this.#waiting.add(sender);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** There is room for one: gives the first message to `take` and lets its sender go on. */
  admit(take: (message: object) => void): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    take(first.message);
    first.settle(accepted);
  }

  /** Nobody will ever read this inbox: everybody who waits gets the message back with STOPPED. */
  dismiss(lose: (message: object) => void): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const { message, settle } of all) {
      lose(message);
      settle(undelivered('STOPPED', `${this.#path} has stopped.`, message));
    }
  }

  #cancelled(message: object): Outcome {
    return undelivered('CANCELLED', `The sender stopped waiting for room in the inbox of ${this.#path}.`, message);
  }
}

/** The outcome of every message that was taken: one object for all. */
export const accepted: Result<void, never> = Object.freeze({ ok: true, value: undefined });
