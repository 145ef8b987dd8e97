/**
 * `npm run simulate -- --from 1 --to 100`: for each seed a hundred random fault schedules with all checkers. Stops at the
 * first that breaks a promise, with the schedule shrunk to what is needed and how to run it again.
 *
 * `npm run simulate -- --idle 60`: an hour of a cluster of 128 in which nothing happens but that a hundredth of the
 * datagrams is lost. Fails when anybody is found dead or unreachable.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { runIdle } from './idle.ts';
import { runSchedule, schedules } from './schedule.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: '10' },
    /** Minutes of virtual time. */
    idle: { type: 'string' },
  },
});
if (values.idle !== undefined) {
  const idled = runIdle({ members: 128, minutes: Number(values.idle), loss: 0.01, seed: Number(values.from) });
  console.log(`${values.idle} minutes of idling, 128 members, 1 % lost: ${JSON.stringify(idled)}`);
  process.exit(idled.wronged === 0 ? 0 : 1);
}
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
