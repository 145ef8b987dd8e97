import type { Lane } from './ref.ts';
import { Ring } from './ring.ts';

/**
 * What waits for one actor, in three lanes: control before supervision before user; each lane first in, first out.
 * Only the user lane has a limit, because only strangers fill it: the kernel sends a bounded number of control and
 * supervision messages for each life of an actor, and losing one would break supervision.
 */
export class Inbox {
  readonly #userMax: number;
  // Made when first used: most actors never see the two upper lanes, and there may be 100,000 actors.
  #control: Ring<object> | undefined;
  #supervision: Ring<object> | undefined;
  #user: Ring<object> | undefined;

  /** `userMax`: user messages that may wait. */
  constructor(userMax: number) {
    this.#userMax = userMax;
  }

  /** Messages in all lanes. */
  get waiting(): number {
    return (this.#control?.length ?? 0) + (this.#supervision?.length ?? 0) + (this.#user?.length ?? 0);
  }

  /** False when the user lane is full: the caller still holds the message. The upper lanes always take it. */
  push(message: object, lane: Lane): boolean {
    if (lane === 'user') {
      this.#user ??= new Ring();
      if (this.#user.length >= this.#userMax) return false;
      this.#user.push(message);
    } else if (lane === 'control') {
      this.#control ??= new Ring();
      this.#control.push(message);
    } else {
      this.#supervision ??= new Ring();
      this.#supervision.push(message);
    }
    return true;
  }

  /** The next message by lane, then by age; `undefined` when nothing waits. */
  shift(): object | undefined {
    return this.#control?.shift() ?? this.#supervision?.shift() ?? this.#user?.shift();
  }

  /** Takes this very object out of the control lane: it was meant for a life that has ended. */
  withdraw(message: object): void {
    this.#control?.withdraw(message);
  }
}
