import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import {
  boolean,
  entries,
  integer,
  list,
  malformed,
  object,
  oneOf,
  readShape,
  type Shape,
  text,
  withRule,
} from '../../../src/protocols/json/shape.ts';

const read = <T>(shape: Shape<T>, value: unknown) => readShape(shape, value, malformed('The thing'));
const reasons = <T>(shape: Shape<T>, value: unknown): readonly string[] => {
  const result = read(shape, value);
  return result.ok ? [] : result.refusal.reasons;
};

const person = object({ name: text(5, /^[a-z]+$/, 'small letters'), age: integer(0, 150) }, { tags: list(text(3), 2) });

describe('shapes', () => {
  it('read what fits, with and without optional keys', () => {
    expect(read(person, { name: 'ann', age: 3 })).toEqual({ ok: true, value: { name: 'ann', age: 3 } });
    expect(read(person, { age: 3, tags: ['a'], name: 'ann' }).ok).toBe(true);
  });

  it('name every problem with its place, not only the first', () => {
    expect(reasons(person, { name: 'Ann', tags: ['a', 'long'], extra: 1 })).toEqual([
      'The thing, name: expected small letters, found “Ann”.',
      'The thing, tags[1]: expected at most 3 characters, found 4.',
      'The thing, extra: unknown key; known are name, age, tags.',
      'The thing: “age” is missing.',
    ]);
  });

  it('collect a bounded number of problems', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, 1]));
    expect(reasons(person, many)).toHaveLength(limits.reasonsMax);
  });

  it.each([
    ['an array for an object', person, []],
    ['null for an object', person, null],
    ['an object of a class', person, new Map([['name', 'ann']])],
    ['an inherited key', person, Object.create({ name: 'ann', age: 1 })],
    ['an optional key that is undefined', person, { name: 'ann', age: 1, tags: undefined }],
    ['a fraction', integer(0, 9), 1.5],
    ['minus zero', integer(0, 9), -0],
    ['a number over the bound', integer(0, 9), 10],
    ['a number as text', integer(0, 9), '1'],
    ['infinity', integer(0, Number.MAX_SAFE_INTEGER), Number.POSITIVE_INFINITY],
    ['an unsafe integer', integer(0, Number.MAX_SAFE_INTEGER), 2 ** 53],
    ['a control character', text(9), 'a\nb'],
    ['half a surrogate pair', text(9), '\ud800'],
    ['a number for a boolean', boolean, 1],
    ['a value that is not in the list', oneOf('a', 'b'), 'c'],
    ['an item twice', list(text(3), 5), ['a', 'b', 'a']],
    ['too few items', list(text(3), 5, 1), []],
    ['too many items', list(text(3), 1), ['a', 'b']],
    ['an object for a list', list(text(3), 1), { 0: 'a', length: 1 }],
    ['too many keys', entries(text(3), boolean, 1), { a: true, b: true }],
    ['a bad key', entries(text(3), boolean, 1), { long: true }],
    ['a broken rule', withRule(integer(0, 9), (n) => (n % 2 ? 'expected an even number' : undefined)), 3],
  ])('refuse %s', (_, shape, value) => {
    expect(reasons(shape as Shape<unknown>, value)).not.toEqual([]);
  });

  it('treat falsy values as values', () => {
    expect(read(boolean, false)).toEqual({ ok: true, value: false });
    expect(read(integer(0, 1), 0)).toEqual({ ok: true, value: 0 });
    expect(read(text(1), '')).toEqual({ ok: true, value: '' });
    expect(read(object({ a: boolean }), { a: false })).toEqual({ ok: true, value: { a: false } });
  });

  it('notice a shape that refuses in silence: that is a bug', () => {
    expect(() => read(() => undefined, 1)).toThrow('without saying why');
  });
});
