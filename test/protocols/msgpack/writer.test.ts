import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { Reader } from '../../../src/protocols/msgpack/reader.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { decodeMessagePack } from '../../twins/message-pack.ts';

/** What headers are made of. */
type Value = null | boolean | number | string | Uint8Array | readonly Value[];

const edges = [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
const uint = fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat());
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.nat(700).map((length) => 'x'.repeat(length)),
  fc.nat(300).map((length) => `${'x'.repeat(length)}€`),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(255, 256, 1_000).map((length) => new Uint8Array(length).fill(7)),
);
const leaf: fc.Arbitrary<Value> = fc.oneof(fc.constant(null), fc.boolean(), uint, text, bytes);
const { value: anyValue } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 20 })),
}));

function write(writer: Writer, value: Value): Writer {
  if (value === null) return writer.nil();
  if (typeof value === 'boolean') return writer.bool(value);
  if (typeof value === 'number') return writer.uint(value);
  if (typeof value === 'string') return writer.str(value);
  if (value instanceof Uint8Array) return writer.bin(value);
  writer.array(value.length);
  for (const item of value) write(writer, item);
  return writer;
}

function readLike(reader: Reader, value: Value): Value {
  if (value === null) return reader.nil() ? null : 'no nil';
  if (typeof value === 'boolean') return reader.bool();
  if (typeof value === 'number') return reader.uint();
  if (typeof value === 'string') return reader.str(100_000);
  if (value instanceof Uint8Array) return reader.bin(100_000);
  reader.arrayOf(value.length);
  return value.map((item) => readLike(reader, item));
}

describe('Writer', () => {
  test('writes what the reader reads, whatever room it began with', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(64), (value, capacity) => {
        const reader = new Reader(utf8, write(new Writer(utf8, capacity), value).finish());
        expect(readLike(reader, value)).toEqual(value);
        reader.end();
      }),
    );
  });

  test('writes what a general decoder reads', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        expect(decodeMessagePack(write(new Writer(utf8), value).finish())).toEqual(value);
      }),
    );
  });

  test('lengths on both sides of each head', () => {
    for (const length of [31, 32, 255, 256, 65_535, 65_536]) {
      const value = ['x'.repeat(length), new Uint8Array(length).fill(7)];
      const written = write(new Writer(utf8), value).finish();
      expect(decodeMessagePack(written)).toEqual(value);
      expect(readLike(new Reader(utf8, written), value)).toEqual(value);
    }
  });

  test('refuses integers that it cannot carry', () => {
    for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => new Writer(utf8).uint(value)).toThrow(RangeError);
    expect(() => new Writer(utf8).array(0x1_0000)).toThrow(RangeError);
  });

  test('a finished copy stays as it was while the writer goes on or begins anew', () => {
    const writer = new Writer(utf8, 1).uint(1);
    const first = writer.finish();
    writer.str('more');
    expect([writer.length, first]).toEqual([6, Uint8Array.of(1)]);
    writer.reset();
    expect([...writer.bool(true).finish()]).toEqual([0xc3]);
    expect(first).toEqual(Uint8Array.of(1));
  });
});
