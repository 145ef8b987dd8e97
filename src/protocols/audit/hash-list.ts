const hashBytes = 32;
const smallest = 64;

/**
 * Hashes of 32 bytes, one after the other in one piece of memory: an object for each costs eight times as much, and the
 * log keeps those of its newest records. Older ones are dropped from the front.
 */
export class HashList {
  #bytes = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Throws for anything but 32 bytes. */
  push(hash: Uint8Array): void {
    if (hash.length !== hashBytes) throw new RangeError(`A hash has ${hashBytes} bytes, not ${hash.length}.`);
    const end = this.#length * hashBytes;
    if (end === this.#bytes.length) {
      const grown = new Uint8Array(Math.max(smallest * hashBytes, 2 * end));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(hash, end);
    this.#length += 1;
  }

  /** A copy of the hash at this index; throws where none is. */
  at(index: number): Uint8Array {
    if (!(index >= 0 && index < this.#length)) throw new RangeError(`There is no hash ${index} of ${this.#length}.`);
    return this.#bytes.slice(index * hashBytes, (index + 1) * hashBytes);
  }

  /** Copies of the hashes from one index to before another. */
  slice(from: number, to: number): HashList {
    const part = new HashList();
    part.#bytes = this.#bytes.slice(from * hashBytes, to * hashBytes);
    part.#length = part.#bytes.length / hashBytes;
    return part;
  }

  /** Drops so many of the oldest. */
  drop(count: number): void {
    this.#bytes.copyWithin(0, count * hashBytes, this.#length * hashBytes);
    this.#length -= count;
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let index = 0; index < this.#length; index += 1) yield this.at(index);
  }
}
