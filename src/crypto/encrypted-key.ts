import { createCipheriv, createPrivateKey, type KeyObject, pbkdf2Sync } from 'node:crypto';
import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Asn1, binaryString, bytesOfBinary, derOf } from './der.ts';
import { acceptPrivateKey } from './keys.ts';
import type { Crypto } from './port.ts';

const { Class, Type } = forge.asn1;

const oids = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacSha256: '1.2.840.113549.2.9',
  aes256cbc: '2.16.840.1.101.3.4.1.42',
} as const;

/** What OWASP asks for with HMAC-SHA-256; node:crypto’s own export of a key has 2,048, which a laptop guesses through. */
const iterations = 600_000;

/** The label of an encrypted private key’s PEM. */
const encryptedLabel = 'ENCRYPTED PRIVATE KEY';

/**
 * A private key as encrypted PKCS #8 PEM (RFC 5958 §3, RFC 8018 §6.2): PBKDF2 with HMAC-SHA-256, then AES-256-CBC. What
 * OpenSSL reads with the passphrase.
 */
export function encryptPrivateKey(crypto: Crypto, key: KeyObject, passphrase: string): string {
  const salt = crypto.randomBytes(16);
  const iv = crypto.randomBytes(16);
  const secret = pbkdf2Sync(passphrase, salt, iterations, 32, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', secret, iv);
  const sealed = Buffer.concat([cipher.update(key.export({ type: 'pkcs8', format: 'der' })), cipher.final()]);
  const derivation = algorithm(
    oids.pbkdf2,
    sequence(octets(salt), integer(iterations), algorithm(oids.hmacSha256, primitive(Type.NULL, ''))),
  );
  const scheme = algorithm(oids.pbes2, sequence(derivation, algorithm(oids.aes256cbc, octets(iv))));
  const der = bytesOfBinary(derOf(sequence(scheme, octets(sealed))));
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${encryptedLabel}-----\n${lines.join('\n')}\n-----END ${encryptedLabel}-----\n`;
}

/** Reads an encrypted PKCS #8 PEM private key. MALFORMED when the passphrase is wrong or it is none; never quotes either. */
export function decryptPrivateKey(pem: string, passphrase: string): Result<KeyObject> {
  if (pem.length > limits.pemBytesMax) return refuse('LIMIT_EXCEEDED', 'The private key file is too long.');
  try {
    return acceptPrivateKey(createPrivateKey({ key: pem, format: 'pem', passphrase }));
  } catch {
    return refuse('MALFORMED', 'The private key cannot be decrypted: the passphrase is wrong, or the file is damaged.');
  }
}

/** Whether a PEM text holds an encrypted private key. */
export const isEncryptedKey = (pem: string): boolean => pem.includes(`-----BEGIN ${encryptedLabel}-----`);

/** The passphrase when it is worth the name: a stolen file rests on it alone. MALFORMED. */
export function checkPassphrase(passphrase: string): Result<string> {
  const { passphraseCharsMin: min, passphraseCharsMax: max } = limits;
  return passphrase.length >= min && passphrase.length <= max
    ? ok(passphrase)
    : refuse('MALFORMED', `A passphrase has ${min} to ${max} characters.`);
}

const primitive = (type: number, value: string): Asn1 => forge.asn1.create(Class.UNIVERSAL, type, false, value);
const octets = (bytes: Uint8Array): Asn1 => primitive(Type.OCTETSTRING, binaryString(bytes));
const integer = (value: number): Asn1 => primitive(Type.INTEGER, forge.asn1.integerToDer(value).getBytes());
const sequence = (...parts: Asn1[]): Asn1 => forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
const algorithm = (oid: string, parameters: Asn1): Asn1 =>
  sequence(primitive(Type.OID, forge.asn1.oidToDer(oid).getBytes()), parameters);
