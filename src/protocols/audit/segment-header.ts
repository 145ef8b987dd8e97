import { ok, type Result, refuse } from '../../errors.ts';
import { anyText, integer, list, malformed, object, oneOf, readShape, text } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import { type CompactRange, compactRange } from './merkle.ts';

/**
 * The head of a segment file: what it is, and the key of its blocks, wrapped. What it is never changes and is part of
 * what the wrapped key and every block are authenticated with; the wrapped key changes when the vault’s does.
 */
export interface SegmentHeader {
  readonly identity: SegmentIdentity;
  readonly lock: SegmentLock;
}

export interface SegmentIdentity {
  /** 32 hexadecimal digits that no other segment has. */
  readonly id: string;
  readonly nodeId: string;
  /** Which log: the name that its checkpoints carry. */
  readonly origin: string;
  /** When it was begun, RFC 3339 in UTC. No record behind it is older, but for the jumps of the clock. */
  readonly created: string;
  /** The tree before its first record, whose sequence is `range.size + 1`. */
  readonly range: CompactRange;
  /** `open`: blocks as they were written. `packed`: closed, and each block compressed (Zstandard). */
  readonly form: 'open' | 'packed';
}

export interface SegmentLock {
  /** Which key of the vault opens the data key. */
  readonly vaultKey: string;
  readonly wrapped: Uint8Array;
}

/** The first bytes of every segment file. */
const magic = 'caxton audit segment 1\n';
/** Identity and lock with 53 hashes and the longest names stay far below. */
const partBytesMax = 8_192;
/** No header is longer. */
export const segmentHeaderBytesMax: number = magic.length + 2 * (4 + partBytesMax);

/** The exact bytes of what a segment is. */
export function identityBytes({ id, nodeId, origin, created, range, form }: SegmentIdentity, utf8: Utf8): Uint8Array {
  const { size, nodes } = range;
  return utf8.encode(JSON.stringify({ id, nodeId, origin, created, form, size, nodes: nodes.map(hexOf) }));
}

/** Identity, given as its bytes, and lock as the first bytes of a file. */
export function encodeSegmentHeader(identity: Uint8Array, lock: SegmentLock, utf8: Utf8): Uint8Array {
  const parts = [identity, utf8.encode(JSON.stringify({ vaultKey: lock.vaultKey, wrapped: hexOf(lock.wrapped) }))];
  const bytes = new Uint8Array(magic.length + parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set(utf8.encode(magic));
  let at = magic.length;
  for (const part of parts) {
    if (part.length > partBytesMax) throw new RangeError('A segment’s header is too long.');
    view.setUint32(at, part.length);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

const hexDigits = (bytes: number): RegExp => new RegExp(`^[0-9a-f]{${2 * bytes}}$`);
const identityShape = object({
  id: text(32, hexDigits(16), '32 hexadecimal digits'),
  nodeId: anyText(64),
  origin: anyText(512),
  created: text(24, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, 'a time in UTC'),
  form: oneOf('open', 'packed'),
  size: integer(0, Number.MAX_SAFE_INTEGER),
  nodes: list(text(64, hexDigits(32), '64 hexadecimal digits'), 53),
});
const lockShape = object({
  vaultKey: anyText(64),
  wrapped: text(256, /^([0-9a-f]{2})+$/, 'hexadecimal digits'),
});

/**
 * Reads a header: believed only once the wrapped key opened for its identity’s bytes, which are given back as they
 * stand. `length`: bytes up to the first block. MALFORMED.
 */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  utf8: Utf8,
): Result<SegmentHeader & { readonly identityBytes: Uint8Array; readonly length: number }> {
  if (decoded(bytes.subarray(0, magic.length), utf8) !== magic) return bad('It does not begin like one.');
  const identityPart = partAt(bytes, magic.length);
  const lockPart = identityPart && partAt(bytes, magic.length + 4 + identityPart.length);
  if (!identityPart || !lockPart) return bad('It ends within its header.');
  const identity = jsonOf(identityPart, utf8);
  const lock = jsonOf(lockPart, utf8);
  if (identity === undefined || lock === undefined) return bad('Its header is no JSON.');
  const readIdentity = readShape(identityShape, identity, malformed('The segment’s header'));
  if (!readIdentity.ok) return readIdentity;
  const readLock = readShape(lockShape, lock, malformed('The segment’s header'));
  if (!readLock.ok) return readLock;
  const { size, nodes, ...rest } = readIdentity.value;
  const range = compactRange(size, nodes.map(bytesOfHex));
  if (!range.ok) return range;
  return ok({
    identity: { ...rest, range: range.value },
    lock: { vaultKey: readLock.value.vaultKey, wrapped: bytesOfHex(readLock.value.wrapped) },
    identityBytes: identityPart,
    length: magic.length + 8 + identityPart.length + lockPart.length,
  });
}

function partAt(bytes: Uint8Array, at: number): Uint8Array | undefined {
  if (bytes.length < at + 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at);
  const end = at + 4 + length;
  return length > partBytesMax || bytes.length < end ? undefined : bytes.subarray(at + 4, end);
}

function jsonOf(bytes: Uint8Array, utf8: Utf8): unknown {
  const json = parseJson(decoded(bytes, utf8) ?? '', { charsMax: partBytesMax, depthMax: 4 });
  return json.ok ? json.value : undefined;
}

function decoded(bytes: Uint8Array, utf8: Utf8): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

const bad = (why: string): ReturnType<typeof refuse> => refuse('MALFORMED', `This is no audit segment: ${why}`);

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const bytesOfHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
