import type { KeyObject } from 'node:crypto';
import { sha256 } from '../../crypto/port.ts';
import { signWith } from '../../crypto/signature.ts';

/** A message’s signature and what it should cover, as they were carried. */
export interface SignatureProof {
  readonly signature: Uint8Array;
  readonly signedBytes: Uint8Array;
  readonly contentBytes: Uint8Array;
}

/** What a message’s signature covers: the header’s bytes less the signature, then SHA-256 of the content. */
export function signedMessage(headerBytes: Uint8Array, content: Uint8Array): Uint8Array {
  const hash = sha256(content);
  const covered = new Uint8Array(headerBytes.length + hash.length);
  covered.set(headerBytes);
  covered.set(hash, headerBytes.length);
  return covered;
}

/** Signs a message with the sender’s Ed25519 private key. */
export const signMessage = (key: KeyObject, signedBytes: Uint8Array, contentBytes: Uint8Array): SignatureProof => ({
  signature: signWith(key, 'caxton message v1', signedMessage(signedBytes, contentBytes)),
  signedBytes,
  contentBytes,
});
