import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../actors/kernel/ports.ts';

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * A `Clock` that moves only when told to. Timers fire in order of their due time, those of the same time in the order
 * in which they were set; while one fires, the clock shows exactly its due time. Timers set by a firing timer fire in
 * the same `advance` when they are due within it.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #timers = new Map<number, Timer>();

  /** `startMs`: what `now()` shows at first; milliseconds since 1970. */
  constructor(startMs = 1_750_000_000_000) {
    this.#wallMs = startMs;
  }

  now(): number {
    return this.#wallMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const order = ++this.#order;
    const due = this.#elapsedMs + Math.max(0, delayMs);
    // Real timers run in the async context in which they were set; so do these.
    this.#timers.set(order, { due, order, callback: AsyncLocalStorage.bind(callback) });
    return order;
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on and fires what falls due, all on this stack. */
  advance(ms: number): void {
    const until = this.#elapsedMs + ms;
    for (let next = this.#nextUntil(until); next !== undefined; next = this.#nextUntil(until)) this.#fire(next);
    this.#elapsedMs = until;
  }

  /** As `advance`, but lets promises, immediates and kernel turns settle before the first timer and after each. */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#nextUntil(until); next !== undefined; next = this.#nextUntil(until)) {
      this.#fire(next);
      await settle();
    }
    this.#elapsedMs = until;
    await settle();
  }

  /** Sets the wall clock forward or back, as an operator or NTP would; durations and timers do not notice. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #fire(timer: Timer): void {
    this.#timers.delete(timer.order);
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.due);
    timer.callback();
  }

  #nextUntil(until: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (timer.due <= until && (first === undefined || timer.due < first.due)) first = timer;
    }
    return first;
  }
}

/** Lets everything that is ready run: promises, immediates and the kernel’s turns, `rounds` times round the loop. */
export async function settle(rounds = 8): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
