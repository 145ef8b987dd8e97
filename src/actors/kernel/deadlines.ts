import type { Clock } from './ports.ts';
import type { Turns } from './scheduler.ts';
import { outsideTurns } from './turn.ts';

/** Something that runs out. The links belong to the list that it is in. */
export interface Expiring {
  /** Milliseconds of the monotonic clock. */
  due: number;
  earlier: Expiring | undefined;
  later: Expiring | undefined;
  /** Its time is over; it has been taken out of its list. */
  expire(): void;
}

/** Shorter times are counted from the very moment; of longer ones a round of the event loop is no part that matters. */
const exactMsMax = 1_000;

/** Those that run out equally long after they began, so that the first to come is the first to go. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #scheduler: Turns;
  readonly #ms: number;
  readonly #emptied: (ms: number) => void;
  #first: Expiring | undefined;
  #last: Expiring | undefined;
  #timer: unknown;
  #tidying = false;

  /** `emptied`: called with `ms` when nobody is left. */
  constructor(clock: Clock, scheduler: Turns, ms: number, emptied: (ms: number) => void) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#ms = ms;
    this.#emptied = emptied;
  }

  /** Begins its time. One timer serves the whole list: a timer for each would cost more than a request itself. */
  add(item: Expiring): void {
    item.due = (this.#ms < exactMsMax ? this.#clock.monotonic() : this.#scheduler.roundTime) + this.#ms;
    item.earlier = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.later = item;
    this.#last = item;
    if (this.#timer === undefined) this.#arm(this.#ms);
  }

  /** Takes it out; it never expires. */
  delete(item: Expiring): void {
    if (item.earlier === undefined) this.#first = item.later;
    else item.earlier.later = item.later;
    if (item.later === undefined) this.#last = item.earlier;
    else item.later.earlier = item.earlier;
    item.earlier = undefined;
    item.later = undefined;
    if (this.#first === undefined && !this.#tidying) {
      this.#tidying = this.#scheduler.afterRound(this.#tidy);
      if (!this.#tidying) this.#tidy();
    }
  }

  /** Who asks one question after the other empties the list with each: setting a timer costs as much as asking. */
  readonly #tidy = (): void => {
    this.#tidying = false;
    if (this.#first !== undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#emptied(this.#ms);
  };

  #arm(ms: number): void {
    // Of no actor: the timer would otherwise belong to whoever asked first.
    this.#timer = outsideTurns(() => this.#clock.setTimeout(this.#sweep, ms));
  }

  readonly #sweep = (): void => {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (let item = this.#first; item !== undefined; item = this.#first) {
      // Node’s timers may fire a fraction of a millisecond early.
      if (item.due > now + 1) {
        this.#arm(item.due - now);
        return;
      }
      this.delete(item);
      item.expire();
    }
  };
}
