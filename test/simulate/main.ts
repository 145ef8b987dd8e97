/**
 * `npm run simulate -- --from 1 --to 100`: for each seed a hundred random fault schedules with all checkers. Stops at the
 * first that breaks a promise, with the schedule shrunk to what is needed and how to run it again.
 *
 * `npm run simulate -- --idle 60`: an hour of a cluster of 128 in which nothing happens but that a hundredth of the
 * datagrams is lost. Fails when anybody is found dead or unreachable.
 *
 * With `--nodes` one schedule for each seed, on complete nodes. `--schedule FILE` runs one again, as it was printed, and
 * prints its trace.
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { runIdle } from './idle.ts';
import { type NodeSchedule, nodeSchedules } from './nodes/acts.ts';
import { type Outcome, runNodeSchedule } from './nodes/run.ts';
import { runSchedule, schedules } from './schedule.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    to: { type: 'string', default: '10' },
    /** Minutes of virtual time. */
    idle: { type: 'string' },
    nodes: { type: 'boolean', default: false },
    schedule: { type: 'string' },
    'shrink-minutes': { type: 'string', default: '20' },
  },
});
if (values.idle !== undefined) {
  const idled = runIdle({ members: 128, minutes: Number(values.idle), loss: 0.01, seed: Number(values.from) });
  console.log(`${values.idle} minutes of idling, 128 members, 1 % lost: ${JSON.stringify(idled)}`);
  process.exit(idled.wronged === 0 ? 0 : 1);
}
const [from, to] = [Number(values.from), Number(values.to)];
const startedMs = performance.now();
const seconds = (sinceMs: number): string => ((performance.now() - sinceMs) / 1_000).toFixed(1);

/** Nothing that a node began may fail where nobody hears of it. */
const unheard: unknown[] = [];
process.on('unhandledRejection', (error) => void unheard.push(error));
process.on('uncaughtException', (error) => void unheard.push(error));

async function runNodes(schedule: NodeSchedule): Promise<Outcome> {
  unheard.length = 0;
  const outcome = await runNodeSchedule(schedule);
  if (unheard.length > 0) throw new Error('a promise was rejected and nobody heard of it', { cause: unheard[0] });
  return outcome;
}

function fail<S>(seed: number, result: fc.RunDetails<[schedule: S]>): never {
  console.error(`seed ${seed}, path ${result.counterexamplePath}, shrunk ${result.numShrinks} times`);
  console.error(JSON.stringify(result.counterexample?.[0], undefined, 1));
  console.error((result.errorInstance as Error).stack);
  if (values.nodes) console.error('Put the schedule into a file, and --schedule FILE runs it again with its trace.');
  process.exit(1);
}

function simulateRules(): void {
  const perSeed = 100;
  for (let seed = from; seed <= to; seed++) {
    const property = fc.property(schedules, (schedule) => void runSchedule(schedule));
    const result = fc.check(property, { seed, numRuns: perSeed });
    if (result.failed) fail(seed, result);
    if (seed % 10 === 0 || seed === to) {
      const count = (seed - from + 1) * perSeed;
      console.log(`seeds ${from} to ${seed}: ${count} schedules, all promises kept, ${seconds(startedMs)} s`);
    }
  }
}

async function simulateNodes(): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    const beganMs = performance.now();
    let failedMs: number | undefined;
    let told = '';
    const property = fc.asyncProperty(nodeSchedules, async (schedule) => {
      // A schedule takes seconds: what was shrunk for so long is printed as it is.
      if (failedMs !== undefined && performance.now() - failedMs > Number(values['shrink-minutes']) * 60_000) return;
      try {
        const outcome = await runNodes(schedule);
        told = `${schedule.size} nodes, ${line(outcome)}`;
      } catch (error) {
        if (failedMs === undefined) console.error(`seed ${seed} fails, and is shrunk now: ${String(error)}`);
        failedMs ??= performance.now();
        throw error;
      }
    });
    const result = await fc.check(property, { seed, numRuns: 1 });
    if (result.failed) fail(seed, result);
    console.log(`seed ${seed}: ${told}, ${seconds(beganMs)} s`);
  }
  console.log(`seeds ${from} to ${to}: all promises kept, ${seconds(startedMs)} s`);
}

const line = ({ virtualMs, asked, answered, hash }: Outcome): string =>
  `${(virtualMs / 1_000).toFixed(0)} s of virtual time, ${asked} asked, ${answered} answered, trace ${hash.slice(0, 16)}`;

async function repeat(file: string): Promise<void> {
  const schedule = JSON.parse(await readFile(file, 'utf8')) as NodeSchedule;
  try {
    const outcome = await runNodes(schedule);
    console.log(outcome.trace.join('\n'));
    console.error(`all promises kept: ${line(outcome)}`);
  } catch (error) {
    console.log(((error as { trace?: readonly string[] }).trace ?? []).join('\n'));
    console.error((error as Error).stack);
    process.exitCode = 1;
  }
}

if (values.schedule !== undefined) await repeat(values.schedule);
else if (values.nodes) await simulateNodes();
else simulateRules();
