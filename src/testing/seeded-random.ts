import type { Random } from '../actors/kernel/ports.ts';

export { seededRandom } from '../actors/kernel/node-random.ts';

/** A number in [0, 1), of 32 bits. */
export const drawPart = (random: Random): number => random.uint32() / 0x1_0000_0000;

/** True in about `probability` of all draws. 0 and 1 mean never and always, and every call draws exactly once. */
export const drawChance = (random: Random, probability: number): boolean => drawPart(random) < probability;
