import { expect, test } from 'vitest';
import { DeadLetterOffice, type DeadLetterReport } from '../../../src/actors/kernel/dead-letters.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { limits } from '../../../src/limits.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

test('counts all, keeps the newest in order', () => {
  const clock = new ManualClock(0);
  const metrics = createMetrics();
  const office = new DeadLetterOffice(clock, metrics, undefined, 3);
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

test('the first ten of a reason are logged, then a pause; what came in it is told as a number', () => {
  const clock = new ManualClock(0);
  const reports: DeadLetterReport[] = [];
  const office = new DeadLetterOffice(clock, createMetrics(), (report) => reports.push(report));
  const { deadLettersLoggedMax: logged, deadLettersPauseMs: pause } = limits;
  for (let n = 0; n < logged + 25; n += 1) office.add('/node/a', n, 'stopped');
  expect(reports.map((report) => report.kind === 'letter' && report.last)).toEqual([
    ...Array.from({ length: logged - 1 }, () => false),
    true,
  ]);
  // Another reason has lines of its own.
  office.add('/node/b', 0, 'unknown');
  expect(reports).toHaveLength(logged + 1);
  clock.advance(pause - 1);
  office.add('/node/a', 0, 'stopped');
  expect(reports).toHaveLength(logged + 1);
  clock.advance(1);
  office.add('/node/a', 0, 'stopped');
  expect(reports.slice(-2)).toEqual([
    { kind: 'suppressed', reason: 'stopped', count: 26 },
    { kind: 'letter', path: '/node/a', reason: 'stopped', last: false },
  ]);
  expect(office.count).toBe(logged + 25 + 3);
  expect([...office.byReason()]).toEqual([
    ['stopped', logged + 27],
    ['unknown', 1],
  ]);
});

test('a log that throws fails nobody', () => {
  const office = new DeadLetterOffice(new ManualClock(), createMetrics(), () => {
    throw new Error('disk full');
  });
  office.add('/node/a', {}, 'stopped');
  expect(office.count).toBe(1);
});
