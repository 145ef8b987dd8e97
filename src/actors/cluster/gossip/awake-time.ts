import { limits } from '../../../limits.ts';
import { type Defer, nodeLoop } from '../../kernel/event-loop.ts';
import type { Clock } from '../../kernel/ports.ts';

interface Timer {
  readonly act: () => void;
  /** In awake time. */
  readonly dueMs: number;
  handle: unknown;
}

/** A timer of the system may come so much before its time, and the rules allow for it. */
const earlyMsMax = 5;

/**
 * Time as far as this process ran in it. A process that stood still (stopped, starved, or its event loop blocked) comes
 * back with all its timers due at once, and Node runs those before it reads what has arrived: every question would be
 * judged with the answer lying in the socket. So a timer that comes late takes the lateness out of the time, for all that
 * run, and nothing is due until the sockets were read.
 */
export class AwakeTime {
  readonly #clock: Clock;
  readonly #later: Defer;
  readonly #timers = new Set<Timer>();
  #lostMs = 0;
  /** Timers that wait until everything is read. */
  #waiting: Timer[] = [];
  #isReading = false;
  #hasHeard = false;

  /** `later`: runs what it is given after the sockets had a turn; Node’s own by default. */
  constructor(clock: Clock, later: Defer = nodeLoop.later) {
    this.#clock = clock;
    this.#later = later;
  }

  /** Milliseconds that never go back, those in which this process stood still left out. */
  now(): number {
    return this.#clock.monotonic() - this.#lostMs;
  }

  /** The same by the monotonic clock, for others to read: `sinceMs` as if all that was lost had been lost before it. */
  dated<T extends { readonly sinceMs: number }>(thing: T): T {
    return { ...thing, sinceMs: thing.sinceMs + this.#lostMs };
  }

  setTimeout(act: () => void, delayMs: number): unknown {
    const timer: Timer = { act, dueMs: this.now() + delayMs, handle: undefined };
    this.#timers.add(timer);
    this.#arm(timer, delayMs);
    return timer;
  }

  clearTimeout(timer: unknown): void {
    if (this.#timers.delete(timer as Timer)) this.#clock.clearTimeout((timer as Timer).handle);
  }

  /** No timer that was set before fires any more. */
  clear(): void {
    for (const { handle } of this.#timers) this.#clock.clearTimeout(handle);
    this.#timers.clear();
    this.#waiting = [];
  }

  /** Something was read: there may be more. */
  heard(): void {
    this.#hasHeard = true;
  }

  #arm(timer: Timer, delayMs: number): void {
    timer.handle = this.#clock.setTimeout(() => this.#comes(timer), delayMs);
  }

  #comes(timer: Timer): void {
    const lateMs = this.now() - timer.dueMs;
    if (lateMs >= limits.stallMsMin) {
      this.#lostMs += lateMs;
      if (!this.#isReading) this.#read(limits.stallTurnsMax);
    }
    if (this.#isReading) this.#waiting.push(timer);
    else this.#fire(timer);
  }

  /** Turns of the event loop until one brings nothing. A turn reads a bounded part of each socket. */
  #read(turns: number): void {
    this.#isReading = true;
    this.#hasHeard = false;
    this.#later(() => {
      if (this.#hasHeard && turns > 1) this.#read(turns - 1);
      else this.#fireNext();
    });
  }

  #fireNext(): void {
    const timer = this.#waiting.shift();
    this.#isReading = timer !== undefined;
    if (timer === undefined) return;
    // First: one that throws must not hold the others back.
    this.#later(() => this.#fireNext());
    this.#fire(timer);
  }

  #fire(timer: Timer): void {
    if (!this.#timers.has(timer)) return;
    const leftMs = timer.dueMs - this.now();
    if (leftMs > earlyMsMax) {
      this.#arm(timer, leftMs);
      return;
    }
    this.#timers.delete(timer);
    timer.act();
  }
}
