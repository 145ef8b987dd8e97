import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readU64, type TranscriptPart, transcript, writeU64 } from '../../src/crypto/transcript.ts';

describe('a transcript', () => {
  it('writes lengths before parts', () => {
    expect(Buffer.from(transcript('é', Uint8Array.of(9), 258)).toString('hex')).toBe(
      '0002c3a900010900080000000000000102',
    );
  });

  it('of other parts is another, however they are divided', () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '\0', '\x01'), maxLength: 4 });
    const parts = fc.array(part, { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const same = Buffer.compare(transcript(...one), transcript(...other)) === 0;
        expect(same).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it.each<[string, TranscriptPart]>([
    ['a negative number', -1],
    ['a fraction', 0.5],
    ['a number that is not exact', 2 ** 53],
    ['a part that is too long', new Uint8Array(65_536)],
  ])('does not write %s', (_, part) => {
    expect(() => transcript(part)).toThrow(RangeError);
  });

  it('reads back the numbers that it writes, and no others', () => {
    const bytes = Buffer.alloc(8);
    for (const value of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      writeU64(bytes, value, 0);
      expect(readU64(bytes, 0)).toBe(value);
    }
    expect(readU64(Buffer.from('0020000000000000', 'hex'), 0)).toBe(undefined);
  });
});
