/**
 * Issue 7, “Shown by”: in a network namespace whose nftables drop every datagram, three nodes find each other, stay whole,
 * and know of a `kill -9` about as soon as with datagrams; and datagrams are used again when they get through. Needs root.
 *
 * `07-udp-blocked.ts [seconds of staying whole]`; 30 by default.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OurProcesses } from '../../bench/gossip/our-processes.ts';
import { pause } from '../../bench/gossip/watched-cluster.ts';
import { claim } from './launcher.ts';

const inside = 'inside-the-namespace';
const wholeS = Number(process.argv[2] ?? 30);

if (process.argv[3] !== inside) {
  if (process.getuid?.() !== 0) {
    console.error('A network namespace can only be made by root: sudo npm exec …');
    process.exit(1);
  }
  const namespace = `caxton-${process.pid}`;
  execFileSync('ip', ['netns', 'add', namespace]);
  process.once('exit', () => execFileSync('ip', ['netns', 'delete', namespace]));
  execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  const args = ['netns', 'exec', namespace, process.execPath, process.argv[1]!, String(wholeS), inside];
  process.exit(spawnSync('ip', args, { stdio: 'inherit' }).status ?? 1);
}

const nft = (...words: string[]): string => execFileSync('nft', words, { encoding: 'utf8' });
nft('add', 'table', 'inet', 'caxton');
nft('add', 'chain', 'inet', 'caxton', 'input', '{ type filter hook input priority 0; policy accept; }');
nft('add', 'rule', 'inet', 'caxton', 'input', 'meta', 'l4proto', 'udp', 'counter', 'drop');
const dropped = (): number => Number(/packets (\d+)/.exec(nft('list', 'ruleset'))?.[1] ?? 0);

const home = mkdtempSync(join(tmpdir(), 'caxton-udp-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const names = ['node-1', 'node-2', 'node-3'] as const;
const cluster = await OurProcesses.make(join(home, 'cluster'), names, 'lan');
for (const name of names) cluster.start(name);
const startMs = performance.now();
await cluster.whole(60_000);
claim('three nodes find each other without a datagram', true, `${Math.round(performance.now() - startMs)} ms`);

await pause(5_000);
const sinceMs = performance.now();
const before = { dropped: dropped(), used: cluster.processorMs() };
await pause(wholeS * 1_000);
const wrong = cluster.wrongs(sinceMs);
claim(`for ${wholeS} s nobody is found unreachable`, wrong === 0, `${wrong} times`);
await cluster.whole(1_000);
const tried = dropped() - before.dropped;
claim(
  'datagrams are tried all the time, and dropped',
  tried > 0,
  `${(tried / wholeS / 3).toFixed(1)} a node and second`,
);
const used = [...cluster.processorMs()].map(([name, ms]) => (ms - before.used.get(name)!) / wholeS);
console.log(`     idle: ${used.map((ms) => `${ms.toFixed(1)} ‰`).join(', ')} of a core`);

for (const victim of ['node-3', 'node-2', 'node-1'] as const) {
  const atMs = performance.now();
  cluster.signal(victim, 'SIGKILL');
  const last = Math.max(...(await cluster.seenGone(victim, atMs, 30_000)));
  claim(`both others know that ${victim} is killed`, last < 4_000, `${last.toFixed(0)} ms`);
  cluster.start(victim);
  await cluster.whole(60_000);
}
claim('and whoever starts again is back', true);

// A node that is stopped keeps its links: only probes can find it out, and over links too.
const stopMs = performance.now();
cluster.signal('node-2', 'SIGSTOP');
const silent = Math.max(...(await cluster.seenGone('node-2', stopMs, 60_000)));
claim('a node that is stopped, whose links stand, is found out', true, `${(silent / 1_000).toFixed(1)} s`);
cluster.signal('node-2', 'SIGCONT');
await cluster.whole(60_000);

nft('flush', 'chain', 'inet', 'caxton', 'input');
nft('add', 'rule', 'inet', 'caxton', 'input', 'meta', 'l4proto', 'udp', 'counter', 'accept');
await pause(10_000);
const opened = dropped();
await pause(5_000);
claim('once datagrams get through they are used', dropped() - opened >= 15, `${dropped() - opened} in 5 s`);
await cluster.whole(1_000);
await cluster.end();
