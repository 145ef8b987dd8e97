import { ok, type Result, refuse } from '../../errors.ts';

/**
 * The Merkle tree over the records of an audit log (RFC 6962 §2.1, RFC 9162 §2.1). A leaf is a record’s bytes; leaf and
 * node are hashed under different first bytes, so that no node can be passed off as a record.
 */

/** SHA-256, 32 bytes. Must not keep the bytes that it is given: they are used again. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/** Bytes of every hash in the tree. */
export const treeHashBytes = 32;

/**
 * A tree by its right edge: the roots of its complete subtrees, largest and leftmost first, one for each bit that is set
 * in the size. Enough to grow it and to know its root, in some forty hashes whatever the size.
 */
export interface CompactRange {
  /** Leaves: 0 to 2⁵³ − 1. */
  readonly size: number;
  readonly nodes: readonly Uint8Array[];
}

/** The tree without a leaf. */
export const emptyRange: CompactRange = { size: 0, nodes: [] };

const noBytes = new Uint8Array(0);
const nodeInput = new Uint8Array(1 + 2 * treeHashBytes);
nodeInput[0] = 1;

/** The leaf of a record: SHA-256(0x00 ‖ bytes). */
export function leafHash(record: Uint8Array, sha256: Sha256): Uint8Array {
  const input = new Uint8Array(1 + record.length);
  input.set(record, 1);
  return sha256(input);
}

/** The node above two others: SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  // One buffer for all: hashing is synchronous, and a log makes one node for each record.
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + treeHashBytes);
  return sha256(nodeInput);
}

/** The root of the tree without a leaf: SHA-256 of nothing. */
export const emptyRoot = (sha256: Sha256): Uint8Array => sha256(noBytes);

/** A tree that grows in place, for whoever adds many leaves; `range` is its state as a value. */
export class GrowingTree {
  #size: number;
  readonly #nodes: Uint8Array[];
  readonly #sha256: Sha256;

  constructor(from: CompactRange, sha256: Sha256) {
    this.#size = from.size;
    this.#nodes = [...from.nodes];
    this.#sha256 = sha256;
  }

  get size(): number {
    return this.#size;
  }

  get range(): CompactRange {
    return { size: this.#size, nodes: [...this.#nodes] };
  }

  /** Adds a leaf’s hash, which it keeps: do not write into it afterwards. */
  append(leaf: Uint8Array): void {
    if (leaf.length !== treeHashBytes) throw new TypeError('A leaf is the 32 bytes of its hash.');
    if (this.#size >= Number.MAX_SAFE_INTEGER) throw new RangeError('The tree is full.');
    let hash = leaf;
    // As many complete subtrees end here as the size has ones at its end: each is joined with what comes after it.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2)
      hash = nodeHash(this.#nodes.pop()!, hash, this.#sha256);
    this.#nodes.push(hash);
    this.#size++;
  }

  root(): Uint8Array {
    return rootOf({ size: this.#size, nodes: this.#nodes }, this.#sha256);
  }
}

/** The tree with more leaves (their hashes) at its end. Throws for a hash of another length or past 2⁵³ − 1 leaves. */
export function extendRange(range: CompactRange, leaves: Iterable<Uint8Array>, sha256: Sha256): CompactRange {
  const tree = new GrowingTree(range, sha256);
  for (const leaf of leaves) tree.append(leaf);
  return tree.range;
}

/** The root hash of a tree, 32 bytes. */
export function rootOf({ nodes }: CompactRange, sha256: Sha256): Uint8Array {
  let hash = nodes.at(-1);
  if (hash === undefined) return emptyRoot(sha256);
  for (let i = nodes.length - 2; i >= 0; i--) hash = nodeHash(nodes[i]!, hash, sha256);
  return hash;
}

/** A compact range that was read from somewhere: MALFORMED unless its size and nodes fit each other. */
export function compactRange(size: number, nodes: readonly Uint8Array[]): Result<CompactRange> {
  if (!isTreeSize(size)) return refuse('MALFORMED', 'A tree’s size is a whole number from 0 to 2⁵³ − 1.');
  if (nodes.length !== onesOf(size))
    return refuse('MALFORMED', `The right edge of a tree of ${size} has ${onesOf(size)} nodes, not ${nodes.length}.`);
  if (nodes.some((node) => node.length !== treeHashBytes)) return refuse('MALFORMED', 'A node has 32 bytes.');
  return ok({ size, nodes });
}

/** Whether a number can be the size of a tree. */
export const isTreeSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;

function onesOf(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}
