import { limits } from '../../limits.ts';
import type { Inbox } from './inbox.ts';
import { Ring } from './ring.ts';

/**
 * What messages of one other node may take of one inbox: half of its places, and so much memory. An inbox counts
 * messages and not bytes, and a node in the wrong hands must not be able to keep everybody else out.
 */
export class InboxShare {
  readonly #inbox: Inbox;
  readonly #messagesMax: number;
  /** Weights of the newest messages, oldest first: at least of all that still wait. */
  readonly #weights = new Ring<number>();
  #weightBytes = 0;

  constructor(inbox: Inbox) {
    this.#inbox = inbox;
    this.#messagesMax = Math.ceil(inbox.userMax / 2);
  }

  hasRoom(weightBytes: number): boolean {
    // An inbox is first in, first out: of the node’s messages at most the newest so many can still wait.
    while (this.#weights.length > this.#inbox.waiting) this.#weightBytes -= this.#weights.shift() ?? 0;
    if (this.#weights.length >= this.#messagesMax) return false;
    return this.#weightBytes + weightBytes <= limits.inboxBytesPerNodeMax;
  }

  add(weightBytes: number): void {
    this.#weights.push(weightBytes);
    this.#weightBytes += weightBytes;
  }
}
