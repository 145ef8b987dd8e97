import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';

const longestMs = 2 ** 31 - 1;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each([longestMs, longestMs + 1, 2 ** 32, 3 * longestMs + 7])(
  'a timer of %s ms fires then, and not at once as Node’s own would',
  (ms) => {
    let fired = 0;
    nodeClock.setTimeout(() => {
      fired += 1;
    }, ms);
    vi.advanceTimersByTime(ms - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  },
);

test('a long timer can be cleared at any time, and one of no end never fires', () => {
  let fired = 0;
  const fire = (): void => {
    fired += 1;
  };
  for (const after of [0, longestMs + 5, 2 * longestMs + 5]) {
    const timer = nodeClock.setTimeout(fire, 3 * longestMs);
    vi.advanceTimersByTime(after);
    nodeClock.clearTimeout(timer);
    expect(vi.getTimerCount()).toBe(0);
  }
  const never = nodeClock.setTimeout(fire, Number.POSITIVE_INFINITY);
  vi.advanceTimersByTime(5 * longestMs);
  expect(vi.getTimerCount()).toBe(1);
  nodeClock.clearTimeout(never);
  expect(vi.getTimerCount()).toBe(0);
  nodeClock.clearTimeout(undefined);
  expect(fired).toBe(0);
});
