/**
 * `npm run bench:gossip:processes`: real nodes beside real agents of serf, for about ten minutes, and what one core does with
 * datagrams; writes bench/RESULTS-GOSSIP-PROCESSES.md. `--quick` proves that it runs. Without serf it says so and does
 * the rest.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine } from '../runner/machine.ts';
import { type Report, reportText } from '../runner/report.ts';
import { spreadOf } from '../runner/statistics.ts';
import { type Table, verdict } from '../runner/table.ts';
import { type BesideSerfPlan, besideSerf, besideSerfTable } from './beside-serf.ts';
import { datagramTable } from './datagrams.ts';
import { serfVersion } from './serf-processes.ts';

const words = process.argv.slice(2);
const unknown = words.filter((word) => word !== '--quick');
if (unknown.length > 0) {
  console.error(`not understood: ${unknown.join(' ')}; there is --quick`);
  process.exit(2);
}
const quick = words.includes('--quick');

const plan: BesideSerfPlan = quick
  ? { members: 4, rounds: 1, stops: 1, stopMs: 8_000, starvedMs: 3_000, idleMs: 3_000, idleRestMs: 0, profile: 'lan' }
  : {
      members: 10,
      rounds: 9,
      stops: 5,
      stopMs: 15_000,
      starvedMs: 120_000,
      idleMs: 60_000,
      idleRestMs: 60_000,
      profile: 'lan',
    };

async function besideSerfTables(): Promise<readonly Table[]> {
  const version = serfVersion();
  if (version === undefined) {
    console.error('serf is not installed (apt-get install serf): its table is left out');
    return [];
  }
  const found = await besideSerf(plan, (text) => console.error(text));
  const table = besideSerfTable(plan, found, `serf ${version}`);
  const [ours, serf] = found.kills.last.map((all) => spreadOf(all));
  const reached = ours!.max <= 2_000 && ours!.median <= serf!.median / 3;
  const shown = `${(ours!.median / 1_000).toFixed(2)} and ${(serf!.median / 1_000).toFixed(2)} s, at worst ${(ours!.max / 1_000).toFixed(2)} s`;
  const goal = 'every survivor of a kill knows within 2 s and a third of serf’s time';
  return [{ ...table, after: [...table.after, verdict(goal, reached, shown)] }];
}

const head = machine();
const report: Report = {
  title: 'bench/gossip: real processes',
  about: ['Whole nodes, as `caxton server start` starts them, on loopback.'],
  tables: [...(await besideSerfTables()), await datagramTable(quick ? 2 : 9)],
};
const text = reportText(report);
const results = `# The gossip of real processes

Written by \`npm run bench:gossip:processes\`: no figure here was typed.

${head.map((line) => `- ${line}`).join('\n')}

${text}`;
console.log(text);
if (!quick) writeFileSync(join(import.meta.dirname, '..', 'RESULTS-GOSSIP-PROCESSES.md'), results);
