/**
 * `npm run simulate -- --from 1 --to 100`: for each seed a hundred random fault schedules with all checkers. Stops at the
 * first that breaks a promise, with the schedule shrunk to what is needed and how to run it again.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { runSchedule, schedules } from './schedule.ts';

const { values } = parseArgs({
  options: { from: { type: 'string', default: '1' }, to: { type: 'string', default: '10' } },
});
const [from, to] = [Number(values.from), Number(values.to)];
const perSeed = 100;
const startedMs = performance.now();
for (let seed = from; seed <= to; seed++) {
  const result = fc.check(
    fc.property(schedules, (schedule) => void runSchedule(schedule)),
    { seed, numRuns: perSeed },
  );
  if (result.failed) {
    console.error(`seed ${seed}, path ${result.counterexamplePath}, shrunk ${result.numShrinks} times`);
    console.error(JSON.stringify(result.counterexample?.[0], undefined, 1));
    console.error(String(result.errorInstance));
    process.exit(1);
  }
  if (seed % 10 === 0 || seed === to) {
    const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
    console.log(`seeds ${from} to ${seed}: ${(seed - from + 1) * perSeed} schedules, all promises kept, ${seconds} s`);
  }
}
