import { createHash } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

/**
 * Layout of a sealed gossip datagram:
 * `u8 format version | u32 key version | 8-byte sender tag | u64 counter | 24-byte nonce | ciphertext and 16-byte tag`.
 */
export const datagramLayout = {
  formatVersion: 1,
  keyVersionAt: 1,
  tagAt: 5,
  tagBytes: 8,
  counterAt: 13,
  nonceAt: 21,
  nonceBytes: 24,
  ciphertextAt: 45,
  macBytes: 16,
} as const;

/** By how much a datagram is longer than what it carries. */
export const sealOverheadBytes = datagramLayout.ciphertextAt + datagramLayout.macBytes;

/** What a receiver needs to find the right seal. Not authenticated yet. */
export interface DatagramHead {
  /** Of the gossip key. */
  readonly keyVersion: number;
  /** See `datagramTag`. */
  readonly tag: string;
}

/**
 * How a datagram names its sender to its receiver: 16 hex digits from both X25519 keys of this boot. No name travels in
 * clear, and one sender’s datagrams to two receivers share nothing.
 */
export function datagramTag(senderPublic: Uint8Array, receiverPublic: Uint8Array): string {
  const hash = createHash('sha256').update('caxton datagram tag').update(senderPublic).update(receiverPublic);
  return hash.digest('hex').slice(0, 2 * datagramLayout.tagBytes);
}

/** Reads the head. MALFORMED for another format or too few bytes, LIMIT_EXCEEDED for too many. */
export function readDatagramHead(datagram: Uint8Array): Result<DatagramHead> {
  const { formatVersion, keyVersionAt, tagAt, tagBytes } = datagramLayout;
  if (datagram.length > limits.datagramBytesMax)
    return refuse('LIMIT_EXCEEDED', `A datagram may have ${limits.datagramBytesMax} bytes at most.`);
  if (datagram.length < sealOverheadBytes || datagram[0] !== formatVersion)
    return refuse('MALFORMED', `The datagram is too short, or not of format ${formatVersion}.`);
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  return ok({ keyVersion: bytes.readUInt32BE(keyVersionAt), tag: bytes.toString('hex', tagAt, tagAt + tagBytes) });
}
