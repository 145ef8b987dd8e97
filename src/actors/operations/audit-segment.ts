import { join } from 'node:path';
import { sha256 } from '../../crypto/port.ts';
import { CaxtonError } from '../../errors.ts';
import { type ChainState, chainStart, chainStep } from '../../protocols/audit/chain.ts';
import { type AuditRecord, readAuditLine } from '../../protocols/audit/record.ts';
import type { Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';

/** One file of the audit log: records from `first` on, a line each, up to the next segment’s first. */
export interface Segment {
  readonly path: string;
  /** Number of its first record. */
  readonly first: number;
}

/** What a segment’s bytes hold. */
export interface SegmentReading {
  /** The chain after the last line that fits. */
  readonly state: ChainState;
  /** Bytes up to the end of that line. */
  readonly goodBytes: number;
  /** Why the next line does not fit; absent when all lines do. */
  readonly bad?: { readonly sequence: number; readonly reason: string };
  /** Bytes after the last line break: what a crash left of a line. */
  readonly tornBytes: number;
}

const form = /^audit-(\d{12})\.jsonl$/;
const lineBreak = 10;
/** Lines checked before others run. */
const stretchLines = 128;

/** `audit-<first record’s number, twelve digits>.jsonl`: names sort as numbers do. */
export const segmentAt = (folder: string, first: number): Segment => ({
  path: join(folder, `audit-${String(first).padStart(12, '0')}.jsonl`),
  first,
});

/** The segments in a folder, oldest first. Other files are left alone. */
export async function listSegments(disk: Disk, folder: string): Promise<readonly Segment[]> {
  const names = await disk.list(folder);
  return names
    .map((name) => form.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map((digits) => segmentAt(folder, Number(digits)));
}

/**
 * Checks the chain through a segment’s bytes. `before` is the chain’s state at its begin, `undefined` to believe what
 * the first line says about it. Lets others run between stretches of lines.
 */
export async function readSegment(
  segment: Segment,
  bytes: Uint8Array,
  before: ChainState | undefined,
): Promise<SegmentReading> {
  const end = bytes.lastIndexOf(lineBreak) + 1;
  let state = before ?? stateBefore(segment, bytes);
  let goodBytes = 0;
  for (let lines = 1; goodBytes < end; lines++) {
    const next = bytes.indexOf(lineBreak, goodBytes);
    const step = chainStep(state, bytes.subarray(goodBytes, next), sha256, utf8);
    if (!step.ok) {
      const bad = { sequence: state.seq + 1, reason: step.refusal.reasons.join(' ') };
      return { state, goodBytes, bad, tornBytes: bytes.length - end };
    }
    state = step.value;
    goodBytes = next + 1;
    if (lines % stretchLines === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return { state, goodBytes, tornBytes: bytes.length - end };
}

/** The state that the first line claims to follow; for an unreadable one a state that nothing follows. */
function stateBefore(segment: Segment, bytes: Uint8Array): ChainState {
  if (segment.first === 1) return chainStart;
  const first = linesOf(bytes).next().value;
  const record = first && readLine(first);
  return { seq: segment.first - 1, hash: record?.prev ?? '' };
}

/** The newest `limit` records of the segments, oldest first. `lengthOf` says how much of a file counts. */
export async function newestRecords(
  disk: Disk,
  segments: readonly Segment[],
  limit: number,
  lengthOf: (segment: Segment) => number | undefined,
): Promise<readonly AuditRecord[]> {
  let newest: AuditRecord[] = [];
  for (const segment of segments.toReversed()) {
    if (newest.length >= limit) break;
    const bytes = await readFile(disk, segment);
    const lines = [...linesOf(bytes.subarray(0, lengthOf(segment)))].slice(newest.length - limit);
    newest = [...lines.map(readLine).filter((record) => record !== undefined), ...newest];
  }
  return newest;
}

/** The bytes of a segment that was listed. Throws FILE_UNREADABLE when it is gone. */
export async function readFile(disk: Disk, segment: Segment): Promise<Uint8Array> {
  const bytes = await disk.readFile(segment.path);
  if (!bytes) throw new CaxtonError('FILE_UNREADABLE', `The audit segment ${segment.path} is gone.`);
  return bytes;
}

function readLine(line: Uint8Array): AuditRecord | undefined {
  try {
    const record = readAuditLine(utf8.decode(line));
    return record.ok ? record.value : undefined;
  } catch {
    return undefined;
  }
}

function* linesOf(bytes: Uint8Array): Generator<Uint8Array, undefined> {
  for (let at = 0; ; ) {
    const next = bytes.indexOf(lineBreak, at);
    if (next === -1) return undefined;
    yield bytes.subarray(at, next);
    at = next + 1;
  }
}
