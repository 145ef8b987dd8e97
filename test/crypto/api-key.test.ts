import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createApiKey, readApiKey, sameHash } from '../../src/crypto/api-key.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import { refusalOf } from './fixtures.ts';

const seeded = (bytes: Uint8Array) => ({ ...osCrypto, randomBytes: () => bytes });

describe('an API key', () => {
  it('is read back to the hash that was stored', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 24 }), (bytes) => {
        const { key, hash } = createApiKey(seeded(bytes));
        expect(key).toMatch(/^cxk_[0-9A-Za-z]{33}_[0-9A-Za-z]{6}$/);
        expect(unwrap(readApiKey(key)).hash).toBe(hash);
        expect(hash).toMatch(/^[0-9a-f]{64}$/);
      }),
    );
  });

  it('holds all 24 bytes', () => {
    const secret = (bytes: Uint8Array): string => createApiKey(seeded(bytes)).key.slice(4, 37);
    expect(secret(new Uint8Array(24))).toBe('0'.repeat(33));
    expect(secret(new Uint8Array(24).fill(0xff))).toMatch(/^[1-9A-Za-z]/);
    const one = new Uint8Array(24);
    one[0] = 1;
    expect(secret(one)).not.toBe(secret(new Uint8Array(24)));
    expect(createApiKey(osCrypto).key).not.toBe(createApiKey(osCrypto).key);
  });

  it('with any character mistyped is refused offline', () => {
    const { key } = createApiKey(osCrypto);
    for (let at = 0; at < key.length; at++) {
      const typo = key[at] === 'a' ? 'b' : 'a';
      const refusal = refusalOf(readApiKey(key.slice(0, at) + typo + key.slice(at + 1)));
      expect(refusal.code).toBe('UNAUTHENTICATED');
    }
  });

  it.each(['', 'cxk_', 'secret words', `cxk_${'a'.repeat(33)}`, `cxk_${'a'.repeat(33)}_aaaaaa\n`])(
    'is refused in another form, without quoting it: %j',
    (text) => {
      const refusal = refusalOf(readApiKey(text));
      expect(refusal.code).toBe('UNAUTHENTICATED');
      expect(refusal.text).not.toMatch(/secret|aaa/);
    },
  );
});

describe('comparing hashes', () => {
  it('tells same from other, at any length', () => {
    const { hash } = createApiKey(osCrypto);
    expect(sameHash(hash, `${hash}`)).toBe(true);
    expect(sameHash(hash, createApiKey(osCrypto).hash)).toBe(false);
    expect(sameHash(hash, hash.slice(1))).toBe(false);
    expect(sameHash('', '')).toBe(false);
    expect(sameHash('ä', 'a')).toBe(false);
  });
});
