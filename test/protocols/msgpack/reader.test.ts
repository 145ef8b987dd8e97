import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { MalformedBytes, Reader } from '../../../src/protocols/msgpack/reader.ts';

const read = <T>(bytes: readonly number[], how: (reader: Reader) => T): T =>
  how(new Reader(utf8, Uint8Array.from(bytes)));
const zeros = (count: number, byte = 0): number[] => new Array<number>(count).fill(byte);

describe('Reader takes the shortest form only', () => {
  const uint = (reader: Reader) => reader.uint();
  const str = (reader: Reader) => reader.str(1_000_000);
  const bin = (reader: Reader) => reader.bin(1_000_000);
  const array = (reader: Reader) => reader.array(1_000_000);
  const longer: readonly [string, number[], (reader: Reader) => unknown][] = [
    ['127 as uint8', [0xcc, 0x7f], uint],
    ['255 as uint16', [0xcd, 0x00, 0xff], uint],
    ['65535 as uint32', [0xce, 0, 0, 0xff, 0xff], uint],
    ['2^32−1 as uint64', [0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], uint],
    ['31 bytes of text as str8', [0xd9, 31, ...zeros(31, 0x61)], str],
    ['255 bytes of text as str16', [0xda, 0, 255, ...zeros(255, 0x61)], str],
    ['65535 bytes of text as str32', [0xdb, 0, 0, 0xff, 0xff, ...zeros(65_535, 0x61)], str],
    ['255 bytes as bin16', [0xc5, 0, 255, ...zeros(255)], bin],
    ['65535 bytes as bin32', [0xc6, 0, 0, 0xff, 0xff, ...zeros(65_535)], bin],
    ['15 items as array16', [0xdc, 0, 15], array],
    ['16 items as array32', [0xdd, 0, 0, 0, 16], array],
  ];
  test.each(longer)('refuses %s', (_, bytes, how) => {
    expect(() => read(bytes, how)).toThrow(MalformedBytes);
  });

  const shortest: readonly [string, number[], (reader: Reader) => unknown, unknown][] = [
    ['127', [0x7f], uint, 127],
    ['128', [0xcc, 0x80], uint, 128],
    ['256', [0xcd, 1, 0], uint, 256],
    ['65536', [0xce, 0, 1, 0, 0], uint, 65_536],
    ['2^32', [0xcf, 0, 0, 0, 1, 0, 0, 0, 0], uint, 2 ** 32],
    ['2^53−1', [0xcf, 0, 0x1f, ...zeros(6, 0xff)], uint, Number.MAX_SAFE_INTEGER],
    ['no text', [0xa0], str, ''],
    ['31 bytes of text', [0xbf, ...zeros(31, 0x61)], str, 'a'.repeat(31)],
    ['32 bytes of text', [0xd9, 32, ...zeros(32, 0x61)], str, 'a'.repeat(32)],
    ['256 bytes of text', [0xda, 1, 0, ...zeros(256, 0x61)], str, 'a'.repeat(256)],
    ['257 bytes of text', [0xda, 1, 1, ...zeros(257, 0x61)], str, 'a'.repeat(257)],
    ['65536 bytes of text', [0xdb, 0, 1, 0, 0, ...zeros(65_536, 0x61)], str, 'a'.repeat(65_536)],
    ['no bytes', [0xc4, 0], bin, Uint8Array.of()],
    ['256 bytes', [0xc5, 1, 0, ...zeros(256)], bin, new Uint8Array(256)],
    ['65536 bytes', [0xc6, 0, 1, 0, 0, ...zeros(65_536)], bin, new Uint8Array(65_536)],
    ['15 items', [0x9f], array, 15],
    ['16 items', [0xdc, 0, 16], array, 16],
  ];
  test.each(shortest)('reads %s', (_, bytes, how, value) => {
    expect(read(bytes, how)).toEqual(value);
  });
});

describe('Reader holds to the bounds of its caller', () => {
  const over: readonly [string, number[], (reader: Reader) => unknown][] = [
    ['an integer', [0x08], (reader) => reader.uint(7)],
    ['an integer over 2^53−1', [0xcf, 0, 0x20, ...zeros(6)], (reader) => reader.uint()],
    ['the largest integer of all', [0xcf, ...zeros(8, 0xff)], (reader) => reader.uint()],
    ['a text in bytes, not characters', [0xa3, 0xe2, 0x82, 0xac], (reader) => reader.str(2)],
    ['bytes', [0xc4, 2, 0, 0], (reader) => reader.bin(1)],
    ['bytes of another length', [0xc4, 1, 0], (reader) => reader.binOf(2)],
    ['an array', [0x92], (reader) => reader.array(1)],
    ['a shorter array', [0x91], (reader) => reader.arrayOf(2)],
    ['a longer array', [0x93], (reader) => reader.arrayOf(2)],
    ['a byte after the end', [0xc0, 0xc0], (reader) => [reader.nil(), reader.end()]],
  ];
  test.each(over)('refuses %s', (_, bytes, how) => {
    expect(() => read(bytes, how)).toThrow(MalformedBytes);
  });

  test('takes what is exactly at the bound', () => {
    expect(read([0x07], (reader) => reader.uint(7))).toBe(7);
    expect(read([0xa3, 0xe2, 0x82, 0xac], (reader) => reader.str(3))).toBe('€');
    expect(read([0xc4, 1, 9], (reader) => reader.bin(1))).toEqual(Uint8Array.of(9));
    expect(read([0x92], (reader) => reader.array(2))).toBe(2);
  });

  test('refuses a length of four gigabytes without looking for them', () => {
    expect(() => read([0xc6, 0xff, 0xff, 0xff, 0xff], (reader) => reader.bin(10))).toThrow('at most 10');
    expect(() => read([0xdb, 0xff, 0xff, 0xff, 0xff], (reader) => reader.str(2 ** 40))).toThrow('cut short');
  });
});

describe('Reader refuses the wrong type and cut values', () => {
  const kinds: readonly [string, (reader: Reader) => unknown, readonly number[]][] = [
    ['bool', (reader) => reader.bool(), [0xc2, 0xc3]],
    ['uint', (reader) => reader.uint(), [...Array(0x80).keys(), 0xcc, 0xcd, 0xce, 0xcf]],
    ['str', (reader) => reader.str(99), [...Array.from({ length: 32 }, (_, i) => 0xa0 + i), 0xd9, 0xda, 0xdb]],
    ['bin', (reader) => reader.bin(99), [0xc4, 0xc5, 0xc6]],
    ['array', (reader) => reader.array(99), [...Array.from({ length: 16 }, (_, i) => 0x90 + i), 0xdc]],
  ];
  test.each(kinds)('%s', (_, how, heads) => {
    for (let head = 0; head < 256; head++) {
      if (!heads.includes(head)) expect(() => read([head, ...zeros(16)], how), `head ${head}`).toThrow(MalformedBytes);
    }
    expect(() => read([], how)).toThrow('cut short');
  });

  test('every value, cut at each byte', () => {
    const whole: readonly [number[], (reader: Reader) => unknown][] = [
      [[0xcf, 0, 0, 0, 1, 0, 0, 0, 0], (reader) => reader.uint()],
      [[0xce, 0, 1, 0, 0], (reader) => reader.uint()],
      [[0xd9, 32, ...zeros(32, 0x61)], (reader) => reader.str(99)],
      [[0xc5, 1, 0, ...zeros(256)], (reader) => reader.bin(999)],
      [[0xdc, 0, 16], (reader) => reader.array(99)],
    ];
    for (const [bytes, how] of whole) {
      expect(() => read(bytes, how)).not.toThrow();
      for (let length = 0; length < bytes.length; length++)
        expect(() => read(bytes.slice(0, length), how)).toThrow(MalformedBytes);
    }
  });

  test('text that is not UTF-8: overlong, half a surrogate pair, cut, past the last code point', () => {
    for (const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf4, 0x90, 0x80, 0x80], [0xff]])
      expect(() => read([0xa0 | bytes.length, ...bytes], (reader) => reader.str(9))).toThrow('not UTF-8');
  });

  test('a nil is taken only if there is one', () => {
    const reader = new Reader(utf8, Uint8Array.of(0xc0, 0x01));
    expect([reader.nil(), reader.nil(), reader.offset, reader.uint(), reader.nil()]).toEqual([
      true,
      false,
      1,
      1,
      false,
    ]);
    expect(() => reader.end()).not.toThrow();
  });
});
