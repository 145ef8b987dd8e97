import { limits } from '../../limits.ts';
import { shutdownMessage } from './occupant.ts';
import type { Lane } from './ref.ts';
import { Ring } from './ring.ts';

/** What an inbox keeps back. A number, because it is looked at for each message. */
export const holds = {
  nothing: 0,
  /** The user lane. */
  user: 1,
  /** Every lane, but for the order to shut down. */
  all: 2,
} as const;

type Hold = (typeof holds)[keyof typeof holds];

/**
 * What waits for one actor, in three lanes: control before supervision before user; each lane first in, first out.
 *
 * The user lane is bounded by `userMax`, because only strangers fill it. The upper lanes lose nothing and are bounded
 * all the same: the kernel’s own messages in them (`push`) are one order to stop a life, two notices for each life of
 * a child and one for each monitor, all of which are limited; what actors tell each other there (`offer`) is refused
 * past `limits.urgentMessagesMax`.
 */
export class Inbox {
  /** User messages that may wait. */
  readonly userMax: number;
  /** What waits although somebody is there to handle it. Everything is taken in all the same. */
  hold: Hold = holds.nothing;
  // Made when first used: most actors never see the two upper lanes, and there may be 100,000 actors.
  #control: Ring<object> | undefined;
  #supervision: Ring<object> | undefined;
  #user: Ring<object> | undefined;

  constructor(userMax: number) {
    this.userMax = userMax;
  }

  /** Messages in all lanes. */
  get waiting(): number {
    return this.#urgent + (this.#user?.length ?? 0);
  }

  /** Whether `shift` would give anything. */
  get ready(): boolean {
    if (this.hold === holds.nothing) return this.waiting > 0;
    return this.hold === holds.user ? this.#urgent > 0 : this.#control?.has(shutdownMessage) === true;
  }

  /** Whether the user lane has room. */
  get hasRoom(): boolean {
    return this.#user === undefined || this.#user.length < this.userMax;
  }

  /** For `tell`: false when the lane is full and the caller still holds the message. */
  offer(message: object, lane: Lane): boolean {
    if (lane === 'user') {
      this.#user ??= new Ring();
      if (this.#user.length >= this.userMax) return false;
      this.#user.push(message);
      return true;
    }
    if (this.#urgent >= limits.urgentMessagesMax) return false;
    this.push(message, lane);
    return true;
  }

  /** For the kernel itself: takes the message whatever waits. */
  push(message: object, lane: 'control' | 'supervision'): void {
    if (lane === 'control') {
      this.#control ??= new Ring();
      this.#control.push(message);
    } else {
      this.#supervision ??= new Ring();
      this.#supervision.push(message);
    }
  }

  /** The next message by lane, then by age; `undefined` when none may be handled now. */
  shift(): object | undefined {
    if (this.hold !== holds.nothing) return this.#shiftHeld();
    return this.#control?.shift() ?? this.#supervision?.shift() ?? this.#user?.shift();
  }

  /** The next message whatever is held back: for a place that is cleared. */
  shiftAny(): object | undefined {
    return this.#control?.shift() ?? this.#supervision?.shift() ?? this.#user?.shift();
  }

  /** The oldest user message, taken out; `undefined` when there is none. */
  shiftUser(): object | undefined {
    return this.#user?.shift();
  }

  /** Takes messages out of a lane: they were meant for a life that has ended, or are wanted no more. */
  withdraw(unwanted: (message: object) => boolean, lane: 'control' | 'supervision'): void {
    (lane === 'control' ? this.#control : this.#supervision)?.withdraw(unwanted);
  }

  #shiftHeld(): object | undefined {
    if (this.hold === holds.user) return this.#control?.shift() ?? this.#supervision?.shift();
    return this.#control?.withdraw((message) => message === shutdownMessage) === true ? shutdownMessage : undefined;
  }

  get #urgent(): number {
    return (this.#control?.length ?? 0) + (this.#supervision?.length ?? 0);
  }
}
