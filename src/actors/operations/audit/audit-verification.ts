import { sha256 } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { type CompactRange, emptyRange, rootOf } from '../../../protocols/audit/merkle.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { AuditPart, AuditVerification } from '../control.ts';
import { nodeDisk } from '../node-disk.ts';
import { checkSegment, type SegmentReport } from './audit-check.ts';
import { CheckThreads } from './audit-check-threads.ts';
import { type Committed, sameRange } from './audit-file.ts';
import { listSegments, readSegmentFile, type Segment } from './audit-segment.ts';

export interface VerifyLogOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly vault: () => VaultRing;
  /** The name of the log, which each of its segments says. */
  readonly origin: string;
  /** Threads for a log of several segments on this machine’s disk; default 2. 0: none, others run in between. */
  readonly verifyThreads?: number;
}

/** Fewer segments are checked before a thread has started. */
const segmentsForThreads = 4;

/**
 * Checks the log, segment by segment, up to its durable end. Of a part, the segments that hold it, and the one after
 * them, which says which tree they must lead to.
 */
export async function verifyLog(
  { disk, folder, vault, origin, verifyThreads = 2 }: VerifyLogOptions,
  end: Committed | undefined,
  part: AuditPart = { from: 1 },
): Promise<AuditVerification> {
  if (!end) return { valid: true, records: 0, headSequence: 0, headHash: rootText(emptyRange) };
  const all = (await listSegments(disk, folder)).filter(({ first }) => first <= end.segment.first);
  const segments = segmentsOf(all, part);
  const known: KnownOfLog = {
    origin,
    isFromBegin: segments[0] === all[0],
    end: segments.at(-1) === all.at(-1) ? end.range : undefined,
  };
  const whole = { headSequence: end.range.size, headHash: rootText(end.range) };
  // What comes after the durable end may be under way right now.
  const bytesOf = ({ first }: Segment): number | undefined => (first === end.segment.first ? end.bytes : undefined);
  if (disk !== nodeDisk || verifyThreads < 1 || segments.length < segmentsForThreads)
    return {
      ...(await joinReports(segments, known, (segment) =>
        checkSegment(
          segment,
          async () => (await readSegmentFile(disk, segment)).subarray(0, bytesOf(segment)),
          vault(),
        ),
      )),
      ...whole,
    };
  const threads = new CheckThreads(vault(), verifyThreads);
  try {
    const reports = segments.map((segment) => threads.check({ segment, bytes: bytesOf(segment) }));
    // The first that fails ends it; the others are not waited for.
    for (const report of reports) report.catch(() => undefined);
    return { ...(await joinReports(segments, known, (_, index) => reports[index]!)), ...whole };
  } finally {
    await threads.stop();
  }
}

/** The segments that hold a part of the log, and the one after them. */
function segmentsOf(all: readonly Segment[], { from, to = Number.MAX_SAFE_INTEGER }: AuditPart): readonly Segment[] {
  const begin = Math.max(
    0,
    all.findLastIndex(({ first }) => first <= from),
  );
  const after = all.findIndex(({ first }) => first > to);
  return all.slice(begin, after === -1 ? undefined : Math.max(after, begin) + 1);
}

/** The root of the tree in hexadecimal: what one line can say about all records. */
export const rootText = (range: CompactRange): string => Buffer.from(rootOf(range, sha256)).toString('hex');

/**
 * Joins the checks of all segments, oldest first, to one judgement: each goes on where the one before ended, the last
 * ends where this process knows the end, and what is missing before the first was retired by a record of the log.
 */
export async function joinReports(
  segments: readonly Segment[],
  { origin, isFromBegin, end }: KnownOfLog,
  check: (segment: Segment, index: number) => Promise<SegmentReport>,
): Promise<AuditVerification> {
  let tree: CompactRange | undefined;
  let first = 0;
  let retired = 0;
  let bad: Bad | undefined;
  for (const [index, segment] of segments.entries()) {
    const report = await check(segment, index);
    first ||= report.first;
    tree ??= report.before;
    bad = stranger(report, origin) ?? (tree && joint(tree, report, first));
    if (bad) break;
    // Up to where a segment is good it counts, unless its header was not.
    if (report.before) tree = report.after;
    bad = report.bad;
    if (bad) break;
    retired = Math.max(retired, report.retiredThrough);
  }
  const size = tree?.size ?? Math.max(0, first - 1);
  if (!bad && end && size < end.size)
    bad = { sequence: size + 1, reason: `The records from ${size + 1} to ${end.size} are gone.` };
  if (!bad && end && tree && !sameRange(tree, end))
    bad = { sequence: segments.at(-1)!.first, reason: 'The newest records are not those that were written.' };
  if (!bad && isFromBegin && first > 1 && retired < first - 1)
    bad = {
      sequence: retired + 1,
      reason: `The records before ${first} are gone, and no record says that they were retired.`,
    };
  return {
    valid: bad === undefined,
    records: first === 0 ? 0 : size - first + 1,
    headSequence: size,
    headHash: rootText(tree ?? emptyRange),
    ...(bad && { firstBad: bad }),
  };
}

/** What is known of a log beside its segments. */
export interface KnownOfLog {
  /** Which log it is; undefined: nobody knows. */
  readonly origin: string | undefined;
  /** Whether the first report is of the oldest segment that there is. */
  readonly isFromBegin: boolean;
  /** Where the last report must end; undefined: wherever it does. */
  readonly end: CompactRange | undefined;
}

/** Whoever has the vault’s key, as every node of one operator may, could put another log’s segment here. */
const stranger = (report: SegmentReport, origin: string | undefined): Bad | undefined =>
  report.origin !== undefined && origin !== undefined && report.origin !== origin
    ? { sequence: report.first, reason: `The segment is one of ${report.origin}.` }
    : undefined;

interface Bad {
  readonly sequence: number;
  readonly reason: string;
}

/** What is wrong where a segment goes on from the tree of those before it. */
function joint(tree: CompactRange, report: SegmentReport, first: number): Bad | undefined {
  if (report.first > tree.size + 1)
    return { sequence: tree.size + 1, reason: `The segment that begins with record ${tree.size + 1} is missing.` };
  if (report.first <= tree.size) return { sequence: report.first, reason: 'The record is there twice.' };
  // Sealed with this node’s own keys, and yet another tree: the segments before were written anew.
  return report.before && !sameRange(tree, report.before)
    ? { sequence: first, reason: `The records before ${report.first} are not those that were written first.` }
    : undefined;
}
