/**
 * A map that keeps what was used last, in bounded room: two plain maps, a young and an old one. When the young one is
 * full it becomes the old one, and what the old one held goes; whatever is used moves back among the young. So at least
 * `keptMin` and at most twice as many entries are kept, at the cost of a plain map. An LRU list keeps exactly as many
 * as it is told to, for three times the time; here nobody needs that.
 */
export class RecentMap<V> {
  readonly #keptMin: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  /** `keptMin`: the entries used last that are certain to be kept. */
  constructor(keptMin: number) {
    this.#keptMin = keptMin;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#old.delete(key);
    this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#keptMin && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
    if (this.#old.size > 0) this.#old.delete(key);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
