import { zstdDecompressSync } from 'node:zlib';
import { blockSealBytes } from '../../../crypto/block-seal.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import { blockHeadBytes, blockMark, decodeBlockHead, encodeBlockHead } from '../../../protocols/audit/block-head.ts';
import type { OpenedSegment } from './audit-segment.ts';

/** One block that was opened. */
export interface Block {
  readonly number: number;
  /** How many records it says it holds. */
  readonly records: number;
  /** Each record as its leaf of the tree: a zero byte, then the record’s own bytes (RFC 6962 §2.1). */
  readonly leaves: Uint8Array;
  /** Where the next block begins. */
  readonly end: number;
}

/** Why reading ended before the bytes did. */
export interface BlockFault {
  /** What a crash can leave of the last block: nothing behind it is a block. */
  readonly torn: boolean;
  readonly reason: string;
}

/** A block as bytes of its segment. `payload`: leaves, compressed in a packed segment. */
export function sealedBlock(
  { seal }: OpenedSegment,
  crypto: Crypto,
  number: number,
  records: number,
  payload: Uint8Array,
): Uint8Array {
  const head = encodeBlockHead({ number, records, sealedBytes: payload.length + blockSealBytes });
  return Buffer.concat([head, ...seal.seal(crypto, head, payload)]);
}

/**
 * The blocks of a segment in order, from its first on; returns a fault when the bytes go on with something else. Every
 * block is authenticated: as one of this file, at this place.
 */
export function* blocksOf(segment: OpenedSegment, bytes: Uint8Array): Generator<Block, BlockFault | undefined> {
  let at = segment.blocksAt;
  for (let number = 0; at < bytes.length; number++) {
    const block = blockAt(segment, bytes, at, number);
    if (!block) return faultAt(segment, bytes, at);
    yield block;
    at = block.end;
  }
  return undefined;
}

function blockAt(segment: OpenedSegment, bytes: Uint8Array, at: number, number: number): Block | undefined {
  const head = decodeBlockHead(bytes, at);
  if (!head || head.number !== number) return undefined;
  const begin = at + blockHeadBytes;
  const end = begin + head.sealedBytes;
  if (end > bytes.length) return undefined;
  const payload = segment.seal.open(bytes.subarray(at, begin), bytes.subarray(begin, end));
  const leaves = payload && (segment.identity.form === 'packed' ? unpacked(payload) : payload);
  return leaves && { number, records: head.records, leaves, end };
}

function unpacked(payload: Uint8Array): Uint8Array | undefined {
  try {
    return zstdDecompressSync(payload, { maxOutputLength: 2 * limits.auditBlockBytesMax });
  } catch {
    return undefined;
  }
}

/**
 * Whether what does not open is the last block, torn by a crash, or was changed. Blocks are written one after the other,
 * each durable before the next begins: so where a later block opens, this one was whole once. Bytes full of heads, each
 * of a block as long as the rest, would take hours: a crash leaves nothing like it.
 */
function faultAt(segment: OpenedSegment, bytes: Uint8Array, at: number): BlockFault {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let tried = 0;
  for (let later = view.indexOf(blockMark, at); later !== -1; later = view.indexOf(blockMark, later + 1)) {
    const head = decodeBlockHead(bytes, later);
    if (!head || later + blockHeadBytes + head.sealedBytes > bytes.length) continue;
    if (blockAt(segment, bytes, later, head.number))
      return { torn: false, reason: 'It was changed: a whole block follows.' };
    tried += head.sealedBytes;
    if (tried > limits.auditTriedBytesMax)
      return { torn: false, reason: 'It was changed: heads of blocks follow that none is behind.' };
  }
  // A crash leaves no more than one block behind the last that was durable, and any part of that may be missing.
  const longest = blockHeadBytes + blockSealBytes + 2 * limits.auditBlockBytesMax;
  return bytes.length - at > longest
    ? { torn: false, reason: 'It was changed: more follows than one block that a crash tore.' }
    : { torn: true, reason: 'It is not complete, as a crash leaves it.' };
}

/** The leaves of a block one by one. */
export function* leavesOf(leaves: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < leaves.length; ) {
    const end = leafEnd(leaves, at);
    yield leaves.subarray(at, end);
    at = end;
  }
}

/** Where the leaf that begins at a place ends. */
export function leafEnd(leaves: Uint8Array, at: number): number {
  const next = leaves.indexOf(0, at + 1);
  return next === -1 ? leaves.length : next;
}
