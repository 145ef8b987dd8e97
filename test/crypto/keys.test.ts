import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromBase64url, toBase64url } from '../../src/crypto/base64url.ts';
import {
  ed25519PublicKey,
  keyId,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromText,
  publicKeyToText,
  rawPublicKey,
  x25519PublicKey,
} from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import { refusalOf } from './fixtures.ts';

beforeAll(() => sodium.ready);

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

describe('base64url', () => {
  it('writes every byte string in one way and reads only that way', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
      }),
    );
    for (const text of ['AA==', 'A', 'AB', '_/', '+w', 'AAAA\n', ' AAAA', 'AA.A'])
      expect(fromBase64url(text)).toBe(undefined);
  });
});

describe('private keys as PEM', () => {
  it.each(['ed25519', 'x25519', 'p256'] as const)('round trip: %s', (type) => {
    const { privateKey } = osCrypto.generateKeyPair(type);
    expect(unwrap(privateKeyFromPem(privateKeyToPem(privateKey))).equals(privateKey)).toBe(true);
  });

  const refused: [string, () => string][] = [
    ['no PEM', () => 'secret words'],
    [
      'a public key',
      () => osCrypto.generateKeyPair('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    ],
    ['SEC 1', () => osCrypto.generateKeyPair('p256').privateKey.export({ type: 'sec1', format: 'pem' }).toString()],
    ['another curve', () => pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)],
    ['RSA', () => pkcs8(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
    ['a damaged body', () => '-----BEGIN PRIVATE KEY-----\nc2VjcmV0IHdvcmRz\n-----END PRIVATE KEY-----\n'],
  ];
  const pkcs8 = (key: { export(o: { type: 'pkcs8'; format: 'pem' }): string | Buffer }): string =>
    key.export({ type: 'pkcs8', format: 'pem' }).toString();

  it.each(refused)('refuses %s without quoting it', (_, text) => {
    const refusal = refusalOf(privateKeyFromPem(text()));
    expect(refusal.code).toBe('MALFORMED');
    expect(refusal.text).not.toMatch(/secret|c2Vj/);
  });

  it('never writes a public key as a private one', () => {
    expect(() => privateKeyToPem(osCrypto.generateKeyPair('ed25519').publicKey)).toThrow(TypeError);
  });
});

describe('raw public keys', () => {
  it('are the same from either half and give the key back', () => {
    for (const [type, read] of [
      ['ed25519', ed25519PublicKey],
      ['x25519', x25519PublicKey],
    ] as const) {
      const { publicKey, privateKey } = osCrypto.generateKeyPair(type);
      const raw = rawPublicKey(publicKey);
      expect(raw).toHaveLength(32);
      expect(rawPublicKey(privateKey)).toEqual(raw);
      expect(unwrap(read(raw)).equals(publicKey)).toBe(true);
    }
  });

  it('match RFC 8032 §7.1 test 2', () => {
    const raw = bytesOf('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    const signature = bytesOf(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
    expect(verify(null, bytesOf('72'), unwrap(ed25519PublicKey(raw)), signature)).toBe(true);
  });

  it('of another length or type are refused', () => {
    for (const length of [0, 31, 33]) {
      expect(refusalOf(ed25519PublicKey(new Uint8Array(length))).code).toBe('MALFORMED');
      expect(refusalOf(x25519PublicKey(new Uint8Array(length))).code).toBe('MALFORMED');
    }
    expect(() => rawPublicKey(osCrypto.generateKeyPair('p256').publicKey)).toThrow(TypeError);
  });

  it('refuses the Ed25519 points under which one signature fits many messages', () => {
    const order8 = [
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    ];
    const others = ['00', '01'].map((low) => low + '00'.repeat(31));
    const nearP = ['ec', 'ed', 'ee'].map((low) => `${low}${'ff'.repeat(30)}7f`);
    for (const hex of [...order8, ...others, ...nearP])
      for (const sign of [0, 0x80]) {
        const raw = bytesOf(hex);
        raw[31]! |= sign;
        // libsodium is the second opinion: it converts no point of small order to X25519.
        expect(() => sodium.crypto_sign_ed25519_pk_to_curve25519(raw)).toThrow();
        expect(refusalOf(ed25519PublicKey(raw)).text).toMatch('small order');
        expect(publicKeyFromText(publicKeyToText(raw)).ok).toBe(false);
      }
  });

  it('refuses the X25519 points that make every secret zero', () => {
    const p = `${'ed'}${'ff'.repeat(30)}7f`;
    for (const hex of ['00'.repeat(32), `01${'00'.repeat(31)}`, p])
      expect(refusalOf(x25519PublicKey(bytesOf(hex))).text).toMatch('small order');
  });
});

describe('a key’s text and id', () => {
  it('round trip, one text a key', () => {
    const raw = rawPublicKey(osCrypto.generateKeyPair('ed25519').publicKey);
    const text = publicKeyToText(raw);
    expect(text).toMatch(/^ed25519:[A-Za-z0-9_-]{43}$/);
    expect(unwrap(publicKeyFromText(text))).toEqual(raw);
    const last = text.at(-1)!;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const variant = text.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    for (const bad of [variant, `${text}=`, `${text} `, text.slice(0, -1), text.slice(8), text.replace('ed', 'ED'), ''])
      expect(refusalOf(publicKeyFromText(bad)).code).toBe('MALFORMED');
  });

  it('the id is 16 bytes of the key’s hash', () => {
    // SHA-256 of 32 zero bytes begins 66687aadf862bd776c8fc18b8e9f8e20.
    expect(keyId(new Uint8Array(32))).toBe(
      Buffer.from('66687aadf862bd776c8fc18b8e9f8e20', 'hex').toString('base64url'),
    );
  });

  it('an accepted key verifies what its private half signs', () => {
    const { privateKey } = osCrypto.generateKeyPair('ed25519');
    const key = unwrap(ed25519PublicKey(rawPublicKey(createPublicKey(privateKey))));
    expect(verify(null, bytesOf('00'), key, sign(null, bytesOf('00'), privateKey))).toBe(true);
  });
});
