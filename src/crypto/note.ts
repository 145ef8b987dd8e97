import { type KeyObject, sign, verify } from 'node:crypto';
import { ed25519PublicKey } from './keys.ts';
import { signatureBytes } from './signature.ts';

/**
 * Signs a note (c2sp.org/signed-note): Ed25519 over exactly these bytes, without a domain before them, so that programs
 * that know the format can verify it. What Caxton signs elsewhere begins with a domain and a zero byte; a note has no
 * zero byte, so no note can be taken for anything else, nor anything else for a note. Throws for one that has, and for a
 * key of another type.
 */
export function signNote(privateKey: KeyObject, bytes: Uint8Array): Uint8Array {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519')
    throw new TypeError('Notes are signed with an Ed25519 private key.');
  if (bytes.includes(0)) throw new TypeError('A note has no zero byte.');
  return new Uint8Array(sign(null, bytes, privateKey));
}

/**
 * Whether `signature` is one of the Ed25519 key (32 raw bytes) over exactly these bytes of a note. Never throws: what is
 * no key or no signature is simply not one.
 */
export function verifyNoteSignature(rawKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== signatureBytes || bytes.includes(0)) return false;
  const key = ed25519PublicKey(rawKey);
  return key.ok && verify(null, bytes, key.value, signature);
}
