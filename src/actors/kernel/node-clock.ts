import type { Clock } from './ports.ts';

/** Node’s longest timer, in milliseconds; a longer one would fire at once. */
const longestMs = 2_147_483_647;

/** A timer of more than 24 days: several of Node’s, one after the other. */
class LongTimer {
  readonly #callback: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(callback: () => void, delayMs: number) {
    this.#callback = callback;
    this.#wait(delayMs);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    this.#timer =
      ms > longestMs ? setTimeout(() => this.#wait(ms - longestMs), longestMs) : setTimeout(this.#callback, ms);
  }
}

/**
 * The operating system’s time. The one place in the runtime that may ask it; everybody else is given a `Clock`, so
 * that tests can move time by hand.
 */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, delayMs) =>
    delayMs > longestMs ? new LongTimer(callback, delayMs) : setTimeout(callback, delayMs),
  clearTimeout: (timer) => {
    if (timer instanceof LongTimer) timer.clear();
    else clearTimeout(timer as NodeJS.Timeout);
  },
};
