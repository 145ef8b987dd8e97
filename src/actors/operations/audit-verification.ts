import { sha256 } from '../../crypto/port.ts';
import type { VaultRing } from '../../crypto/vault.ts';
import { type CompactRange, emptyRange, rootOf } from '../../protocols/audit/merkle.ts';
import type { Disk } from '../kernel/ports.ts';
import { checkSegment, type SegmentReport } from './audit-check.ts';
import { type Committed, sameRange } from './audit-file.ts';
import { listSegments, readSegmentFile, type Segment } from './audit-segment.ts';
import type { AuditPart, AuditVerification } from './control.ts';

/**
 * Checks the log, segment by segment, up to its durable end. Of a part, the segments that hold it, and the one after
 * them, which says which tree they must lead to.
 */
export async function verifyLog(
  { disk, folder, vault }: { readonly disk: Disk; readonly folder: string; readonly vault: () => VaultRing },
  end: Committed | undefined,
  part: AuditPart = { from: 1 },
): Promise<AuditVerification> {
  if (!end) return { valid: true, records: 0, headSequence: 0, headHash: rootText(emptyRange) };
  const all = (await listSegments(disk, folder)).filter(({ first }) => first <= end.segment.first);
  const begin = Math.max(0, all.findLastIndex(({ first }) => first <= part.from));
  const after = all.findIndex(({ first }) => first > (part.to ?? end.range.size));
  const segments = all.slice(begin, after === -1 ? undefined : Math.max(after, begin) + 1);
  const whole = { begin: begin === 0, end: segments.at(-1) === all.at(-1) };
  async function* reports(): AsyncGenerator<SegmentReport> {
    for (const segment of segments) {
      const bytes = await readSegmentFile(disk, segment);
      // What comes after the durable end may be under way right now.
      const length = segment.first === end!.segment.first ? end!.bytes : bytes.length;
      yield await checkSegment(segment, bytes.subarray(0, length), vault());
    }
  }
  return verifySegments(segments, end, whole, reports());
}

/** The root of the tree in hexadecimal: what one line can say about all records. */
export const rootText = (range: CompactRange): string => Buffer.from(rootOf(range, sha256)).toString('hex');

/**
 * Joins the checks of all segments, oldest first, to one judgement: each goes on where the one before ended, the last
 * ends where this process knows the end, and what is missing before the first was retired by a record of the log.
 */
async function verifySegments(
  segments: readonly Segment[],
  end: Committed,
  whole: { readonly begin: boolean; readonly end: boolean },
  reports: AsyncIterable<SegmentReport>,
): Promise<AuditVerification> {
  let tree: CompactRange | undefined;
  let first = 0;
  let retired = 0;
  let bad: Bad | undefined;
  for await (const report of reports) {
    first ||= report.first;
    tree ??= report.before;
    bad = (tree && joint(tree, report, first)) ?? report.bad;
    if (bad) break;
    tree = report.after;
    retired = Math.max(retired, report.retiredThrough);
  }
  const size = tree?.size ?? Math.max(0, first - 1);
  if (!bad && whole.end && size < end.range.size)
    bad = { sequence: size + 1, reason: `The records from ${size + 1} to ${end.range.size} are gone.` };
  if (!bad && whole.end && tree && !sameRange(tree, end.range))
    bad = { sequence: segments.at(-1)!.first, reason: 'The newest records are not those that were written.' };
  if (!bad && whole.begin && first > 1 && retired < first - 1)
    bad = {
      sequence: retired + 1,
      reason: `The records before ${first} are gone, and no record says that they were retired.`,
    };
  return {
    valid: bad === undefined,
    records: first === 0 ? 0 : size - first + 1,
    headSequence: end.range.size,
    headHash: rootText(end.range),
    ...(bad && { firstBad: bad }),
  };
}

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
