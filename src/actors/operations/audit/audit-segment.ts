import { join } from 'node:path';
import { BlockSeal } from '../../../crypto/block-seal.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { sha256 } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { CaxtonError, ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  identityBytes,
  type SegmentHeader,
  type SegmentIdentity,
  segmentHeaderBytesMax,
} from '../../../protocols/audit/segment-header.ts';
import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** One file of the audit log: the records from `first` on, up to the next segment’s first. */
export interface Segment {
  readonly path: string;
  /** Sequence of its first record. */
  readonly first: number;
}

/** A segment whose header was read and whose key opened. */
export interface OpenedSegment extends SegmentHeader {
  readonly seal: BlockSeal;
  /** Where its first block begins. */
  readonly blocksAt: number;
}

const form = /^audit-(\d{12})\.seg$/;
const formBefore = /^audit-\d{12}\.jsonl$/;
const dataKeyBytes = 32;

/** `audit-<sequence of the first record, twelve digits>.seg`: names sort as numbers do. */
export const segmentAt = (folder: string, first: number): Segment => ({
  path: join(folder, `audit-${String(first).padStart(12, '0')}.seg`),
  first,
});

/**
 * The segments in a folder, oldest first. Other files are left alone, but for the lines of text that earlier versions
 * wrote: NOT_SUPPORTED, since a log that began anew beside them would look like a whole one.
 */
export async function listSegments(disk: Disk, folder: string): Promise<readonly Segment[]> {
  const names = await disk.list(folder);
  const before = names.find((name) => formBefore.test(name));
  if (before !== undefined)
    throw new CaxtonError('NOT_SUPPORTED', [
      `${join(folder, before)} is the audit log of an earlier version, in clear text and without a tree.`,
      'Move these files to where old logs are kept (they can be read with any text tool); a new log begins then.',
    ]);
  return names
    .map((name) => form.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map((digits) => segmentAt(folder, Number(digits)));
}

/** Makes the header of a new segment, with a data key of its own. */
export function beginSegment(
  identity: Omit<SegmentIdentity, 'id'>,
  vault: VaultRing,
  crypto: Crypto,
): { readonly header: Uint8Array; readonly opened: OpenedSegment } {
  const id = Buffer.from(crypto.randomBytes(16)).toString('hex');
  const dataKey = crypto.randomBytes(dataKeyBytes);
  const bytes = identityBytes({ id, ...identity }, utf8);
  const { vaultKey, bytes: wrapped } = vault.wrap(crypto, dataKey, bytes);
  const lock = { vaultKey, wrapped };
  const header = encodeSegmentHeader(bytes, lock, utf8);
  const seal = new BlockSeal(dataKey, sha256(bytes));
  dataKey.fill(0);
  return { header, opened: { identity: { id, ...identity }, lock, seal, blocksAt: header.length } };
}

/** Reads a segment’s header and opens its key. MALFORMED, LIMIT_EXCEEDED; SEAL_INVALID when the vault does not open it. */
export function openSegment(segment: Segment, bytes: Uint8Array, vault: VaultRing): Result<OpenedSegment> {
  const read = headerOf(bytes);
  if (!read.ok) return read;
  const { identity, lock, identityBytes: raw, length } = read.value;
  const key = vault.unwrap({ vaultKey: lock.vaultKey, bytes: lock.wrapped }, raw);
  if (!key.ok) return key;
  if (identity.range.size !== segment.first - 1)
    return refuse('MALFORMED', `It begins with record ${identity.range.size + 1}, and its name says ${segment.first}.`);
  const seal = new BlockSeal(key.value, sha256(raw));
  key.value.fill(0);
  return ok({ identity, lock, seal, blocksAt: length });
}

/** The same segment with its data key under the vault’s current key. */
export function rewrapped(segment: Segment, bytes: Uint8Array, vault: VaultRing, crypto: Crypto): Result<Uint8Array> {
  const read = headerOf(bytes);
  if (!read.ok) return read;
  const { lock, identityBytes: raw, length } = read.value;
  const key = vault.unwrap({ vaultKey: lock.vaultKey, bytes: lock.wrapped }, raw);
  if (!key.ok) return refuse(key.refusal.code, `${segment.path}: ${key.refusal.reasons[0]}`);
  const { vaultKey, bytes: wrapped } = vault.wrap(crypto, key.value, raw);
  const header = encodeSegmentHeader(raw, { vaultKey, wrapped }, utf8);
  return ok(Buffer.concat([header, bytes.subarray(length)]));
}

/** Whoever can put a file here could put one that is longer than the memory, in no room of the disk. */
const headerOf = (bytes: Uint8Array): ReturnType<typeof decodeSegmentHeader> =>
  bytes.length > limits.auditSegmentFileBytesMax
    ? refuse('LIMIT_EXCEEDED', `This is no audit segment: none has more than ${limits.auditSegmentFileBytesMax} bytes.`)
    : decodeSegmentHeader(bytes, utf8);

/** More of a file is not read: who opens what is as long as this refuses it. */
export const segmentBytesRead: number = limits.auditSegmentFileBytesMax + 1;

/** The bytes of a segment that was listed, as far as one can go. Throws FILE_UNREADABLE when it is gone. */
export async function readSegmentFile(disk: Disk, segment: Segment): Promise<Uint8Array> {
  return found(segment, await disk.readPart(segment.path, 0, segmentBytesRead));
}

/** What was read where a segment was listed. Throws FILE_UNREADABLE for nothing. */
export function found({ path }: Segment, bytes: Uint8Array | undefined): Uint8Array {
  if (!bytes) throw new CaxtonError('FILE_UNREADABLE', `The audit segment ${path} is gone.`);
  return bytes;
}

/** The header of a segment that was listed, not yet authenticated; undefined when it is gone or begins with none. */
export async function readSegmentHeader(disk: Disk, segment: Segment): Promise<SegmentHeader | undefined> {
  const start = await disk.readPart(segment.path, 0, segmentHeaderBytesMax);
  const read = start && decodeSegmentHeader(start, utf8);
  return read?.ok ? { identity: read.value.identity, lock: read.value.lock } : undefined;
}
