import type { Clock } from './ports.ts';

/** Node’s longest timer; one that is set for longer fires at once. */
const timerMsMax = 2_147_483_647;

/** A delayed event as XState schedules it, with the very actors that send and get it. */
export interface Delayed {
  readonly source: object;
  readonly target: object;
  readonly event: object;
  readonly id: string | undefined;
}

/** One timer of a chart; what XState holds of it. */
class ChartTimer {
  readonly delayMs: number;
  readonly due: number;
  readonly what: Delayed | undefined;
  readonly run: () => void;
  handle: unknown;

  constructor(delayMs: number, due: number, what: Delayed | undefined, run: () => void) {
    this.delayMs = delayMs;
    this.due = due;
    this.what = what;
    this.run = run;
  }
}

/**
 * The timers of one chart and its children: XState’s `clock` for them. While it is closed, what falls due waits in
 * order; a timer that is cancelled meanwhile never fires, as one that has not fallen due.
 */
export class ChartTimers {
  readonly #clock: Clock;
  /** What waits until it is opened; `undefined` while it is open. */
  #held: Map<object, () => void> | undefined;
  /** What waited until now, while it happens. */
  #opening: Map<object, () => void> | undefined;
  /** All that have not run, in the order in which they were set; kept only for charts that are stored. */
  readonly #pending: Set<ChartTimer> | undefined;
  #over = false;
  #together: Set<ChartTimer> | undefined;

  /** `noted`: whether `pending` is going to be asked. */
  constructor(clock: Clock, noted: boolean) {
    this.#clock = clock;
    this.#pending = noted ? new Set() : undefined;
  }

  get closed(): boolean {
    return this.#held !== undefined;
  }

  /** For XState. Longer delays than a timer of Node’s can have are kept to as well. `what` it is for, if `pending` is asked. */
  setTimeout(run: () => void, delayMs: number, what?: Delayed): unknown {
    // Less than 0: overdue already; no number at all is no delay, as in Node.
    const inMs = Number.isNaN(delayMs) ? 0 : delayMs;
    const timer = new ChartTimer(Math.max(0, inMs), this.#clock.monotonic() + inMs, what, run);
    this.#pending?.add(timer);
    if (this.#together === undefined) this.#arm(timer, inMs);
    else this.#together.add(timer);
    return timer;
  }

  /** For XState. */
  clearTimeout(timer: unknown): void {
    if (!(timer instanceof ChartTimer)) return;
    this.#clock.clearTimeout(timer.handle);
    this.#pending?.delete(timer);
    this.#together?.delete(timer);
    this.#held?.delete(timer);
    this.#opening?.delete(timer);
  }

  /** What `set` sets begins to count when it returns, so that what is overdue fires in the order in which it was due. */
  setTogether(set: () => void): void {
    const together = new Set<ChartTimer>();
    this.#together = together;
    try {
      set();
    } finally {
      this.#together = undefined;
      const now = this.#clock.monotonic();
      for (const timer of [...together].sort((a, b) => a.due - b.due)) this.#arm(timer, timer.due - now);
    }
  }

  /**
   * Delayed events that have not happened, in the order in which they were set, and in how many milliseconds each is
   * due: less than 0 when overdue.
   */
  pending(): readonly { readonly what: Delayed; readonly delayMs: number; readonly inMs: number }[] {
    const now = this.#clock.monotonic();
    return [...(this.#pending ?? [])].flatMap(({ what, delayMs, due }) =>
      what === undefined ? [] : [{ what, delayMs, inMs: due - now }],
    );
  }

  /** Its chart has ended: nothing happens any more, also what XState has lost sight of (it knows one timer an id). */
  end(): void {
    this.#over = true;
    this.#held = undefined;
    this.#opening?.clear();
  }

  close(): void {
    this.#held ??= new Map();
  }

  /** Puts off something that is no timer; only while closed. */
  keep(run: () => void): void {
    this.#held?.set(run, run);
  }

  /** Lets everything happen that waits, in the order in which it came; if one of it closes it again, the rest waits. */
  open(): void {
    const opening = this.#held;
    if (opening === undefined) return;
    this.#held = undefined;
    this.#opening = opening;
    for (const [key, run] of opening) {
      if (this.closed) break;
      opening.delete(key);
      run();
    }
    this.#opening = undefined;
    if (opening.size > 0) this.#held = new Map([...opening, ...(this.#held ?? [])]);
  }

  #arm(timer: ChartTimer, inMs: number): void {
    const due = (): void => {
      const left = timer.due - this.#clock.monotonic();
      // A fraction of a millisecond early is on time; what is left is the rest of a delay too long for one timer.
      if (left > 1 && inMs > timerMsMax) this.#arm(timer, left);
      else if (this.#held === undefined) this.#run(timer);
      else this.#held.set(timer, () => this.#run(timer));
    };
    timer.handle = this.#clock.setTimeout(due, Math.min(Math.max(0, inMs), timerMsMax));
  }

  #run(timer: ChartTimer): void {
    this.#pending?.delete(timer);
    if (!this.#over) timer.run();
  }
}
