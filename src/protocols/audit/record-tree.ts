import { type CompactRange, treeHashBytes } from './merkle.ts';

/**
 * Writes SHA-256 of bytes, 32 bytes, into a place. `into` may hold the bytes themselves: they are read before it is
 * written.
 */
export type Sha256Into = (bytes: Uint8Array, into: Uint8Array, at: number) => void;

/** As many nodes as the right edge of the largest tree has, and the leaf that is added to it. */
const nodesMax = 54;
/** Before a pair of nodes in the bytes that are hashed (RFC 6962 §2.1). */
const pairMark = 1;

/**
 * The tree that `GrowingTree` grows, for whoever adds millions of records: the right edge lies in one piece of memory, so
 * that two neighbours are hashed where they stand and no record costs an object.
 */
export class RecordTree {
  #size: number;
  #depth: number;
  /** A byte, then the nodes, largest and leftmost first. */
  readonly #edge = new Uint8Array(1 + nodesMax * treeHashBytes);
  /** The byte before a node, the node and the one after it. */
  readonly #pairs: readonly Uint8Array[];
  readonly #sha256Into: Sha256Into;

  constructor(from: CompactRange, sha256Into: Sha256Into) {
    this.#size = from.size;
    this.#depth = from.nodes.length;
    for (const [i, node] of from.nodes.entries()) this.#edge.set(node, placeOf(i));
    this.#pairs = Array.from({ length: nodesMax - 1 }, (_, i) => {
      const begin = placeOf(i) - 1;
      return this.#edge.subarray(begin, begin + 1 + 2 * treeHashBytes);
    });
    this.#sha256Into = sha256Into;
  }

  get size(): number {
    return this.#size;
  }

  /** A copy. */
  get range(): CompactRange {
    const nodes = Array.from({ length: this.#depth }, (_, i) => this.#edge.slice(placeOf(i), placeOf(i + 1)));
    return { size: this.#size, nodes };
  }

  /** Adds a record as it is hashed: a zero byte, then its own bytes. Throws past 2⁵³ − 1 leaves. */
  append(leaf: Uint8Array): void {
    if (this.#size >= Number.MAX_SAFE_INTEGER) throw new RangeError('The tree is full.');
    let at = this.#depth;
    this.#sha256Into(leaf, this.#edge, placeOf(at));
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      at -= 1;
      const mark = placeOf(at) - 1;
      // The end of the node before, which is left as it was.
      const lent = this.#edge[mark]!;
      this.#edge[mark] = pairMark;
      this.#sha256Into(this.#pairs[at]!, this.#edge, placeOf(at));
      this.#edge[mark] = lent;
    }
    this.#depth = at + 1;
    this.#size++;
  }
}

const placeOf = (node: number): number => 1 + node * treeHashBytes;
