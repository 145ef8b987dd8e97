import { describe, expect, it } from 'vitest';
import { type Bounds, search } from './model.ts';

/**
 * What can happen to three nodes, in all orders, as far as a test has the time: `test/acceptance/07-keys-search.ts` goes
 * further. In no state that is reached has a node gone back, has a minority advanced, does the evicted one hold a key
 * that was made after its eviction; and from each, once the faults stop, all others come to one key.
 */
const calm: Bounds = {
  nodes: 3,
  crashes: 0,
  diskLosses: 0,
  linkFailures: 0,
  losses: 0,
  rotations: 1,
  eviction: false,
};
const states = 1_000;

describe('all orders of what can happen to three nodes', () => {
  it.each<[string, Partial<Bounds>]>([
    ['an eviction in a rotation', { eviction: true }],
    ['a crash in a rotation, with or without the disk', { crashes: 1, diskLosses: 1 }],
    ['a link that fails in two rotations', { linkFailures: 1, rotations: 2 }],
    [
      'a lost message, a crash and a failed link in an eviction',
      { eviction: true, crashes: 1, linkFailures: 1, losses: 1 },
    ],
  ])('lock nobody out and let nobody in: %s', (_, bounds) => {
    const found = search({ ...calm, ...bounds }, Number.POSITIVE_INFINITY, states);
    expect(found.wrong).toBe(undefined);
    expect(found.states).toBeGreaterThanOrEqual(states);
  });
});
