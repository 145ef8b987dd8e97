import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type NodeAct, type NodeSchedule, nodeSchedules } from './acts.ts';
import { runNodeSchedule } from './run.ts';

// `npm run simulate -- --nodes --from 1 --to 100` runs others, of up to thirty nodes.
const few = 8;
/** They compute for seconds, on a machine that does other things for several times as long. */
const timeout = 90_000;
const drawn = (seed: number): NodeSchedule => {
  const [schedule] = fc.sample(nodeSchedules, { seed, numRuns: 1 });
  return { ...schedule!, size: 3 + (seed % 2), profile: 'local', acts: schedule!.acts.slice(0, few) };
};

test.each([1, 2, 3])(
  'complete nodes keep their promises through random faults (seed %i)',
  { timeout },
  async (seed) => {
    const { asked, answered, claims } = await runNodeSchedule(drawn(seed));
    expect(asked).toBeGreaterThan(50);
    expect(answered).toBeGreaterThan(0.3 * asked);
    expect(claims).toBeGreaterThan(20);
  },
);

test('a schedule run again leaves the same trace, and another seed another', { timeout }, async () => {
  const acts: readonly NodeAct[] = [
    { do: 'weather', loss: 0.05, duplication: 0.05, reordering: 0.05 },
    { do: 'renew', at: 1 },
    { do: 'cut-power', at: 1 },
    { do: 'move', at: 2, agent: 0 },
    { do: 'wait', ms: 3_000 },
    { do: 'start', at: 1 },
  ];
  const schedule: NodeSchedule = { size: 3, seed: 7, profile: 'local', byCaNode: true, scattersWrites: true, acts };
  const [first, again] = [await runNodeSchedule(schedule), await runNodeSchedule(schedule)];
  expect(again.trace).toEqual(first.trace);
  expect(again.hash).toBe(first.hash);
  expect((await runNodeSchedule({ ...schedule, seed: 8 })).hash).not.toBe(first.hash);
});
