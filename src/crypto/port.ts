import { createHash, generateKeyPairSync, hash, type KeyObject, randomBytes } from 'node:crypto';

/**
 * Where keys, nonces and serials come from. The one implementation that a node uses asks the operating system;
 * only the testing kit may put a seeded one in its place.
 */
export interface Crypto {
  /** `length` unpredictable bytes. */
  randomBytes(length: number): Uint8Array;
  /** A fresh key pair: Ed25519 for claims, agents and documents; X25519 per boot; P-256 for certificates. */
  generateKeyPair(type: KeyType): KeyPair;
}

export type KeyType = 'ed25519' | 'x25519' | 'p256';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** The operating system’s generator. */
export const osCrypto: Crypto = {
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  generateKeyPair: (type) =>
    type === 'p256'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : type === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('x25519'),
};

/** SHA-256 of the parts one after the other, 32 bytes. */
export const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const only = parts[0];
  if (parts.length === 1 && only) return sha256AtOnce(only);
  const joined = createHash('sha256');
  for (const part of parts) joined.update(part);
  return new Uint8Array(joined.digest());
};

function sha256AtOnce(bytes: Uint8Array): Uint8Array {
  const digest = new Uint8Array(32);
  sha256Into(bytes, digest, 0);
  return digest;
}

/**
 * SHA-256 of bytes, its 32 bytes written into a place. The audit log hashes each record twice, and Node hands a digest
 * out as text several times faster than as a Buffer.
 */
export function sha256Into(bytes: Uint8Array, into: Uint8Array, at: number): void {
  const units = hash('sha256', bytes, 'binary');
  for (let i = 0; i < units.length; i++) into[at + i] = units.charCodeAt(i);
}
