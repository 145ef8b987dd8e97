/**
 * Seeded chance: the same seed gives the same choices, so a run of the rules can be replayed from its inputs.
 * For shuffling and jitter only, never for secrets.
 */
export interface Chance {
  word: number;
}

/** A generator that starts from any integer; only its low 32 bits count. */
export const seededChance = (seed: number): Chance => ({ word: seed | 0 });

/** Uniform in [0, 2^32): a Weyl sequence through the finaliser of MurmurHash3 (the shape of SplitMix). */
export function drawUint32(chance: Chance): number {
  chance.word = (chance.word + 0x9e3779b9) | 0;
  let mixed = chance.word;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A whole number in [0, bound), for a bound of at least 1. */
export const drawBelow = (chance: Chance, bound: number): number =>
  Math.floor((drawUint32(chance) / 0x1_0000_0000) * bound);
