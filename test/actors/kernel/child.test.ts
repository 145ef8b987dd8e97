import { expect, test } from 'vitest';
import { ChartShelf } from '../../../src/actors/kernel/chart-shelf.ts';
import { Child, type Notice } from '../../../src/actors/kernel/child.ts';
import { DeadLetterOffice } from '../../../src/actors/kernel/dead-letters.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { seededRandom } from '../../../src/actors/kernel/node-random.ts';
import { Registry } from '../../../src/actors/kernel/registry.ts';
import type { Runtime } from '../../../src/actors/kernel/runtime.ts';
import { Scheduler } from '../../../src/actors/kernel/scheduler.ts';
import { Suspensions } from '../../../src/actors/kernel/suspensions.ts';
import { Worker } from '../../../src/actors/kernel/worker.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { polite, settle, worker } from './lab.ts';

/** A child whose owner hears its notices only when the test hands them on, so that news can come late. */
function lonely(log: string[]) {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const deadLetters = new DeadLetterOffice(clock, metrics);
  const runtime: Runtime = {
    clock,
    metrics,
    random: seededRandom(1),
    deadLetters,
    suspensions: new Suspensions(),
    shelf: new ChartShelf(clock, metrics, (path) => runtime.registry.ref(path), undefined),
    scheduler: new Scheduler(clock, { later: (slice) => void setImmediate(slice) }),
    registry: new Registry(deadLetters),
    tap: () => undefined,
    restarted: () => {},
    overran: () => {},
    bear: (spec, place, incarnation, parent) => {
      if (spec.kind !== 'worker') throw new Error('only workers here');
      return new Worker(runtime, spec, place, incarnation, parent);
    },
  };
  const notices: Notice[] = [];
  const spec = worker('a', polite('a', log));
  return { child: new Child(runtime, spec, '/node', { notice: (notice) => notices.push(notice) }), notices };
}

test('news of the end of an earlier life does not touch the present one', async () => {
  const log: string[] = [];
  const { child, notices } = lonely(log);
  expect(await child.start()).toBeUndefined();
  child.occupant?.crash(new Error('first'));
  const [stale] = notices;
  if (stale?.type !== 'kernel.child-ended') throw new Error('no notice');
  expect(child.ended(stale.occupant, stale.exit)).toBe(true);
  await child.start();
  // The same news again: a duplicate, as two siblings that crash together could produce.
  expect(child.ended(stale.occupant, stale.exit)).toBe(false);
  expect(child.occupant?.incarnation).toBe(2);
  expect(child.occupant?.phase).toBe('running');
});

test('an order to stop that came after the end, but before its news, does not stop the next life', async () => {
  const log: string[] = [];
  const { child, notices } = lonely(log);
  await child.start();
  child.occupant?.crash(new Error('first'));
  const gone = child.stop();
  const [news] = notices;
  if (news?.type !== 'kernel.child-ended') throw new Error('no notice');
  expect(child.ended(news.occupant, news.exit)).toBe(false);
  await gone;
  await child.start();
  await settle();
  expect(child.occupant?.phase).toBe('running');
  expect(log).toEqual(['start a', 'start a']);
});

test('a stop asked for twice is one stop', async () => {
  const { child, notices } = lonely([]);
  await child.start();
  const stops = [child.stop(), child.stop()];
  expect(stops[0]).toBe(stops[1]);
  await settle();
  expect(notices.map((notice) => notice.type)).toEqual(['kernel.child-ended']);
});
