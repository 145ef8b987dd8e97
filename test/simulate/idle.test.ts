import { expect, test } from 'vitest';
import { runIdle } from './idle.ts';

test.each([
  [1, 0],
  [2, 0.01],
])('a cluster that idles finds nobody dead or unreachable (seed %i, %f of the datagrams lost)', (seed, loss) => {
  const { wronged, datagrams } = runIdle({ members: 64, minutes: 3, loss, seed });
  expect(wronged).toBe(0);
  expect(datagrams).toBeGreaterThan(64 * 2 * 170);
});
