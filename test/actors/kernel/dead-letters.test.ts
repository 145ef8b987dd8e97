import { expect, test } from 'vitest';
import { DeadLetterOffice } from '../../../src/actors/kernel/dead-letters.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

test('counts all, keeps the newest in order', () => {
  const clock = new ManualClock(0);
  const metrics = createMetrics();
  const office = new DeadLetterOffice(clock, metrics, 3);
  expect(office.recent()).toEqual([]);
  for (let n = 0; n < 8; n += 1) {
    office.add('/node/a', n, n % 2 === 0 ? 'stopped' : 'unknown');
    clock.advance(10);
    expect(office.recent().map(({ message }) => message)).toEqual([n - 2, n - 1, n].filter((kept) => kept >= 0));
  }
  expect(office.count).toBe(8);
  expect(office.recent()[2]).toEqual({ at: 70, path: '/node/a', message: 7, reason: 'unknown' });
  expect(metrics.read().map(({ labels, value }) => [labels.reason, value])).toEqual([
    ['stopped', 4],
    ['unknown', 4],
  ]);
});
