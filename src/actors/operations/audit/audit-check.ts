import { sha256 } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { type CompactRange, emptyRange, GrowingTree } from '../../../protocols/audit/merkle.ts';
import type { TreeHead } from '../../../protocols/audit/proof.ts';
import { readAuditLine } from '../../../protocols/audit/record.ts';
import { utf8 } from '../../kernel/utf8.ts';
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
  /** Which log it says it is one of; undefined as `before`. */
  readonly origin: string | undefined;
  /** The roots of the trees of the sizes that were asked for. */
  readonly roots: readonly TreeHead[];
  /** The newest sequence that one of its records says was retired; 0 for none. */
  readonly retiredThrough: number;
}

/**
 * Reads a segment, opens its blocks and grows its tree. Never throws for what stands in its place or what the bytes hold:
 * that is `bad`. Rejects with other errors of `read`.
 *
 * @param read as `readSegmentFile`.
 * @param sizes of which the roots are wanted, where they fall into this segment.
 */
export async function checkSegment(
  segment: Segment,
  read: () => Promise<Uint8Array>,
  vault: VaultRing,
  sizes: readonly number[] = [],
): Promise<SegmentReport> {
  let bytes: Uint8Array;
  try {
    bytes = await read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (noFileCodes.has(code)) return notOne(segment, `It is no file: ${message}.`);
    throw error;
  }
  const opened = openSegment(segment, bytes, vault);
  if (!opened.ok) return notOne(segment, opened.refusal.reasons.join(' '));
  let retiredThrough = 0;
  const roots: TreeHead[] = [];
  const scan = await scanSegment(opened.value, bytes, (block, before, after) => {
    for (const size of sizes)
      if (size > before.size && size <= after.size) roots.push({ size, root: rootWithin(block, before, size) });
    retiredThrough = Math.max(retiredThrough, retiredBy(block));
  });
  return {
    first: segment.first,
    before: opened.value.identity.range,
    after: scan.range,
    origin: opened.value.identity.origin,
    roots,
    ...(scan.bad && { bad: { sequence: scan.bad.sequence, reason: scan.bad.reason } }),
    retiredThrough,
  };
}

/** What the disk says of a folder, of a pipe or a device, and of links that lead nowhere. */
const noFileCodes: ReadonlySet<string | undefined> = new Set(['EISDIR', 'EINVAL', 'ELOOP']);

/** Nothing of it can be believed. */
const notOne = ({ first }: Segment, reason: string): SegmentReport => {
  const nothing = { before: undefined, origin: undefined, after: emptyRange, roots: [], retiredThrough: 0 };
  return { first, ...nothing, bad: { sequence: first, reason } };
};

/** The root of the tree when it had this size, which it reached within the block. */
function rootWithin({ leaves }: Block, before: CompactRange, size: number): Uint8Array {
  const tree = new GrowingTree(before, sha256);
  for (const leaf of leavesOf(leaves)) {
    if (tree.size === size) break;
    tree.append(sha256(leaf));
  }
  return tree.root();
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
