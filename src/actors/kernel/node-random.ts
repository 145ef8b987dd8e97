import { randomFillSync } from 'node:crypto';
import type { Random } from './ports.ts';

const poolWords = 256;
const pool = new Uint32Array(poolWords);
let taken = poolWords;

/** Chance from the operating system’s generator, drawn 1 KiB at a time because a call costs more than the bytes. */
export const nodeRandom: Random = {
  uint32() {
    if (taken === poolWords) {
      randomFillSync(pool);
      taken = 0;
    }
    const word = pool[taken] ?? 0;
    taken += 1;
    return word;
  },
};

/**
 * Chance that repeats: the same seed gives the same numbers, so that a run can be told again from its seed.
 * xoshiro128** (Blackman and Vigna, 2018), its state filled from the seed by SplitMix32, which never yields the
 * all-zero state that the generator could not leave.
 */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const splitMix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = splitMix();
  let b = splitMix();
  let c = splitMix();
  let d = splitMix();
  return {
    uint32() {
      const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = rotateLeft(d, 11);
      return result;
    },
  };
}

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
