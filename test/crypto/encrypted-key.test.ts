import { createPrivateKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  checkPassphrase,
  decryptPrivateKey,
  encryptPrivateKey,
  isEncryptedKey,
} from '../../src/crypto/encrypted-key.ts';
import { privateKeyFromPem, privateKeyToPem } from '../../src/crypto/keys.ts';
import { unwrap } from '../../src/errors.ts';
import { crypto, refusalOf } from './fixtures.ts';

describe('an encrypted private key', () => {
  const { privateKey } = crypto.generateKeyPair('p256');
  const pem = encryptPrivateKey(crypto, privateKey, 'pässphrase');

  it('is opened with its passphrase alone', () => {
    expect(isEncryptedKey(pem)).toBe(true);
    expect(unwrap(decryptPrivateKey(pem, 'pässphrase')).equals(privateKey)).toBe(true);
    for (const wrong of ['passphrase', '', 'pässphrase '])
      expect(refusalOf(decryptPrivateKey(pem, wrong)).code).toBe('MALFORMED');
    expect(refusalOf(privateKeyFromPem(pem)).text).toContain('not encrypted');
    expect(isEncryptedKey(privateKeyToPem(privateKey))).toBe(false);
  });

  it('is slow to guess: what another program reads from it says 600,000 rounds', () => {
    const der = Buffer.from(pem.replace(/-----.*-----|\s/g, ''), 'base64').toString('hex');
    // INTEGER 600,000, then HMAC-SHA-256 and AES-256-CBC by their identifiers.
    expect(der).toContain('0203' + '0927c0');
    expect(der).toContain('2a864886f70d0209');
    expect(der).toContain('60864801650304012a');
    expect(createPrivateKey({ key: pem, passphrase: 'pässphrase' }).asymmetricKeyType).toBe('ec');
  });

  it('that is damaged is refused, and nothing of it is quoted', () => {
    const lines = pem.split('\n');
    const { code, text } = refusalOf(decryptPrivateKey(pem.replace(lines[2]!, 'AAAA'), 'pässphrase'));
    expect(code).toBe('MALFORMED');
    expect(text).not.toContain(lines[1]);
    expect(refusalOf(decryptPrivateKey('x'.repeat(20_000), 'pässphrase')).code).toBe('LIMIT_EXCEEDED');
  });

  it('wants a passphrase that is worth the name', () => {
    expect(checkPassphrase('12345678').ok).toBe(true);
    expect(refusalOf(checkPassphrase('1234567')).code).toBe('MALFORMED');
    expect(refusalOf(checkPassphrase('x'.repeat(1_025))).code).toBe('MALFORMED');
  });
});
