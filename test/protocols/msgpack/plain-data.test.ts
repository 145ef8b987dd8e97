import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import { decodePlainData, encodePlainData, type PlainData } from '../../../src/protocols/msgpack/plain-data.ts';
import { decodeMessagePack } from '../../twins/message-pack.ts';
import { decoded } from '../link/fixtures.ts';

const bounds = { bytesMax: 100_000 };
const encode = (data: unknown, bytesMax = bounds.bytesMax) =>
  encodePlainData(utf8, data, { bytesMax }, () => undefined);
const decode = (bytes: Uint8Array) => decodePlainData(utf8, bytes, bounds);
const bytesOf = (data: unknown): Uint8Array => {
  const encoded = encode(data);
  if (!encoded.ok) throw new Error(encoded.refusal.reasons.join(' '));
  return encoded.value;
};

const key = fc.string({ maxLength: 40 }).filter((text) => text !== '__proto__');
const { data } = fc.letrec<{ data: PlainData }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.constantFrom(0, -0, -1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, 2 ** 60, Number.NaN),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('data'), { maxLength: 20 }),
    fc.dictionary(key, tie('data'), { maxKeys: 20, noNullPrototype: true }),
  ),
}));

describe('plain data', () => {
  test('comes back as it was, and a naive decoder reads the same', () => {
    fc.assert(
      fc.property(data, (value) => {
        const bytes = bytesOf(value);
        const back = decoded(decode(bytes));
        expect(back.data).toStrictEqual(value);
        expect(decodeMessagePack(bytes)).toStrictEqual(value);
        expect(back.weightBytes).toBeGreaterThan(bytes.length);
      }),
    );
  });

  test('has one form: what is read is written the same', () => {
    fc.assert(
      fc.property(data, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), (value, changes) => {
        const bytes = bytesOf(value);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        const back = decode(bytes);
        if (back.ok) expect(bytesOf(back.value.unverified.data)).toEqual(bytes);
        else expect(back.refusal.code).toBe('MALFORMED');
      }),
      { numRuns: 500 },
    );
  });

  test('of whatever bytes is refused or read, and nothing is thrown', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const back = decode(bytes);
        if (!back.ok) expect(back.refusal.code).toBe('MALFORMED');
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, number[]]>([
    ['a key that would be a prototype', [0x81, 0xa9, ...utf8.encode('__proto__'), 0x80]],
    ['a key twice', [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2]],
    ['a number as a key behind a word, where an object does not keep it', [0x82, 0xa1, 0x61, 1, 0xa1, 0x30, 2]],
    ['numbers as keys that fall', [0x82, 0xa2, 0x31, 0x30, 1, 0xa1, 0x39, 2]],
    ['a key that is no text', [0x81, 1, 1]],
    ['an extension', [0xd4, 1, 0]],
    ['a number in 32 bits', [0xca, 0, 0, 0, 0]],
    ['an integer as a number in 64 bits', [0xcb, 0x40, 0x45, 0, 0, 0, 0, 0, 0]],
    ['a NaN that hides something', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1]],
    ['−1 in 8 bits', [0xd0, 0xff]],
    ['−128 in 16 bits', [0xd1, 0xff, 0x80]],
    ['−32,768 in 32 bits', [0xd2, 0xff, 0xff, 0x80, 0]],
    ['1 in signed 64 bits', [0xd3, 0, 0, 0, 0, 0, 0, 0, 1]],
    ['−2^53', [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0]],
    ['a map of a few in the longer form', [0xde, 0, 1, 0xa1, 0x61, 1]],
    ['a map of four thousand million', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['bytes after the end', [1, 1]],
    ['nothing', []],
  ])('is not %s', (_, bytes) => {
    expect(decode(Uint8Array.from(bytes))).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  test('is not deeper or more than the bounds, coming or going', () => {
    const deep = (levels: number): Uint8Array => Uint8Array.from([...Array<number>(levels).fill(0x91), 1]);
    expect(decode(deep(limits.plainDepthMax)).ok).toBe(true);
    expect(decode(deep(limits.plainDepthMax + 1)).ok).toBe(false);
    expect(decode(deep(90_000)).ok).toBe(false);
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(encode(cycle)).toMatchObject({ refusal: { code: 'MALFORMED' } });
    const wide = Array.from({ length: limits.plainValuesMax }, () => null);
    expect(encode(wide)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    expect(encode(wide.slice(1)).ok).toBe(true);
    expect(encode('x'.repeat(2_000), 1_000)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    expect(encode(new Uint8Array(998), 1_000)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    expect(encode(new Uint8Array(997), 1_000).ok).toBe(true);
    expect(decodePlainData(utf8, new Uint8Array(11), { bytesMax: 10 }).ok).toBe(false);
  });

  test('weighs what it takes: a byte of nothing is an object', () => {
    const empties = bytesOf(Array.from({ length: 10_000 }, () => ({})));
    expect(decoded(decode(empties)).weightBytes).toBeGreaterThan(500_000);
  });

  test.each<[string, unknown]>([
    ['a function', () => {}],
    ['a symbol', Symbol('x')],
    ['a bigint', 1n],
    ['undefined in a list', [undefined]],
    ['a hole in a list', new Array(1)],
    ['a Date', { at: new Date(0) }],
    ['a Map', new Map()],
    ['an Error', new Error('x')],
    ['half a character', { text: '\ud800' }],
    ['half a character in a key', { '\ud800': 1 }],
    ['a key that would be a prototype', JSON.parse('{"__proto__": 1}')],
    ['a getter that throws', Object.defineProperty({}, 'x', { enumerable: true, get: () => Number('x').toFixed(-1) })],
    ['a proxy that throws', new Proxy({}, { ownKeys: () => [1] as never })],
  ])('is not %s', (_, value) => {
    expect(encode(value)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  test('leaves out what is undefined, and names what the sender has a name for', () => {
    class Named {}
    expect(decoded(decode(bytesOf({ a: undefined, b: 1 }))).data).toStrictEqual({ b: 1 });
    const named = encodePlainData(utf8, { to: new Named() }, bounds, (value) =>
      value instanceof Named ? 'its name' : undefined,
    );
    expect(named.ok && decoded(decode(named.value)).data).toStrictEqual({ to: 'its name' });
  });

  test('is a copy of the bytes that came', () => {
    const bytes = Buffer.from(bytesOf({ it: Uint8Array.of(1, 2, 3) }));
    const { data: back } = decoded(decode(bytes));
    bytes.fill(0);
    expect(back).toStrictEqual({ it: Uint8Array.of(1, 2, 3) });
  });
});
