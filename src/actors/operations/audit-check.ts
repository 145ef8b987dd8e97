import type { VaultRing } from '../../crypto/vault.ts';
import { type CompactRange, emptyRange } from '../../protocols/audit/merkle.ts';
import { readAuditLine } from '../../protocols/audit/record.ts';
import { utf8 } from '../kernel/utf8.ts';
import { type Block, leavesOf } from './audit-block.ts';
import { scanSegment } from './audit-scan.ts';
import { openSegment, type Segment } from './audit-segment.ts';

/** What the check of one segment found; plain data, so that a thread can send it. */
export interface SegmentReport {
  /** Sequence of its first record. */
  readonly first: number;
  /** The tree that its header says it goes on from; undefined when the header cannot be believed. */
  readonly before: CompactRange | undefined;
  /** The tree after its last good record. */
  readonly after: CompactRange;
  readonly bad?: { readonly sequence: number; readonly reason: string };
  /** The newest sequence that one of its records says was retired; 0 for none. */
  readonly retiredThrough: number;
}

/** Opens a segment’s blocks and grows its tree. Never throws for what the bytes hold: that is `bad`. */
export async function checkSegment(segment: Segment, bytes: Uint8Array, vault: VaultRing): Promise<SegmentReport> {
  const opened = openSegment(segment, bytes, vault);
  if (!opened.ok) {
    const bad = { sequence: segment.first, reason: opened.refusal.reasons.join(' ') };
    return { first: segment.first, before: undefined, after: emptyRange, bad, retiredThrough: 0 };
  }
  let retiredThrough = 0;
  const scan = await scanSegment(opened.value, bytes, (block) => {
    retiredThrough = Math.max(retiredThrough, retiredBy(block));
  });
  return {
    first: segment.first,
    before: opened.value.identity.range,
    after: scan.range,
    ...(scan.bad && { bad: { sequence: scan.bad.sequence, reason: scan.bad.reason } }),
    retiredThrough,
  };
}

const retirement = Buffer.from('"type":"AuditRetired"');

/** How far a block’s records say that retention went. */
function retiredBy({ leaves }: Block): number {
  const view = Buffer.from(leaves.buffer, leaves.byteOffset, leaves.length);
  // Looking at each record would cost more than all the rest of the check.
  if (!view.includes(retirement)) return 0;
  let through = 0;
  for (const leaf of leavesOf(leaves)) {
    const record = readAuditLine(utf8.decode(leaf.subarray(1)));
    if (record.ok && record.value.type === 'AuditRetired')
      through = Math.max(through, Number(record.value.metadata.through));
  }
  return through;
}
