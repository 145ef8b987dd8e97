import { sha256 } from '../../crypto/port.ts';

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
