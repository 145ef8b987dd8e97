import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runSchedule, schedules } from './schedule.ts';

// `npm run simulate -- --from 1 --to 100` runs ten thousand others.
test('a hundred random fault schedules break no promise', () => {
  fc.assert(
    fc.property(schedules, (schedule) => void runSchedule(schedule)),
    { seed: 20_261_128, numRuns: 100 },
  );
});

test('a schedule run again leaves the same trace, and another seed another', () => {
  const [schedule] = fc.sample(schedules, { seed: 7, numRuns: 1 });
  const again = { ...schedule!, size: 5, acts: [...schedule!.acts, { do: 'kill', at: 1 }] } as const;
  expect(runSchedule(again)).toBe(runSchedule(again));
  expect(runSchedule({ ...again, seed: again.seed + 1 })).not.toBe(runSchedule(again));
});
