import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJson, shown } from '../../../src/protocols/json/text.ts';

const bounds = { charsMax: 10_000, depthMax: 8 };

const code = (text: string, given = bounds) => {
  const parsed = parseJson(text, given);
  return parsed.ok ? 'ok' : parsed.refusal.code;
};

const isSafe = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  Object.entries(value).every(
    ([key, item]) => !['__proto__', 'constructor', 'prototype'].includes(key) && isSafe(item),
  );

describe('strict JSON', () => {
  it('reads whatever JSON.stringify writes, spaced or not', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }).filter(isSafe), fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(parseJson(text, { charsMax: text.length, depthMax: 8 })).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  it('accepts no text that JSON.parse does not', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'{}[]":,\\a1 u0') }), (text) => {
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        if (!isJson) expect(code(text)).not.toBe('ok');
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['a key that comes twice', '{"a":1,"b":2,"a":3}', 'MALFORMED'],
    ['a key that comes twice in an inner object', '[{"x":{"a":1,"a":1}}]', 'MALFORMED'],
    ['a key that comes twice behind an escape', '{"a":1,"\\u0061":2}', 'MALFORMED'],
    ['a key that comes twice with spaces before the colon', '{"a" :1,"a"\n\t:2}', 'MALFORMED'],
    ['__proto__', '{"__proto__":{"admin":true}}', 'MALFORMED'],
    ['an escaped __proto__', '{"\\u005f_proto__":1}', 'MALFORMED'],
    ['constructor', '{"a":{"constructor":1}}', 'MALFORMED'],
    ['a string without end', '{"a', 'MALFORMED'],
    ['a string that ends in a backslash', '"a\\', 'MALFORMED'],
    ['a bad escape in a key', '{"\\q":1}', 'MALFORMED'],
    ['brackets that do not match', '[1}', 'MALFORMED'],
    ['nothing', '', 'MALFORMED'],
    ['two values', '1 2', 'MALFORMED'],
    ['nine levels', '['.repeat(9) + ']'.repeat(9), 'LIMIT_EXCEEDED'],
    ['a flood of open brackets', '['.repeat(9_999), 'LIMIT_EXCEEDED'],
    ['too many characters', `"${'x'.repeat(9_999)}"`, 'LIMIT_EXCEEDED'],
  ])('refuses %s', (_, text, expected) => {
    expect(code(text)).toBe(expected);
  });

  it.each([
    ['the same key in two objects', '[{"a":1},{"a":2}]'],
    ['the same key at two levels', '{"a":{"a":1}}'],
    ['a value equal to a key', '{"a":"a","b":["a","a"]}'],
    ['a string with brackets and colons', '{"a":"}]:{\\"[","b":1}'],
    ['eight levels', '['.repeat(8) + ']'.repeat(8)],
  ])('accepts %s', (_, text) => {
    expect(code(text)).toBe('ok');
  });
});

describe('a foreign text in a reason', () => {
  it('is on one line and short', () => {
    expect(shown('a\nb\u0000c')).toBe('a\uFFFDb\uFFFDc');
    expect(shown('x'.repeat(500))).toBe(`${'x'.repeat(64)}…`);
  });
});
