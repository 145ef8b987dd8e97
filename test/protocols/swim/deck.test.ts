import { expect, test } from 'vitest';
import { seededChance } from '../../../src/protocols/swim/chance.ts';
import { ArrayDeck, drawFrom } from '../../../src/protocols/swim/deck.ts';

test('drawing from every start on keeps everybody and puts each everywhere', () => {
  const chance = seededChance(3);
  const deck = new ArrayDeck<number>();
  for (const item of [0, 1, 2, 3, 4]) deck.push(item);
  const seen = Array.from({ length: 5 }, () => new Array<number>(5).fill(0));
  for (let round = 0; round < 1_000; round++) {
    const drawn = [0, 1, 2, 3, 4].map((start) => drawFrom(deck, chance, start));
    expect([...drawn].sort()).toEqual([0, 1, 2, 3, 4]);
    for (const [place, item] of drawn.entries()) seen[item]![place]!++;
  }
  for (const count of seen.flat()) expect(Math.abs(count - 200)).toBeLessThan(60);
});
