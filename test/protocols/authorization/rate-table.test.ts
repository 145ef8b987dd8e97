import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gcra } from '../../../src/protocols/authorization/gcra.ts';
import { RateTable } from '../../../src/protocols/authorization/rate-table.ts';

const once = { count: 1, periodMs: 1_000, burst: 1 };

describe('the table of rates', () => {
  it('gives each key a budget of its own', () => {
    const table = new RateTable();
    expect(table.spend('a', once, 0).allowed).toBe(true);
    expect(table.spend('a', once, 1).allowed).toBe(false);
    expect(table.spend('b', once, 1).allowed).toBe(true);
    expect(table.spend('a', once, 1_000).allowed).toBe(true);
  });

  it('refuses newcomers when it is full of live keys, and still serves those it knows', () => {
    const table = new RateTable(3);
    for (const key of ['a', 'b', 'c']) table.spend(key, { ...once, burst: 2 }, 0);
    expect(table.spend('d', once, 1)).toMatchObject({ allowed: false, full: true });
    expect(table.spend('a', { ...once, burst: 2 }, 1).allowed).toBe(true);
    expect(table.size).toBe(3);
  });

  it('takes newcomers again as soon as a budget is whole', () => {
    const table = new RateTable(3);
    for (const key of ['a', 'b', 'c']) table.spend(key, once, 0);
    expect(table.spend('d', once, 999).full).toBe(true);
    expect(table.spend('d', once, 1_000).allowed).toBe(true);
    expect(table.size).toBeLessThanOrEqual(3);
  });

  it('forgets old keys while it works, without being asked', () => {
    const table = new RateTable(1_000);
    for (let i = 0; i < 1_000; i++) table.spend(`old ${i}`, once, 0);
    for (let i = 0; i < 1_200; i++) table.spend('busy', once, 10_000 + i);
    expect(table.size).toBe(1);
  });

  it('never forgets a debt and never grows over its bound', () => {
    const spending = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 300 })), {
      maxLength: 150,
    });
    fc.assert(
      fc.property(spending, (all) => {
        const table = new RateTable(4);
        const twin = new Map<number, number>();
        let now = 0;
        for (const [key, gap] of all) {
          now += gap;
          const spent = table.spend(String(key), once, now);
          expect(table.size).toBeLessThanOrEqual(4);
          // The twin has room for everybody and forgets nothing; only “full” may differ from it.
          const step = gcra(twin.get(key), now, once);
          if (spent.full) continue;
          expect(spent.allowed).toBe(step.allowed);
          twin.set(key, step.tat);
        }
      }),
      { numRuns: 300 },
    );
  });
});
