import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import {
  type ApiKeysBody,
  agreedKeys,
  apiKeysBody,
  apiKeysInOrder,
  onlyTakesAway,
} from '../../../src/protocols/access/api-keys.ts';
import { malformed, readShape } from '../../../src/protocols/json/shape.ts';
import { anyKeys, hashOf } from './arbitraries.ts';

const read = (value: unknown) => readShape(apiKeysBody, value, malformed('The keys'));
const key = (id: string, at: number, more: object = {}) => ({
  ...{ id, name: id, roles: ['viewer'], secrets: [{ hash: hashOf(at), notBefore: 0 }] },
  ...more,
});
/** What counts, and when, as plain data. */
const whatCounts = (bodies: readonly ApiKeysBody[]) =>
  [...agreedKeys(bodies)]
    .map(([hash, { id, notBefore, expiresAt }]) => ({ hash, id, notBefore, expiresAt }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1));

describe('the cluster’s API keys', () => {
  it('are read back as they are signed', () => {
    fc.assert(
      fc.property(anyKeys, (body) => {
        expect(read(JSON.parse(JSON.stringify(apiKeysInOrder(body))))).toEqual({ ok: true, value: body });
      }),
    );
  });

  it.each<[string, object, RegExp]>([
    ['two keys of one id', { keys: [key('a', 1), key('a', 2)] }, /two keys a/],
    ['two keys of one hash', { keys: [key('a', 1), key('b', 1)] }, /same hash/],
    ['an id that only looks like one', { keys: [key('аnn', 1)] }, /the id of a key/],
    ['an id in capitals', { keys: [key('Ann', 1)] }, /the id of a key/],
    [
      'a hash in capitals',
      { keys: [key('a', 1, { secrets: [{ hash: 'A'.repeat(64), notBefore: 0 }] })] },
      /lower-case hex/,
    ],
    [
      'an end before the beginning',
      { keys: [key('a', 1, { secrets: [{ hash: hashOf(1), notBefore: 5, expiresAt: 5 }] })] },
      /after notBefore/,
    ],
    ['a key without a secret', { keys: [key('a', 1, { secrets: [] })] }, /1 to 4 items/],
    ['a name that steers a terminal', { keys: [key('a', 1, { name: 'x\u001b[2J' })] }, /control characters/],
    ['the key itself', { keys: [key('a', 1, { key: 'cxk_' })] }, /unknown key/],
    [
      'too many',
      { keys: Array.from({ length: limits.apiKeysMax + 1 }, (_, at) => key(`k${at}`, at)) },
      /0 to 1024 items/,
    ],
  ])('are refused with %s', (_, value, expected) => {
    const judged = read(value);
    expect(judged).toMatchObject({ ok: false });
    expect(judged.ok ? '' : judged.refusal.reasons.join(' ')).toMatch(expected);
  });

  it('count, of two documents of one generation, only where both have them under one id, and no longer than in either', () => {
    fc.assert(
      fc.property(anyKeys, anyKeys, (a, b) => {
        const both = whatCounts([a, b]);
        expect(whatCounts([b, a])).toEqual(both);
        expect(whatCounts([a, a])).toEqual(whatCounts([a]));
        for (const alone of [whatCounts([a]), whatCounts([b])])
          for (const { hash, id, notBefore, expiresAt } of both) {
            const same = alone.find((one) => one.hash === hash);
            expect(same?.id).toBe(id);
            expect(notBefore).toBeGreaterThanOrEqual(same!.notBefore);
            expect(expiresAt).toBeLessThanOrEqual(same!.expiresAt);
          }
      }),
      { numRuns: 1_000 },
    );
  });

  it('are only taken away by a document in which nothing is new', () => {
    const body = (...keys: object[]): ApiKeysBody => {
      const judged = read({ keys });
      if (!judged.ok) throw new Error(judged.refusal.reasons.join(' '));
      return judged.value;
    };
    const before = body(key('a', 1), key('b', 2));
    const ending = key('a', 1, { secrets: [{ hash: hashOf(1), notBefore: 0, expiresAt: 9 }] });
    expect([
      onlyTakesAway([before], body(key('b', 2))),
      onlyTakesAway([before], body()),
      onlyTakesAway([before], body(ending, key('b', 2))),
      onlyTakesAway([body(ending)], body(key('a', 1))),
      onlyTakesAway([before], body(key('a', 1), key('c', 3))),
      onlyTakesAway([before], body(key('a', 2))),
      onlyTakesAway([before], body(key('a', 1, { roles: ['admin'] }))),
      onlyTakesAway([before], body(key('a', 1, { roles: [] }))),
      onlyTakesAway([], body()),
    ]).toEqual([true, true, true, false, false, false, false, false, false]);
  });
});
