/**
 * Issue 7, “Measures”, with real processes: ten nodes beside ten `serf` agents (Debian’s; LAN profile, encrypted) on one
 * machine, to one of each of which the same happens in the same moment: `kill -9`, `SIGSTOP`, and to all of them too
 * little processor time. Ours are to know within 2 s and a third of serf’s time, and to be wrong about nobody.
 *
 * `07-serf.ts [rounds] [seconds of starvation] [profile]`; 5 rounds, 60 s and `lan` by default.
 */
import { besideSerf, besideSerfTable } from '../../bench/gossip/beside-serf.ts';
import { serfVersion } from '../../bench/gossip/serf-processes.ts';
import { spreadOf } from '../../bench/runner/statistics.ts';
import { markdown } from '../../bench/runner/table.ts';
import { claim } from './launcher.ts';

const [rounds = 5, starvedS = 60] = process.argv.slice(2, 4).map(Number);
const profile = process.argv[4] === 'local' ? 'local' : 'lan';
const version = serfVersion();
if (version === undefined) {
  console.error('serf is not installed: apt-get install serf');
  process.exit(1);
}
const plan = {
  members: 10,
  rounds,
  stops: Math.min(3, rounds),
  stopMs: 15_000,
  starvedMs: starvedS * 1_000,
  idleMs: 20_000,
  idleRestMs: 60_000,
  profile,
} as const;
const found = await besideSerf(plan, (text) => console.log(text));
console.log(`\n${markdown(besideSerfTable(plan, found, `serf ${version}`))}`);
const [ours, serf] = found.kills.last.map((all) => spreadOf(all));
const { kills, stops, starved } = found.wrongs;
const wrong = [...kills[0], ...stops[0], ...starved[0]].reduce((total, one) => total + one, 0);
claim('all survivors of a kill know within 2 s', ours!.max <= 2_000, `${ours!.max.toFixed(0)} ms at worst`);
claim(
  'within a third of serf’s time',
  ours!.median <= serf!.median / 3,
  `${ours!.median.toFixed(0)} and ${serf!.median.toFixed(0)} ms`,
);
claim('nobody who lived was found dead or unreachable', wrong === 0, `${wrong} times`);
