import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';

test('timers fire by due time, then by the order in which they were set, each at its own time', () => {
  const clock = new ManualClock(1_000);
  const log: string[] = [];
  const at = (name: string, ms: number) => clock.setTimeout(() => log.push(`${name} ${clock.now()}`), ms);
  at('late', 30);
  at('first', 10);
  at('second', 10);
  clock.clearTimeout(at('cancelled', 10));
  clock.setTimeout(() => at('nested', 5), 10);
  clock.advance(20);
  expect(log).toEqual(['first 1010', 'second 1010', 'nested 1015']);
  expect([clock.now(), clock.monotonic(), clock.pending]).toEqual([1_020, 20, 1]);
  clock.jump(-500);
  clock.advance(10);
  expect(log.at(-1)).toBe('late 530');
  expect(clock.monotonic()).toBe(30);
});

test('advanceAsync lets promises settle between timers', async () => {
  const clock = new ManualClock();
  const log: number[] = [];
  const tick = async (): Promise<void> => {
    log.push(clock.monotonic());
    await Promise.resolve();
    clock.setTimeout(() => void tick(), 10);
  };
  void tick();
  await clock.advanceAsync(35);
  expect(log).toEqual([0, 10, 20, 30]);
  expect(clock.monotonic()).toBe(35);
});

test('advanceAsync goes on only when nothing is ready: however many turns it takes, and after reads of real files', async () => {
  const clock = new ManualClock();
  const log: string[] = [];
  const work = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    log.push(`turns at ${clock.monotonic()}`);
    const text = await readFile(new URL(import.meta.url), 'utf8');
    log.push(`${text.length > 0 ? 'read' : 'empty'} at ${clock.monotonic()}`);
  };
  clock.setTimeout(() => void work(), 10);
  clock.setTimeout(() => log.push(`later at ${clock.monotonic()}`), 11);
  await clock.advanceAsync(20);
  expect(log).toEqual(['turns at 10', 'read at 10', 'later at 11']);
});

test('advanceAsync goes on all the same beside what never ends', async () => {
  const clock = new ManualClock();
  let ended = false;
  const again = (): unknown => ended || setImmediate(again);
  again();
  await clock.advanceAsync(5);
  expect(clock.monotonic()).toBe(5);
  ended = true;
});

test('keeps its order with many timers, cancelled ones among them', () => {
  const clock = new ManualClock();
  const random = seededRandom(11);
  const expected: [number, number][] = [];
  const fired: [number, number][] = [];
  for (let order = 0; order < 5_000; order++) {
    const due = random.uint32() % 500;
    const timer = clock.setTimeout(() => fired.push([due, order]), due);
    if (random.uint32() % 4 > 0) clock.clearTimeout(timer);
    else expected.push([due, order]);
    clock.clearTimeout(-1);
  }
  expect(clock.pending).toBe(expected.length);
  expect(clock.nextInMs).toBe(Math.min(...expected.map(([due]) => due)));
  clock.advance(500);
  expect(fired).toEqual(expected.sort(([a, x], [b, y]) => a - b || x - y));
  expect([clock.pending, clock.nextInMs]).toEqual([0, undefined]);
});

test('timers without a delay that set each other end in an error and not never', () => {
  const clock = new ManualClock();
  const again = (): void => void clock.setTimeout(again, 0);
  again();
  expect(() => clock.advance(1)).toThrow(/time stands still/);
});

test('shows whole milliseconds of the day, as a real clock does', () => {
  const clock = new ManualClock(1_000);
  clock.advance(1.7);
  expect([clock.now(), clock.monotonic()]).toEqual([1_001, 1.7]);
});
