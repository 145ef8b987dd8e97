import { expect, test } from 'vitest';
import { partitionMode } from '../../../src/protocols/swim/partition.ts';

test.each([
  [1, 1, 'majority'],
  [1, 2, 'isolated'],
  [2, 2, 'majority'],
  [1, 3, 'isolated'],
  [2, 3, 'majority'],
  [2, 4, 'minority'],
  [2, 5, 'minority'],
  [3, 5, 'majority'],
])('%i reachable of %i expected is %s', (reachable, expected, mode) => {
  expect(partitionMode(reachable, expected)).toBe(mode);
});
