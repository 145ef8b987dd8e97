import { type Chance, drawBelow } from './chance.ts';

/** Items in an order without meaning, to be drawn at random. */
export interface Deck<T> {
  readonly size: number;
  at(index: number): T;
  swap(a: number, b: number): void;
  /** Adds at the end. */
  push(item: T): void;
}

/** A deck in an array. */
export class ArrayDeck<T> implements Deck<T> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  at(index: number): T {
    return this.#items[index]!;
  }

  swap(a: number, b: number): void {
    const held = this.#items[a]!;
    this.#items[a] = this.#items[b]!;
    this.#items[b] = held;
  }

  push(item: T): void {
    this.#items.push(item);
  }
}

/** Draws one of the items from `start` on; it then stands at `start`. Done for every start, this is a shuffle. */
export function drawFrom<T>(deck: Deck<T>, chance: Chance, start: number): T {
  deck.swap(start, start + drawBelow(chance, deck.size - start));
  return deck.at(start);
}
