import { expect, test } from 'vitest';
import { sendTo, setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import type { Ref } from '../../../src/actors/kernel/ref.ts';
import type { SlowTurnReport } from '../../../src/actors/kernel/slow-turns.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, until, worker } from './lab.ts';
import { manualSlices } from './probe.ts';

/** Tells itself for ever, and counts. */
const busy = (counts: Map<string, number>, name: string) =>
  fromHandler(({ ref }) => (message) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    ref.tell(message);
  });

test('a tenant with 10,000 busy actors takes no more turns than one with a single actor', async () => {
  const counts = new Map<string, number>();
  const slices = manualSlices();
  const { kernel } = lab({ defer: slices.defer });
  const tenant = (name: string, actors: number) =>
    one(
      name,
      Array.from({ length: actors }, (_, n) => worker(`w${n}`, busy(counts, name))),
      { group: name },
    );
  const started = kernel.start(one('node', [tenant('crowd', 10_000), tenant('single', 1)]));
  await until(() => slices.drain() === 0 && kernel.tree().length === 10_004);
  await started;
  for (const { path, kind } of kernel.tree()) if (kind === 'worker') kernel.ref(path).tell({ type: 'go' });
  for (let n = 0; n < 20; n += 1) slices.step();
  expect(counts.get('single')! / counts.get('crowd')!).toBeGreaterThan(0.95);
  expect(counts.get('single')! / counts.get('crowd')!).toBeLessThan(1.05);
});

test('a group’s weight is the number of its turns in a row', async () => {
  const counts = new Map<string, number>();
  const slices = manualSlices();
  const { kernel } = lab({ defer: slices.defer, weightOf: (group) => (group === 'big' ? 3 : Number.NaN) });
  // A child may have a group of its own; what names none belongs with its supervisor.
  const started = kernel.start(
    one('node', [
      one('t', [worker('big-1', busy(counts, 'big')), worker('big-2', busy(counts, 'big'))], { group: 'big' }),
      worker('small', busy(counts, 'small'), { group: 'small' }),
      worker('other', busy(counts, 'other')),
    ]),
  );
  await until(() => slices.drain() === 0 && kernel.tree().length === 6);
  await started;
  for (const path of ['/node/t/big-1', '/node/t/big-2', '/node/small', '/node/other'])
    kernel.ref(path).tell({ type: 'go' });
  for (let n = 0; n < 5; n += 1) slices.step();
  expect(Math.round((10 * counts.get('big')!) / counts.get('small')!)).toBe(30);
  expect(Math.round((10 * counts.get('other')!) / counts.get('small')!)).toBe(10);
});

test('a timer fires on time beside 300,000 ping-pongs', async () => {
  const { kernel } = lab({ clock: nodeClock });
  let rounds = 0;
  const pong = (to: string) =>
    fromHandler(() => () => {
      rounds += 1;
      if (rounds < 300_000) kernel.ref(to).tell({ type: 'ball' });
    });
  await kernel.start(one('node', [worker('ping', pong('/node/pong')), worker('pong', pong('/node/ping'))]));
  kernel.ref('/node/ping').tell({ type: 'ball' });
  const begin = performance.now();
  const late: number[] = [];
  const timer = setInterval(() => late.push(performance.now() - begin), 5);
  await until(() => rounds === 300_000, 20_000);
  clearInterval(timer);
  const gaps = late.map((at, n) => at - (late[n - 1] ?? 0));
  // A slice is 8 ms; a machine that others use as well may add to it.
  expect(gaps.length).toBeGreaterThan(2);
  expect(gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)]!).toBeLessThan(3 * limits.sliceMsMax);
  await kernel.stop();
});

test.each(['tell', 'sendTo'] as const)('a chain of 50,000 steps by %s does not overflow the stack', async (how) => {
  const { kernel } = lab({ clock: nodeClock });
  const length = how === 'tell' ? 50_000 : 500;
  const laps = 50_000 / length;
  let steps = 0;
  const next = (id: number): Ref => kernel.ref(`/node/w${(id + 1) % length}`);
  const byTell = fromHandler<{ type: string }, number>(({ input }) => {
    return (message) => {
      steps += 1;
      if (steps < 50_000) next(input).tell(message);
    };
  });
  const bySendTo = setup({
    types: { context: {} as { id: number }, events: {} as { type: 'go' }, input: {} as number },
  }).createMachine({
    context: ({ input }) => ({ id: input }),
    on: {
      go: {
        actions: sendTo(
          ({ context }) => {
            steps += 1;
            return sendTarget(steps < length * laps ? next(context.id) : kernel.ref('/node/nobody'));
          },
          { type: 'go' },
        ),
      },
    },
  });
  const logic = how === 'tell' ? byTell : bySendTo;
  await kernel.start(
    one(
      'node',
      Array.from({ length }, (_, n) => worker(`w${n}`, logic, { input: n, shutdown: 'brutal-kill' })),
    ),
  );
  kernel.ref('/node/w0').tell({ type: 'go' });
  await until(() => steps === 50_000, 20_000);
  await kernel.stop();
});

test('a slow turn is reported with its actor’s path, once a minute for each actor', async () => {
  const reports: SlowTurnReport[] = [];
  const { kernel, clock, metrics } = lab({ onSlowTurn: (report) => reports.push(report) });
  const slow = fromHandler<{ type: string; ms: number }>(
    () =>
      ({ ms }) =>
        clock.advance(ms),
  );
  await kernel.start(one('node', [worker('a', slow), worker('b', slow)]));
  const turn = async (id: string, ms: number): Promise<void> => {
    kernel.ref<{ type: string; ms: number }>(`/node/${id}`).tell({ type: 'x', ms });
    await until(() => kernel.tree().every(({ waiting }) => waiting === 0));
  };
  await turn('a', limits.slowTurnMs - 1);
  expect(reports).toEqual([]);
  await turn('a', limits.slowTurnMs);
  await turn('a', 500);
  await turn('b', 150);
  expect(reports).toEqual([
    { path: '/node/a', ms: limits.slowTurnMs },
    { path: '/node/b', ms: 150 },
  ]);
  clock.advance(limits.slowTurnReportMs);
  await turn('a', 200);
  expect(reports).toHaveLength(3);
  expect(metrics.read()).toContainEqual({ name: 'caxton_slow_turns_total', kind: 'counter', labels: {}, value: 4 });
  await kernel.stop();
});
