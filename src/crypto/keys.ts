import { createHash, createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { issuingAlgorithm, keyFits } from './algorithms.ts';
import { fromBase64url, toBase64url } from './base64url.ts';

/** Length of a raw Ed25519 or X25519 public key. */
export const rawKeyBytes = 32;

// RFC 8410 §4: a SubjectPublicKeyInfo of these two types is this prefix and the 32 bytes.
const spkiPrefix = {
  ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
  x25519: Buffer.from('302a300506032b656e032100', 'hex'),
} as const;

/** A private key as PKCS #8 PEM, unencrypted: the file that holds it is 0600. Throws when given a public key. */
export function privateKeyToPem(key: KeyObject): string {
  if (key.type !== 'private') throw new TypeError('privateKeyToPem takes a private key.');
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/**
 * Reads an unencrypted PKCS #8 PEM private key: Ed25519, X25519 or P-256. MALFORMED for anything else; the refusal never
 * quotes the text.
 */
export function privateKeyFromPem(pem: string): Result<KeyObject> {
  if (pem.length > limits.pemBytesMax) return refuse('LIMIT_EXCEEDED', 'The private key file is too long.');
  if (!pem.includes('-----BEGIN PRIVATE KEY-----'))
    return refuse('MALFORMED', 'The private key is not PEM with PRIVATE KEY (PKCS #8, not encrypted).');
  try {
    return acceptPrivateKey(createPrivateKey({ key: pem, format: 'pem' }));
  } catch {
    return refuse('MALFORMED', 'The private key cannot be read.');
  }
}

/** The key when it is of a type that Caxton uses: Ed25519, X25519 or P-256. MALFORMED. */
export function acceptPrivateKey(key: KeyObject): Result<KeyObject> {
  const known =
    key.asymmetricKeyType === 'ed25519' ||
    key.asymmetricKeyType === 'x25519' ||
    keyFits(key, issuingAlgorithm.signature);
  return known ? ok(key) : refuse('MALFORMED', 'The private key is not Ed25519, X25519 or P-256.');
}

// RFC 8410 §7: a PrivateKeyInfo of Ed25519 is this prefix and the 32 bytes.
const ed25519Pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The Ed25519 private key whose 32 secret bytes (RFC 8032 §5.1.5) these are. Throws for another length. */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  if (seed.length !== rawKeyBytes) throw new TypeError('An Ed25519 private key has 32 bytes.');
  const der = Buffer.concat([ed25519Pkcs8Prefix, seed]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

/** The 32 secret bytes of an Ed25519 private key. Throws for another type. The caller wipes them. */
export function rawPrivateKey(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('rawPrivateKey takes an Ed25519 key.');
  if (key.type !== 'private') throw new TypeError('rawPrivateKey takes a private key.');
  // Not as a JWK: its `d` is a text, and nobody can wipe a text.
  const der = key.export({ format: 'der', type: 'pkcs8' });
  try {
    return Buffer.from(der.subarray(ed25519Pkcs8Prefix.length));
  } finally {
    der.fill(0);
  }
}

/** The public half of a key: of a private key its public key, of a public key itself. */
export const publicHalf = (key: KeyObject): KeyObject => (key.type === 'private' ? createPublicKey(key) : key);

/** The 32 raw bytes of the public half of an Ed25519 or X25519 key. Throws for other key types. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const type = key.asymmetricKeyType;
  if (type !== 'ed25519' && type !== 'x25519') throw new TypeError('rawPublicKey takes an Ed25519 or X25519 key.');
  // RFC 8037 §2: `x` is the raw bytes. Measured: 2 µs, where writing the DER costs 33.
  const { x } = publicHalf(key).export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(x!, 'base64url'));
}

/**
 * The eight points of small order on Ed25519, as all encodings that a lenient reader takes for them, sign bit cleared.
 * Under such a key one signature fits many messages (Chalkias et al., “Taming the many EdDSAs”, 2020).
 */
const smallOrder = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/** An Ed25519 public key from its 32 raw bytes (RFC 8032 §5.1.5). MALFORMED for another length or a small-order point. */
export function ed25519PublicKey(raw: Uint8Array): Result<KeyObject> {
  const checked = checkedEd25519(raw);
  return checked.ok ? publicKey('ed25519', raw) : checked;
}

function checkedEd25519(raw: Uint8Array): Result<Uint8Array> {
  if (raw.length !== rawKeyBytes) return refuse('MALFORMED', 'An Ed25519 public key has 32 bytes.');
  const masked = Buffer.from(raw);
  masked[31] = masked[31]! & 0x7f;
  return smallOrder.has(masked.toString('hex'))
    ? refuse('MALFORMED', 'The Ed25519 public key is a point of small order.')
    : ok(raw);
}

/**
 * An X25519 public key from its 32 raw bytes (RFC 7748 §6.1). MALFORMED for another length or a point that gives an
 * all-zero secret with every private key, so that a key agreement with the result cannot fail later.
 */
export function x25519PublicKey(raw: Uint8Array): Result<KeyObject> {
  if (raw.length !== rawKeyBytes) return refuse('MALFORMED', 'An X25519 public key has 32 bytes.');
  const key = publicKey('x25519', raw);
  if (!key.ok) return key;
  try {
    diffieHellman({ privateKey: trialKey, publicKey: key.value });
    return key;
  } catch {
    return refuse('MALFORMED', 'The X25519 public key is a point of small order.');
  }
}

// Private scalars are multiples of eight, so a small-order point gives zero with this one as with any other.
const trialKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), Buffer.alloc(rawKeyBytes, 0x42)]),
  format: 'der',
  type: 'pkcs8',
});

function publicKey(type: keyof typeof spkiPrefix, raw: Uint8Array): Result<KeyObject> {
  try {
    return ok(createPublicKey({ key: Buffer.concat([spkiPrefix[type], raw]), format: 'der', type: 'spki' }));
  } catch {
    return refuse('MALFORMED', `The ${type} public key cannot be read.`);
  }
}

/** A short name of a public key: base64url of the first 16 bytes of SHA-256 of its raw bytes (22 characters). */
export const keyId = (raw: Uint8Array): string =>
  createHash('sha256').update(raw).digest().subarray(0, 16).toString('base64url');

const keyIds = new WeakMap<KeyObject, string>();

/** The short name of an Ed25519 or X25519 key’s public half; worked out once for each key object. */
export function keyIdOf(key: KeyObject): string {
  const known = keyIds.get(key);
  if (known !== undefined) return known;
  const id = keyId(rawPublicKey(key));
  keyIds.set(key, id);
  return id;
}

const textPrefix = 'ed25519:';

/** An Ed25519 public key as people see it in files: `ed25519:` and base64url of its 32 raw bytes. */
export function publicKeyToText(raw: Uint8Array): string {
  if (raw.length !== rawKeyBytes) throw new TypeError('publicKeyToText takes the 32 bytes of an Ed25519 public key.');
  return `${textPrefix}${toBase64url(raw)}`;
}

/** The 32 raw bytes of an `ed25519:…` text. MALFORMED for anything that is not the one text of an acceptable key. */
export function publicKeyFromText(text: string): Result<Uint8Array> {
  const encoded = text.startsWith(textPrefix) && text.length === 51 ? text.slice(textPrefix.length) : '';
  const raw = fromBase64url(encoded);
  if (raw?.length !== rawKeyBytes)
    return refuse('MALFORMED', 'A public key is written ed25519: and 43 characters of base64url.');
  return checkedEd25519(raw);
}
