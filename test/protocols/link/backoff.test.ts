import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, linkBackoff } from '../../../src/protocols/link/backoff.ts';

const latest = 0xffff_ffff;

describe('backoffMs', () => {
  test('doubles the longest pause up to its maximum', () => {
    const longest = [1, 2, 3, 4, 7, 8, 9, 1_000, 1e9].map((attempt) => Math.ceil(backoffMs(attempt, latest)));
    expect(longest).toEqual([99, 199, 399, 799, 6_399, 9_999, 9_999, 9_999, 9_999]);
  });

  test('draws from the whole span below, and never less than the shortest pause', () => {
    expect(backoffMs(8, 0x8000_0000)).toBe(5_000);
    expect([1, 5, 50].map((attempt) => backoffMs(attempt, 0))).toEqual([20, 20, 20]);
  });

  test('is whole, bounded, and grows with chance and attempts', () => {
    const random = fc.integer({ min: 0, max: latest });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), random, random, (attempt, one, two) => {
        const [less, more] = [Math.min(one, two), Math.max(one, two)];
        const pause = backoffMs(attempt, less);
        expect(Number.isSafeInteger(pause)).toBe(true);
        expect(pause).toBeGreaterThanOrEqual(20);
        expect(pause).toBeLessThanOrEqual(linkBackoff.maxMs);
        expect(backoffMs(attempt, more)).toBeGreaterThanOrEqual(pause);
        expect(backoffMs(attempt + 1, less)).toBeGreaterThanOrEqual(pause);
      }),
    );
  });

  test('holds to the configuration that it is given', () => {
    const config = { initialMs: 1_000, maxMs: 3_000, factor: 3 };
    expect([1, 2, 3].map((attempt) => backoffMs(attempt, latest, config))).toEqual([999, 2_999, 2_999]);
  });
});
