import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/crypto/port.ts';

describe('SHA-256', () => {
  it('is the same for bytes in one part and in many, and hands out bytes of its own', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), (parts) => {
        const joined = Buffer.concat(parts);
        const expected = new Uint8Array(createHash('sha256').update(joined).digest());
        expect(sha256(...parts)).toEqual(expected);
        const digest = sha256(joined);
        expect(digest).toEqual(expected);
        expect(digest.buffer.byteLength).toBe(32);
      }),
    );
  });
});
