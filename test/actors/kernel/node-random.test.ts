import { expect, test } from 'vitest';
import { nodeRandom, seededRandom } from '../../../src/actors/kernel/node-random.ts';
import type { Random } from '../../../src/actors/kernel/ports.ts';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.uint32());

test.each([
  ['the operating system’s', nodeRandom],
  ['a seeded one', seededRandom(42)],
  ['seed zero', seededRandom(0)],
])('%s: every bit is set about half the time, and numbers do not repeat', (_name, random) => {
  const numbers = draw(random, 4_096);
  expect(numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32)).toBe(true);
  for (let bit = 0; bit < 32; bit += 1) {
    const set = numbers.filter((n) => (n >>> bit) & 1).length;
    // Six standard deviations of 32 each side.
    expect(Math.abs(set - 2_048)).toBeLessThan(192);
  }
  expect(new Set(numbers).size).toBeGreaterThan(4_085);
});

test('the same seed gives the same numbers, another seed others', () => {
  expect(draw(seededRandom(7), 50)).toEqual(draw(seededRandom(7), 50));
  expect(draw(seededRandom(7), 50)).not.toEqual(draw(seededRandom(8), 50));
});

test('follows the published xoshiro128** step', () => {
  // The algorithm written out a second time, with 64-bit integers.
  const mask = 0xffff_ffffn;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & mask;
  let mix = 99n;
  const splitMix = () => {
    mix = (mix + 0x9e3779b9n) & mask;
    let z = mix;
    z = ((z ^ (z >> 16n)) * 0x85ebca6bn) & mask;
    z = ((z ^ (z >> 13n)) * 0xc2b2ae35n) & mask;
    return z ^ (z >> 16n);
  };
  const s = [splitMix(), splitMix(), splitMix(), splitMix()] as [bigint, bigint, bigint, bigint];
  const expected = Array.from({ length: 100 }, () => {
    const result = (rotate((s[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (s[1] << 9n) & mask;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11n);
    return Number(result);
  });
  expect(draw(seededRandom(99), 100)).toEqual(expected);
});
