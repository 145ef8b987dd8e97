import { expect, test } from 'vitest';
import { drawBelow, drawUint32, seededChance } from '../../../src/protocols/swim/chance.ts';

test('the same seed draws the same numbers, another seed others', () => {
  const draw = (seed: number) => {
    const chance = seededChance(seed);
    return Array.from({ length: 20 }, () => drawUint32(chance));
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test('draws are spread evenly below the bound', () => {
  const chance = seededChance(1);
  const counts = new Array<number>(8).fill(0);
  for (let draw = 0; draw < 8_000; draw++) counts[drawBelow(chance, 8)]!++;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});
