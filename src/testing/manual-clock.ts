import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '../actors/kernel/ports.ts';

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A real clock would go on; here timers of no delay that set each other would run for ever. */
const firedAtOnceMax = 200_000;

/**
 * A `Clock` that moves only when told to. Timers fire in order of their due time, those of the same time in the order
 * in which they were set; while one fires, the clock shows exactly its due time. Timers set by a firing timer fire in
 * the same `advance` when they are due within it.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #order = 0;
  #firedAtOnce = 0;
  readonly #waiting = new Map<number, Timer>();
  /** A binary heap, first due on top. Cancelled timers stay in it until they come up or outnumber the others. */
  #heap: Timer[] = [];

  /** `startMs`: what `now()` shows at first; milliseconds since 1970. */
  constructor(startMs = 1_750_000_000_000) {
    this.#wallMs = startMs;
  }

  /** Whole milliseconds, as the real one shows, however finely time passes. */
  now(): number {
    return Math.floor(this.#wallMs + this.#elapsedMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const order = ++this.#order;
    // No number at all is no delay, as in Node.
    const due = this.#elapsedMs + (delayMs > 0 ? delayMs : 0);
    // Real timers run in the async context in which they were set; so do these.
    const timer = { due, order, callback: AsyncLocalStorage.bind(callback) };
    this.#waiting.set(order, timer);
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return order;
  }

  clearTimeout(timer: unknown): void {
    if (!this.#waiting.delete(timer as number)) return;
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#waiting.size) {
      // Sorted is a heap.
      this.#heap = [...this.#waiting.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
    }
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#waiting.size;
  }

  /** Milliseconds from now until the next timer fires; undefined when none waits. */
  get nextInMs(): number | undefined {
    const first = this.#first();
    return first && Math.max(0, first.due - this.#elapsedMs);
  }

  /** Moves time on and fires what falls due, all on this stack. */
  advance(ms: number): void {
    const until = this.#elapsedMs + ms;
    for (let next = this.#nextUntil(until); next !== undefined; next = this.#nextUntil(until)) this.#fire(next);
    this.#elapsedMs = until;
  }

  /** As `advance`, but lets all that is ready happen before the first timer and after each (`quiet`). */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#elapsedMs + ms;
    await quiet();
    for (let next = this.#nextUntil(until); next !== undefined; next = this.#nextUntil(until)) {
      this.#fire(next);
      await quiet();
    }
    this.#elapsedMs = until;
    await quiet();
  }

  /** Sets the wall clock forward or back, as an operator or NTP would; durations and timers do not notice. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #fire(timer: Timer): void {
    this.#waiting.delete(timer.order);
    if (timer.due > this.#elapsedMs) this.#firedAtOnce = 0;
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.due);
    this.#firedAtOnce += 1;
    if (this.#firedAtOnce > firedAtOnceMax)
      throw new Error(`${firedAtOnceMax} timers fired at one moment: some set each other and time stands still.`);
    timer.callback();
  }

  #nextUntil(until: number): Timer | undefined {
    const first = this.#first();
    return first !== undefined && first.due <= until ? first : undefined;
  }

  #first(): Timer | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#waiting.has(top.order)) return top;
      this.#dropTop();
    }
    return undefined;
  }

  #dropTop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    for (let at = from; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!this.#swapUnlessBefore(above, at)) return;
      at = above;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    for (let at = from; ; ) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (a === undefined) return;
      const smaller = b !== undefined && isBefore(b, a) ? left + 1 : left;
      if (!this.#swapUnlessBefore(at, smaller)) return;
      at = smaller;
    }
  }

  /** Puts the two of the heap in order; true when they were not. */
  #swapUnlessBefore(above: number, below: number): boolean {
    const [a, b] = [this.#heap[above]!, this.#heap[below]!];
    if (isBefore(a, b)) return false;
    this.#heap[above] = b;
    this.#heap[below] = a;
    return true;
  }
}

const isBefore = (a: Timer, b: Timer): boolean => a.due < b.due || (a.due === b.due && a.order < b.order);

/** What goes on and on by itself, such as two actors that never stop writing to each other, holds time for so long. */
const roundsMax = 128;
/** Real milliseconds that a file of the real disk is waited for. */
const fileMsMax = 2_000;

/**
 * Lets everything that is ready happen: promises, immediates, the kernel’s turns, and reads of real files, which end at
 * another moment in each run. Only then may virtual time go on, or one seed would give two stories.
 */
export async function quiet(): Promise<void> {
  let deadline: number | undefined;
  // Twice: what this very round’s promises began shows in the next one.
  for (let [round, still] = [0, 0]; still < 2 && round < roundsMax; round += 1) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const active = process.getActiveResourcesInfo();
    still = active.includes('Immediate') ? 0 : still + 1;
    if (!active.some(isOfFiles)) continue;
    deadline ??= performance.now() + fileMsMax;
    if (performance.now() < deadline) [round, still] = [0, 0];
  }
}

const isOfFiles = (resource: string): boolean => resource.startsWith('FSReq') || resource === 'CloseReq';

/** Lets everything that is ready run: promises, immediates and the kernel’s turns, `rounds` times round the loop. */
export async function settle(rounds = 8): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
