const smallest = 8;
/** A ring that grew past this gives its memory back once it is empty. */
const keptSlots = 64;

/** A first-in first-out queue on an array that grows by doubling; empty ones hold no array at all. */
export class Ring<T> {
  #slots: (T | undefined)[] | undefined;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    let slots = this.#slots;
    if (slots === undefined) {
      slots = new Array<T | undefined>(smallest);
      this.#slots = slots;
    } else if (this.#length === slots.length) slots = this.#grow(slots);
    // The capacity is a power of two, so the mask is the remainder.
    slots[(this.#head + this.#length) & (slots.length - 1)] = item;
    this.#length += 1;
  }

  /** The oldest, or `undefined` when empty. */
  shift(): T | undefined {
    const slots = this.#slots;
    if (slots === undefined || this.#length === 0) return undefined;
    const item = slots[this.#head];
    slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (slots.length - 1);
    this.#length -= 1;
    if (this.#length === 0) {
      this.#head = 0;
      if (slots.length > keptSlots) this.#slots = undefined;
    }
    return item;
  }

  /** Whether this very item is in it. */
  has(wanted: T): boolean {
    for (let at = 0; at < this.#length; at += 1) {
      if (this.#slots?.[(this.#head + at) & (this.#slots.length - 1)] === wanted) return true;
    }
    return false;
  }

  /** Takes out every unwanted item, keeping the order of the others; whether there was one. */
  withdraw(unwanted: (item: T) => boolean): boolean {
    let found = false;
    for (let left = this.#length; left > 0; left -= 1) {
      const item = this.shift();
      if (item === undefined) continue;
      if (unwanted(item)) found = true;
      else this.push(item);
    }
    return found;
  }

  #grow(slots: (T | undefined)[]): (T | undefined)[] {
    const grown = new Array<T | undefined>(slots.length * 2);
    for (let at = 0; at < this.#length; at += 1) grown[at] = slots[(this.#head + at) & (slots.length - 1)];
    this.#slots = grown;
    this.#head = 0;
    return grown;
  }
}
