import fc from 'fast-check';
import { expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';

test('text comes back as it went, a byte order mark included', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => utf8.decode(utf8.encode(text)) === text));
  expect(utf8.decode(utf8.encode('\ufeffx'))).toBe('\ufeffx');
});

test.each([[[0xff]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0xe2, 0x82]]])(
  'malformed bytes %j are refused',
  (bytes) => {
    expect(() => utf8.decode(Uint8Array.from(bytes))).toThrow(TypeError);
  },
);
