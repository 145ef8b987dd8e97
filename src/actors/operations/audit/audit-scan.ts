import { sha256 } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import { type CompactRange, GrowingTree } from '../../../protocols/audit/merkle.ts';
import { type Block, blocksOf, leavesOf } from './audit-block.ts';
import type { OpenedSegment } from './audit-segment.ts';

/** What a segment’s bytes hold. */
export interface SegmentScan {
  /** The tree after the last good record. */
  readonly range: CompactRange;
  /** Bytes up to the end of the last good block. */
  readonly goodBytes: number;
  /** Good blocks. */
  readonly blocks: number;
  /** Why the next record is not good; absent when all bytes are. */
  readonly bad?: { readonly sequence: number; readonly reason: string; readonly torn: boolean };
}

/**
 * Opens every block of a segment and grows the tree with its records. Lets others run between stretches of records.
 * `onBlock` sees each good block, the tree before it and the one after it.
 */
export async function scanSegment(
  segment: OpenedSegment,
  bytes: Uint8Array,
  onBlock: (block: Block, before: CompactRange, after: CompactRange) => void = () => {},
): Promise<SegmentScan> {
  const tree = new GrowingTree(segment.identity.range, sha256);
  let goodBytes = segment.blocksAt;
  let blocks = 0;
  let stretch = 0;
  const end = (sequence: number, reason: string, torn: boolean): SegmentScan => ({
    range: tree.range,
    goodBytes,
    blocks,
    bad: { sequence, reason, torn },
  });
  const reading = blocksOf(segment, bytes);
  for (;;) {
    const next = reading.next();
    if (next.done) {
      const fault = next.value;
      return fault ? end(tree.size + 1, fault.reason, fault.torn) : { range: tree.range, goodBytes, blocks };
    }
    const block = next.value;
    const before = tree.range;
    const stranger = grow(tree, block);
    if (stranger !== undefined) return end(stranger, 'It does not stand in its place.', false);
    onBlock(block, before, tree.range);
    goodBytes = block.end;
    blocks += 1;
    stretch += block.records;
    if (stretch >= limits.auditStretchRecordsMax) {
      stretch = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

/** Adds a block’s records to the tree; the sequence of the first that is not the one that belongs there, if any. */
function grow(tree: GrowingTree, { leaves, records }: Block): number | undefined {
  const before = tree.size;
  for (const leaf of leavesOf(leaves)) {
    if (!isSequence(leaf, tree.size + 1)) return tree.size + 1;
    tree.append(sha256(leaf));
  }
  return tree.size - before === records ? undefined : tree.size + 1;
}

/** Whether a leaf begins `\0{"seq":<sequence>,`, as a record does. */
function isSequence(leaf: Uint8Array, sequence: number): boolean {
  const begin = `\0{"seq":${sequence},`;
  if (leaf.length < begin.length) return false;
  for (let i = 0; i < begin.length; i++) if (leaf[i] !== begin.charCodeAt(i)) return false;
  return true;
}
