import { expect, test } from 'vitest';
import {
  adjustAwareness,
  createAwareness,
  failedProbePenalty,
  stretched,
} from '../../../src/protocols/swim/awareness.ts';

test('a healthy node keeps its times', () => {
  expect(stretched(createAwareness(8), 500)).toBe(500);
});

test('the score stretches times and stays between 0 and its maximum', () => {
  const awareness = createAwareness(8);
  adjustAwareness(awareness, -1);
  expect(awareness.score).toBe(0);
  adjustAwareness(awareness, 2);
  expect(stretched(awareness, 500)).toBe(1_500);
  adjustAwareness(awareness, 100);
  expect(awareness.score).toBe(8);
});

test.each([
  [3, 3, 0],
  [3, 1, 2],
  [0, 0, 1],
])('with %i middlemen and %i nacks a failed probe costs %i', (expected, received, penalty) => {
  expect(failedProbePenalty(expected, received)).toBe(penalty);
});
