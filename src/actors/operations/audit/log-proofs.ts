import { sha256 } from '../../../crypto/port.ts';
import type { Result } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { HashList } from '../../../protocols/audit/hash-list.ts';
import { type CompactRange, emptyRange, GrowingTree, rootOf } from '../../../protocols/audit/merkle.ts';
import {
  beginConsistencyProof,
  beginInclusionProof,
  type ProofInTheMaking,
  sameHash,
  type TreeHead,
  type TreeProof,
} from '../../../protocols/audit/proof.ts';
import type { ProvableLog } from './provable-log.ts';

/** Trees of older sizes that are remembered: what witnesses and checkpoints asked for last. */
const rangesMax = 64;

/**
 * Makes the proofs of a log. The newest leaves are kept in memory, so that the proof that a witness needs each second
 * costs no reading; for anything older the log is read once from there on.
 */
export class LogProofs {
  readonly #log: ProvableLog;
  readonly #leavesMax: number;
  readonly #ranges = new Map<number, CompactRange>();
  #leaves = new HashList();
  /** Index of the first leaf that is kept. */
  #from = 0;

  constructor(log: ProvableLog, leavesMax: number = limits.auditLeavesKeptMax) {
    this.#log = log;
    this.#leavesMax = leavesMax;
  }

  /** Takes the leaves up to the head, and remembers its tree. Rejects when the log cannot be read. */
  async follow(head: CompactRange): Promise<void> {
    this.#remember(head);
    const known = this.#from + this.#leaves.length;
    const from = Math.max(known, head.size - this.#leavesMax);
    if (from > known) this.#leaves = new HashList();
    if (this.#leaves.length === 0) this.#from = from;
    for await (const leaf of this.#log.leafHashes(from + 1, head.size)) this.#leaves.push(leaf);
    const over = this.#leaves.length - this.#leavesMax;
    if (over <= 0) return;
    this.#leaves.drop(over);
    this.#from += over;
  }

  /** The tree at a size that the log has reached. */
  async rangeAt(size: number): Promise<CompactRange> {
    if (size === 0) return emptyRange;
    const range = this.#ranges.get(size) ?? (await this.#log.rangeAt(size));
    this.#remember(range);
    return range;
  }

  /** That the tree of `size` grew out of that of `oldSize`. */
  async consistency(oldSize: number, size: number): Promise<TreeProof> {
    return this.#complete(beginConsistencyProof(await this.rangeAt(oldSize), size, sha256), size);
  }

  /** That the record of this sequence, from 1, is in the tree of `size`. */
  async inclusion(sequence: number, size: number): Promise<TreeProof> {
    return this.#complete(beginInclusionProof(await this.#log.rangeAt(sequence - 1), size, sha256), size);
  }

  async #complete(making: ProofInTheMaking, size: number): Promise<TreeProof> {
    const isKept = () => making.next >= this.#from && making.next < this.#from + this.#leaves.length;
    const takeKept = () => {
      while (!making.isComplete && isKept()) making.add(this.#leaves.at(making.next - this.#from));
    };
    takeKept();
    if (making.isComplete) return making.hashes;
    for await (const leaf of this.#log.leafHashes(making.next + 1, size)) {
      making.add(leaf);
      takeKept();
      if (making.isComplete) break;
    }
    return making.hashes;
  }

  #remember(range: CompactRange): void {
    this.#ranges.delete(range.size);
    this.#ranges.set(range.size, range);
    if (this.#ranges.size > rangesMax) this.#ranges.delete(this.#ranges.keys().next().value!);
  }
}

/** The tree that a log’s records up to `size` make after those of an older tree. Rejects when they cannot be read. */
export async function grownFrom(range: CompactRange, size: number, log: ProvableLog): Promise<CompactRange> {
  const tree = new GrowingTree(range, sha256);
  for await (const leaf of log.leafHashes(range.size + 1, size)) tree.append(leaf);
  return tree.range;
}

/** The largest size at which the log has the tree of one of these heads; 0 for none. Rejects when it cannot be read. */
export async function fittingThrough(
  log: ProvableLog,
  proofs: LogProofs,
  heads: readonly Result<TreeHead>[],
): Promise<number> {
  const [from, to] = [(await log.first()) - 1, log.head().sequence];
  const sorted = heads
    .flatMap((head) => (head.ok && head.value.size >= from && head.value.size <= to ? [head.value] : []))
    .sort((a, b) => a.size - b.size);
  // Where one fits, all before it do: so few trees have to be read.
  let [good, bad] = [-1, sorted.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    const { size, root } = sorted[middle]!;
    if (sameHash(rootOf(await proofs.rangeAt(size), sha256), root)) good = middle;
    else bad = middle;
  }
  return sorted[good]?.size ?? 0;
}
