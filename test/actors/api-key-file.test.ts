import { describe, expect, it } from 'vitest';
import { readApiKeys } from '../../src/actors/api-key-file.ts';
import { limits } from '../../src/limits.ts';

const hash = (at: number): string => at.toString(16).padStart(64, '0');
const entry = (name: string, at: number, more: object = {}) => ({ name, hash: hash(at), roles: ['admin'], ...more });
const read = (value: unknown) => readApiKeys(typeof value === 'string' ? value : JSON.stringify(value));

describe('the file of API keys', () => {
  it('names keys, their hashes and what they may do', () => {
    expect(read([entry('dev', 1), entry('ci', 2, { roles: [] })])).toMatchObject({
      ok: true,
      value: {
        keys: [
          { id: 'dev', roles: ['admin'], resources: ['*'], secrets: [{ hash: hash(1), notBefore: 0 }] },
          { id: 'ci', roles: [] },
        ],
      },
    });
  });

  it.each<[string, unknown, string, RegExp]>([
    ['no JSON', '[', 'MALFORMED', /a JSON list/],
    ['no list', {}, 'MALFORMED', /a JSON list/],
    ['a key of an object twice', '[{"name": "a", "name": "b"}]', 'MALFORMED', /comes twice/],
    ['no name', [{ hash: hash(1), roles: [] }], 'MALFORMED', /Entry 1 has no “name”/],
    ['a name that only looks like one', [entry('dеv', 1)], 'MALFORMED', /Entry 1 has no “name”/],
    ['no hash', [{ name: 'a', roles: [] }], 'MALFORMED', /Entry 1 has no “hash”/],
    [
      'an entry of an earlier version, without roles',
      [{ name: 'a', hash: hash(1) }],
      'MALFORMED',
      /Entry 1 has no “roles”/,
    ],
    ['a role that is no name', [entry('a', 1, { roles: ['Admin'] })], 'MALFORMED', /Entry 1 has no “roles”/],
    ['two of one name', [entry('a', 1), entry('a', 2)], 'MALFORMED', /Entry 2 has the name a,/],
    ['two of one hash', [entry('a', 1), entry('b', 1)], 'MALFORMED', /Entry 2 has the hash 0+1,/],
    ['nothing at all', 'null', 'MALFORMED', /a JSON list/],
    ['a null', [null], 'MALFORMED', /Entry 1 has no “name”/],
    [
      'too many',
      Array.from({ length: limits.apiKeysMax + 1 }, (_, at) => entry(`k${at}`, at)),
      'LIMIT_EXCEEDED',
      /1025 API keys, and 1024/,
    ],
  ])('is refused with %s', (_, value, code, expected) => {
    const judged = read(value);
    expect(judged).toMatchObject({ ok: false, refusal: { code } });
    expect(judged.ok ? '' : judged.refusal.reasons[0]).toMatch(expected);
  });
});
