import type { Clock } from './ports.ts';

/**
 * The operating system’s time. The one place in the runtime that may ask it; everybody else is given a `Clock`, so
 * that tests can move time by hand.
 */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
};
