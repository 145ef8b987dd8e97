import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRate, rateText } from '../../../src/protocols/authorization/rate.ts';

describe('a rate', () => {
  it.each([
    ['100/s', { count: 100, periodMs: 1_000, burst: 100 }],
    ['1000/min', { count: 1_000, periodMs: 60_000, burst: 1_000 }],
    ['10/h burst 3', { count: 10, periodMs: 3_600_000, burst: 3 }],
    ['1/d', { count: 1, periodMs: 86_400_000, burst: 1 }],
    ['1000000/s', { count: 1_000_000, periodMs: 1_000, burst: 1_000_000 }],
  ])('reads %s', (text, rate) => {
    expect(parseRate(text)).toEqual({ ok: true, value: rate });
  });

  it('writes what it reads', () => {
    const count = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(count, count, fc.constantFrom(1_000, 60_000, 3_600_000, 86_400_000), (n, burst, periodMs) => {
        const rate = { count: n, periodMs, burst };
        expect(parseRate(rateText(rate))).toEqual({ ok: true, value: rate });
      }),
    );
  });

  it.each([
    '',
    '100',
    '/s',
    '0/s',
    '-1/s',
    '1.5/s',
    '1e3/s',
    '100/ms',
    '100 /s',
    '1000001/s',
    '1/s burst 0',
    '1/s burst',
    '1/s\n',
  ])('refuses “%s”', (text) => {
    expect(parseRate(text).ok).toBe(false);
  });
});
