/** Bits of the hash that one level of the trie looks at: up to 32 ways on from each branch. */
const levelBits = 5;
const levelMask = 31;

/** One entry. A list of them for one hash would cost an entry that shares its hash with none, as nearly all do, twice this. */
interface Leaf<K, V> {
  /** Signed, so that it is kept without a box of its own. */
  readonly hash: number;
  readonly key: K;
  readonly value: V;
  /** The other entries of the same hash. */
  readonly more: Leaf<K, V> | undefined;
}

/** `ways` has a bit for each of the 32 that leads on; `below` has just those, in their order. */
interface Branch<K, V> {
  readonly ways: number;
  readonly below: readonly Below<K, V>[];
}

type Below<K, V> = Branch<K, V> | Leaf<K, V>;

/**
 * A map that is never changed: `with` and `without` give another one that shares all but a few small arrays with it, so
 * that a state of 100,000 entries with one more costs a microsecond and not a copy (Bagwell, “Ideal Hash Trees”, 2001).
 * Entries come in no order that means anything, and in the same one for the same history.
 */
export class PersistentMap<K extends string, V> {
  readonly size: number;
  readonly #root: Below<K, V> | undefined;

  private constructor(root: Below<K, V> | undefined, size: number) {
    this.#root = root;
    this.size = size;
  }

  /** The map without entries. */
  static empty<K extends string, V>(): PersistentMap<K, V> {
    return new PersistentMap<K, V>(undefined, 0);
  }

  get(key: K): V | undefined {
    const hash = hashOf(key);
    let at = this.#root;
    for (let shift = 0; at && 'ways' in at; shift += levelBits) {
      const bit = bitOf(hash, shift);
      if ((at.ways & bit) === 0) return undefined;
      at = at.below[place(at.ways, bit)];
    }
    return at?.hash === hash ? entryOf(at, key)?.value : undefined;
  }

  /** The map with this entry, in place of one of the same key. */
  with(key: K, value: V): PersistentMap<K, V> {
    const leaf: Leaf<K, V> = { hash: hashOf(key), key, value, more: undefined };
    const root = this.#root ? put(this.#root, leaf, 0) : leaf;
    return new PersistentMap(root, this.size + (this.get(key) === undefined ? 1 : 0));
  }

  /** The map without this key; this very one when it is not in it. */
  without(key: K): PersistentMap<K, V> {
    if (!this.#root || this.get(key) === undefined) return this;
    return new PersistentMap(take(this.#root, key, hashOf(key), 0), this.size - 1);
  }

  *entries(): Generator<readonly [K, V]> {
    if (this.#root) yield* entriesBelow(this.#root);
  }

  *keys(): Generator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value;
  }
}

function put<K, V>(at: Below<K, V>, leaf: Leaf<K, V>, shift: number): Below<K, V> {
  if (!('ways' in at)) {
    if (at.hash === leaf.hash)
      return { hash: leaf.hash, key: leaf.key, value: leaf.value, more: without(at, leaf.key) };
    // Both go one level down, where they may part.
    return put({ ways: bitOf(at.hash, shift), below: [at] }, leaf, shift);
  }
  const bit = bitOf(leaf.hash, shift);
  const index = place(at.ways, bit);
  if ((at.ways & bit) === 0) return { ways: at.ways | bit, below: at.below.toSpliced(index, 0, leaf) };
  return { ways: at.ways, below: at.below.with(index, put(at.below[index]!, leaf, shift + levelBits)) };
}

/** Undefined when nothing is left. The key is there. */
function take<K, V>(at: Below<K, V>, key: K, hash: number, shift: number): Below<K, V> | undefined {
  if (!('ways' in at)) return without(at, key);
  const bit = bitOf(hash, shift);
  const index = place(at.ways, bit);
  const left = take(at.below[index]!, key, hash, shift + levelBits);
  const below = left ? at.below.with(index, left) : at.below.toSpliced(index, 1);
  if (below.length === 0) return undefined;
  // A leaf stands as high as it can, so that the tree of few entries is small again.
  if (below.length === 1 && !('ways' in below[0]!)) return below[0];
  return { ways: left ? at.ways : at.ways & ~bit, below };
}

function* entriesBelow<K, V>(at: Below<K, V>): Generator<readonly [K, V]> {
  if ('ways' in at) for (const below of at.below) yield* entriesBelow(below);
  else for (let leaf: Leaf<K, V> | undefined = at; leaf; leaf = leaf.more) yield [leaf.key, leaf.value];
}

function entryOf<K, V>(first: Leaf<K, V>, key: K): Leaf<K, V> | undefined {
  let at: Leaf<K, V> | undefined = first;
  while (at && at.key !== key) at = at.more;
  return at;
}

/** The entries of one hash without a key; undefined when none is left. Not recursive: a list has no bound of its own. */
function without<K, V>(first: Leaf<K, V>, key: K): Leaf<K, V> | undefined {
  if (first.more === undefined) return first.key === key ? undefined : first;
  let rest: Leaf<K, V> | undefined;
  for (let at: Leaf<K, V> | undefined = first; at; at = at.more)
    if (at.key !== key) rest = { hash: at.hash, key: at.key, value: at.value, more: rest };
  return rest;
}

const bitOf = (hash: number, shift: number): number => 1 << ((hash >>> shift) & levelMask);

/** How many ways stand before this one. */
function place(ways: number, bit: number): number {
  let count = ways & (bit - 1);
  count -= (count >>> 1) & 0x55555555;
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** FNV-1a, 32 bits, over UTF-16 units, with its bits mixed so that the low ones depend on all. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
