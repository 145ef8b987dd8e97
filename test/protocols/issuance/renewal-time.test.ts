import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renewalAt, retryInMs, urgencies, urgencyAt } from '../../../src/protocols/issuance/renewal-time.ts';

const hourMs = 3_600_000;
const period = fc
  .tuple(fc.integer({ min: 0, max: 1e13 }), fc.integer({ min: 3_000, max: 4e11 }))
  .map(([notBefore, lifeMs]) => ({ notBefore, notAfter: notBefore + lifeMs }));
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('a renewal', () => {
  test('is due so long before the end as the threshold says', () => {
    expect(renewalAt({ notBefore: 0, notAfter: 90 * hourMs }, 30 * hourMs, 0.7)).toBe(60 * hourMs);
  });

  test('is due after two thirds of the life without one, or with one that would never let it rest', () => {
    for (const threshold of [undefined, 90 * hourMs, 91 * hourMs]) {
      expect(renewalAt({ notBefore: 0, notAfter: 90 * hourMs }, threshold, 0)).toBe(60 * hourMs);
      expect(renewalAt({ notBefore: 0, notAfter: 90 * hourMs }, threshold, 1)).toBe(55.5 * hourMs);
    }
  });

  test('is always due within the life, with time left for it', () => {
    fc.assert(
      fc.property(period, fc.option(fc.nat(4e11), { nil: undefined }), jitter, (life, threshold, chance) => {
        const due = renewalAt(life, threshold, chance);
        expect(due).toBeGreaterThan(life.notBefore);
        expect(due).toBeLessThanOrEqual(life.notAfter);
      }),
    );
  });
});

describe('urgency', () => {
  test('rises at half and at a tenth of the time there was, and at the end', () => {
    const at = (now: number) => urgencyAt(100, 200, now);
    expect([100, 149, 150, 189, 190, 199, 200, 300].map(at)).toEqual([
      'none',
      'none',
      'half',
      'half',
      'tenth',
      'tenth',
      'over',
      'over',
    ]);
  });

  test('never falls while time goes on', () => {
    fc.assert(
      fc.property(period, fc.array(fc.nat(5e11), { minLength: 2 }), ({ notBefore, notAfter }, times) => {
        const ranks = times
          .toSorted((a, b) => a - b)
          .map((time) => urgencies.indexOf(urgencyAt(notBefore, notAfter, notBefore + time)));
        expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe('the pause after a failure', () => {
  test('doubles up to an hour', () => {
    const pauses = [1, 2, 3, 9, 10, 50].map((attempt) => retryInMs(attempt, 1_000 * hourMs, 0));
    expect(pauses).toEqual([10_000, 20_000, 40_000, 2_560_000, hourMs, hourMs]);
  });

  test('leaves several attempts until the end, and neither stops nor becomes a loop', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: -1e12, max: 1e12 }),
        jitter,
        (n, left, chance) => {
          const pause = retryInMs(n, left, chance);
          expect(pause).toBeGreaterThanOrEqual(5_000);
          expect(pause).toBeLessThanOrEqual(hourMs);
          if (left > 80_000) expect(pause).toBeLessThanOrEqual(Math.ceil(left / 8));
        },
      ),
    );
  });
});
