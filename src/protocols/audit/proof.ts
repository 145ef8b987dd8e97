import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import {
  type CompactRange,
  emptyRange,
  emptyRoot,
  GrowingTree,
  isTreeSize,
  nodeHash,
  type Sha256,
  treeHashBytes,
} from './merkle.ts';

/** A tree as a signed checkpoint states it. */
export interface TreeHead {
  /** Leaves: 0 to 2⁵³ − 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** Hashes on the way from a leaf, or from an older tree, to a root; from below upwards. */
export type TreeProof = readonly Uint8Array[];

/** A hash of a proof that is known already, or the next stretch of leaves that it stands for. */
type Step = { readonly node: Uint8Array } | { readonly to: number };

/**
 * Makes one proof out of what a log has at hand: the tree before some place, and all leaves after it in one pass. The
 * hashes to the left of the place are nodes of that tree; those to the right cover the leaves after it without a gap.
 * Feed leaves with `add` until `isComplete`; then ask for `hashes`.
 */
export class ProofInTheMaking {
  readonly #steps: readonly Step[];
  readonly #sha256: Sha256;
  readonly #hashes: Uint8Array[] = [];
  #step = 0;
  #at: number;
  #tree: GrowingTree;

  /** @param at index of the leaf that comes first. */
  constructor(steps: readonly Step[], at: number, sha256: Sha256) {
    this.#steps = steps;
    this.#sha256 = sha256;
    this.#at = at;
    this.#tree = new GrowingTree(emptyRange, sha256);
    this.#takeKnown();
  }

  /** Index of the leaf that `add` takes next. */
  get next(): number {
    return this.#at;
  }

  get isComplete(): boolean {
    return this.#step === this.#steps.length;
  }

  /** The hash of the next leaf. Throws when no more is needed. */
  add(leaf: Uint8Array): void {
    const step = this.#steps[this.#step];
    if (!step || 'node' in step) throw new RangeError('The proof is complete.');
    this.#tree.append(leaf);
    this.#at++;
    if (this.#at < step.to) return;
    this.#hashes.push(this.#tree.root());
    this.#tree = new GrowingTree(emptyRange, this.#sha256);
    this.#step++;
    this.#takeKnown();
  }

  /** The proof. Throws before it is complete. */
  get hashes(): TreeProof {
    if (!this.isComplete) throw new RangeError('The proof is not complete.');
    return this.#hashes;
  }

  #takeKnown(): void {
    for (let step = this.#steps[this.#step]; step && 'node' in step; step = this.#steps[++this.#step])
      this.#hashes.push(step.node);
  }
}

/**
 * Begins the proof that a leaf is in the tree of `size` (RFC 9162 §2.1.3.1).
 *
 * @param before the tree before the leaf: its size is the leaf’s index. Leaves are fed from the one *after* that on.
 * Throws when the leaf is not in the tree.
 */
export function beginInclusionProof(before: CompactRange, size: number, sha256: Sha256): ProofInTheMaking {
  if (!isTreeSize(size) || before.size >= size)
    throw new RangeError(`Leaf ${before.size} is not in a tree of ${size}.`);
  return new ProofInTheMaking(stepsFrom(before.size, 1, size, [...before.nodes]), before.size + 1, sha256);
}

/**
 * Begins the proof that the tree of `size` grew out of `old` by leaves at its end alone (RFC 9162 §2.1.4.1). Leaves are
 * fed from the first that is not in the old tree. Throws when the new tree is smaller.
 */
export function beginConsistencyProof(old: CompactRange, size: number, sha256: Sha256): ProofInTheMaking {
  if (!isTreeSize(size) || old.size > size) throw new RangeError(`A tree of ${old.size} is no part of one of ${size}.`);
  if (old.size === 0 || old.size === size) return new ProofInTheMaking([], old.size, sha256);
  const lefts = [...old.nodes];
  const seed = lefts.pop()!;
  const width = lowestOne(old.size);
  const steps = stepsFrom(old.size / width - 1, width, size, lefts);
  // An old tree that is one complete subtree is known to the verifier by its root.
  const known = width === old.size;
  return new ProofInTheMaking(known ? steps : [{ node: seed }, ...steps], old.size, sha256);
}

/** The siblings on the way up from subtree `at` (counted in subtrees of `width` leaves) to the root of `size` leaves. */
function stepsFrom(at: number, width: number, size: number, lefts: Uint8Array[]): Step[] {
  const steps: Step[] = [];
  for (let place = at, wide = width; wide < size; place = Math.floor(place / 2), wide *= 2) {
    const from = (place + 1) * wide;
    if (place % 2 === 1) steps.push({ node: lefts.pop()! });
    else if (from < size) steps.push({ to: Math.min(size, from + wide) });
  }
  return steps;
}

/** The largest power of two that divides a size over 0. */
function lowestOne(size: number): number {
  let one = 1;
  while (size % (one * 2) === 0) one *= 2;
  return one;
}

/**
 * Whether a leaf stands at `index` (from 0) in the tree (RFC 9162 §2.1.3.2). PROOF_INVALID for a proof that leads
 * elsewhere; MALFORMED, LIMIT_EXCEEDED for numbers and lengths that cannot be.
 */
export function verifyInclusion(
  head: TreeHead,
  index: number,
  leaf: Uint8Array,
  proof: TreeProof,
  sha256: Sha256,
): Result<void> {
  if (!isTreeSize(head.size) || !isTreeSize(index) || index >= head.size)
    return refuse('MALFORMED', `Leaf ${index} is not in a tree of ${head.size}.`);
  const malformed = whyMalformed(proof, head.root, leaf);
  if (malformed) return malformed;
  let hash = leaf;
  let used = 0;
  for (let place = index, last = head.size - 1; last > 0; place = half(place), last = half(last)) {
    const isRight = place % 2 === 1;
    // The last subtree of a level has no right sibling: it stands for itself one level up.
    if (!isRight && place === last) continue;
    const sibling = proof[used++];
    if (!sibling) return refuse('PROOF_INVALID', 'The inclusion proof is too short.');
    hash = isRight ? nodeHash(sibling, hash, sha256) : nodeHash(hash, sibling, sha256);
  }
  if (used !== proof.length) return refuse('PROOF_INVALID', 'The inclusion proof is too long.');
  return sameHash(hash, head.root)
    ? ok(undefined)
    : refuse('PROOF_INVALID', `The proof does not lead from leaf ${index} to the root of the tree.`);
}

/**
 * Whether the new tree begins with the old one, unchanged (RFC 9162 §2.1.4.2). PROOF_INVALID for a proof that does not
 * lead to both roots; MALFORMED, LIMIT_EXCEEDED for numbers and lengths that cannot be.
 */
export function verifyConsistency(old: TreeHead, now: TreeHead, proof: TreeProof, sha256: Sha256): Result<void> {
  if (!isTreeSize(old.size) || !isTreeSize(now.size) || old.size > now.size)
    return refuse('MALFORMED', `A tree of ${old.size} cannot have grown to ${now.size}.`);
  const malformed = whyMalformed(proof, old.root, now.root);
  if (malformed) return malformed;
  if (old.size === 0 || old.size === now.size) return verifyTrivial(old, now, proof, sha256);
  const width = lowestOne(old.size);
  const isComplete = width === old.size;
  const seed = isComplete ? old.root : proof[0];
  if (!seed) return refuse('PROOF_INVALID', 'The consistency proof is too short.');
  let used = isComplete ? 0 : 1;
  let oldHash = seed;
  let newHash = seed;
  let last = Math.floor((now.size - 1) / width);
  for (let place = old.size / width - 1; last > 0; place = half(place), last = half(last)) {
    const isRight = place % 2 === 1;
    if (!isRight && place === last) continue;
    const sibling = proof[used++];
    if (!sibling) return refuse('PROOF_INVALID', 'The consistency proof is too short.');
    if (isRight) oldHash = nodeHash(sibling, oldHash, sha256);
    newHash = isRight ? nodeHash(sibling, newHash, sha256) : nodeHash(newHash, sibling, sha256);
  }
  if (used !== proof.length) return refuse('PROOF_INVALID', 'The consistency proof is too long.');
  if (!sameHash(oldHash, old.root))
    return refuse('PROOF_INVALID', `The proof does not lead to the root of the tree of ${old.size}.`);
  return sameHash(newHash, now.root)
    ? ok(undefined)
    : refuse('PROOF_INVALID', `The proof does not lead to the root of the tree of ${now.size}.`);
}

function verifyTrivial(old: TreeHead, now: TreeHead, proof: TreeProof, sha256: Sha256): Result<void> {
  if (proof.length > 0) return refuse('PROOF_INVALID', 'The consistency proof is too long.');
  const expected = old.size === 0 ? emptyRoot(sha256) : now.root;
  if (!sameHash(old.root, expected) || (now.size === 0 && !sameHash(now.root, expected)))
    return refuse('PROOF_INVALID', `Two trees of ${old.size} have different roots.`);
  return ok(undefined);
}

/** Whether two hashes are the same. Not for secrets. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function whyMalformed(proof: TreeProof, ...others: readonly Uint8Array[]): ReturnType<typeof refuse> | undefined {
  if (proof.length > limits.treeProofHashesMax)
    return refuse('LIMIT_EXCEEDED', `A proof has at most ${limits.treeProofHashesMax} hashes.`);
  return others.every(isHash) && proof.every(isHash) ? undefined : refuse('MALFORMED', 'A hash has 32 bytes.');
}

const isHash = (bytes: Uint8Array): boolean => bytes.length === treeHashBytes;
const half = (count: number): number => Math.floor(count / 2);
