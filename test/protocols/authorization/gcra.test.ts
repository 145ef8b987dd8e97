import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gcra } from '../../../src/protocols/authorization/gcra.ts';
import type { Rate } from '../../../src/protocols/authorization/rate.ts';

/** Runs arrivals (milliseconds) through one key; returns the times that were let through. */
function admitted(rate: Rate, arrivals: readonly number[]): number[] {
  let tat: number | undefined;
  const passed: number[] = [];
  for (const now of arrivals) {
    const step = gcra(tat, now, rate);
    tat = step.tat;
    if (step.allowed) passed.push(now);
  }
  return passed;
}

/** The dumb twin: a bucket that leaks in whole units of 1/count of a period, with BigInt, so without any drift. */
function admittedByBucket(rate: Rate, arrivals: readonly number[]): number[] {
  let level = 0n;
  let last = 0n;
  const capacity = BigInt(rate.burst) * BigInt(rate.periodMs);
  const cost = BigInt(rate.periodMs);
  const passed: number[] = [];
  for (const now of arrivals) {
    const leaked = (BigInt(now) - last) * BigInt(rate.count);
    level = level > leaked ? level - leaked : 0n;
    last = BigInt(now);
    if (level + cost > capacity) continue;
    level += cost;
    passed.push(now);
  }
  return passed;
}

const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3_000 })), {
  maxLength: 200,
});
const times = gaps.map((all) => {
  let now = 0;
  return all.map((gap) => {
    now += gap;
    return now;
  });
});

describe('the cell rate algorithm', () => {
  it('agrees with a leaking bucket counted in whole numbers', () => {
    const rates = fc.record({
      count: fc.constantFrom(1, 2, 3, 7, 10, 49, 100, 333),
      periodMs: fc.constantFrom(1_000, 60_000),
      burst: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(rates, times, (rate, arrivals) => {
        expect(admitted(rate, arrivals)).toEqual(admittedByBucket(rate, arrivals));
      }),
      { numRuns: 500 },
    );
  });

  it('is not early by a part of a message', () => {
    expect(admitted({ count: 333, periodMs: 1_000, burst: 1 }, [0, 3])).toEqual(
      admittedByBucket({ count: 333, periodMs: 1_000, burst: 1 }, [0, 3]),
    );
  });

  it.each([1, 3, 7, 49, 97, 1_000, 65_537])('lets a burst of %i at once through, and not one more', (burst) => {
    const rate = { count: burst, periodMs: 1_000, burst };
    expect(admitted(rate, Array(burst + 10).fill(1_000_000_007))).toHaveLength(burst);
  });

  it('says exactly when the next one fits', () => {
    const rate = { count: 10, periodMs: 1_000, burst: 1 };
    const first = gcra(undefined, 500, rate);
    expect(first).toEqual({ allowed: true, tat: 600, retryAfterMs: 0 });
    const refused = gcra(first.tat, 530, rate);
    expect(refused).toEqual({ allowed: false, tat: 600, retryAfterMs: 70 });
    expect(gcra(refused.tat, 599, rate).allowed).toBe(false);
    expect(gcra(refused.tat, 600, rate).allowed).toBe(true);
  });

  it('never lets through what costs more than the burst', () => {
    const rate = { count: 10, periodMs: 1_000, burst: 5 };
    expect(gcra(undefined, 0, rate, 6)).toMatchObject({ allowed: false, retryAfterMs: Number.POSITIVE_INFINITY });
    expect(gcra(undefined, 0, rate, Number.NaN).allowed).toBe(false);
    expect(gcra(undefined, 0, rate, 5).allowed).toBe(true);
  });

  it('makes nobody wait longer than one budget after the clock went back', () => {
    const rate = { count: 10, periodMs: 1_000, burst: 10 };
    const step = gcra(9_000_000, 0, rate);
    expect(step.allowed).toBe(false);
    expect(step.retryAfterMs).toBeLessThanOrEqual(1_000);
  });
});
