import { sha256Into } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import type { CompactRange } from '../../../protocols/audit/merkle.ts';
import { RecordTree } from '../../../protocols/audit/record-tree.ts';
import { type Block, blocksOf, leafEnd } from './audit-block.ts';
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
  const tree = new RecordTree(segment.identity.range, sha256Into);
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
function grow(tree: RecordTree, { leaves, records }: Block): number | undefined {
  const before = tree.size;
  const { buffer, byteOffset } = leaves;
  for (let at = 0; at < leaves.length; ) {
    const end = leafEnd(leaves, at);
    // A plain array over the bytes costs a third of a Buffer’s.
    const leaf = new Uint8Array(buffer, byteOffset + at, end - at);
    if (!isSequence(leaf, tree.size + 1)) return tree.size + 1;
    tree.append(leaf);
    at = end;
  }
  return tree.size - before === records ? undefined : tree.size + 1;
}

const begin = Array.from('\0{"seq":', (sign) => sign.charCodeAt(0));
const [zero, nine, comma] = [0x30, 0x39, 0x2c];

/** Whether a leaf begins `\0{"seq":<sequence>,`, as a record does. */
function isSequence(leaf: Uint8Array, sequence: number): boolean {
  for (let i = 0; i < begin.length; i++) if (leaf[i] !== begin[i]) return false;
  let at = begin.length;
  if (leaf[at] === zero) return false;
  let found = 0;
  for (let digit = leaf[at]!; digit >= zero && digit <= nine && found <= sequence; digit = leaf[++at]!)
    found = 10 * found + (digit - zero);
  return found === sequence && leaf[at] === comma;
}
