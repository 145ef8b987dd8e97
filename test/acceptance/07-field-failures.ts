/**
 * Issue 7, “Shown by”: what has broken clusters in the field, done to five nodes, each a process, all of whose traffic
 * runs through a relay that can cut the way from one to another: a partition of more than a minute heals, a way that is
 * cut in one direction only makes nobody dead who can be reached, a node comes back under its name at another address, all
 * are killed at once and start again without their seeds.
 *
 * `07-field-failures.ts [seconds of the partition]`; 75 by default.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OurProcesses } from '../../bench/gossip/our-processes.ts';
import { pause } from '../../bench/gossip/watched-cluster.ts';
import { claim } from './launcher.ts';
import { PairRelay } from './pair-relay.ts';

const partitionS = Number(process.argv[2] ?? 75);
const home = mkdtempSync(join(tmpdir(), 'caxton-field-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const names = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
const cluster = await OurProcesses.make(join(home, 'cluster'), names, 'lan');
const relay = new PairRelay(names.map((name) => ({ name, pid: () => cluster.pid(name), port: cluster.port(name) })));
await relay.open();
// All join by the first alone.
for (const name of names)
  cluster.configure(name, {
    advertise: relay.address(name),
    join: name === 'node-1' ? [] : [relay.address('node-1')],
    expected_size: names.length,
  });
for (const name of names) cluster.start(name);
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const timed = async (act: () => Promise<unknown>): Promise<string> => {
  const startMs = performance.now();
  await act();
  return seconds(performance.now() - startMs);
};
claim('five nodes are whole', true, await timed(() => cluster.whole(60_000)));
await pause(5_000);

const few = ['node-4', 'node-5'];
const many = names.filter((name) => !few.includes(name));
let sinceMs = performance.now();
for (const one of few)
  for (const other of many) {
    relay.cut(one, other);
    relay.cut(other, one);
  }
await Promise.all(few.map((name) => cluster.seenGoneBy(many, name, sinceMs, 60_000)));
await Promise.all(many.map((name) => cluster.seenGoneBy(few, name, sinceMs, 60_000)));
claim('each side finds the other gone', true, seconds(performance.now() - sinceMs));
await pause(Math.max(0, partitionS * 1_000 - (performance.now() - sinceMs)));
relay.heal();
claim(`a partition of ${partitionS} s heals by itself`, true, await timed(() => cluster.whole(120_000)));
await pause(5_000);

sinceMs = performance.now();
relay.cut('node-2', 'node-3');
await pause(30_000);
// Neither can use the other, and each says so of itself; but others reach both, so nobody dies of it.
const dead = cluster.sightings.filter(({ atMs, status }) => atMs >= sinceMs && status === 'dead');
claim('a way cut in one direction, between two, makes nobody dead', dead.length === 0, `${dead.length} times`);
relay.heal();
claim('and is forgotten once it is mended', true, await timed(() => cluster.whole(120_000)));

sinceMs = performance.now();
for (const other of names.filter((name) => name !== 'node-5')) relay.cut('node-5', other);
await cluster.seenGone('node-5', sinceMs, 60_000);
claim('a node that hears all and whom nobody hears is found out', true, seconds(performance.now() - sinceMs));
relay.heal();
claim('and is back once it is heard', true, await timed(() => cluster.whole(120_000)));

sinceMs = performance.now();
cluster.signal('node-3', 'SIGKILL');
await cluster.seenGone('node-3', sinceMs, 30_000);
const free = await freePort();
cluster.configure('node-3', { bind: `127.0.0.1:${free}`, advertise: `127.0.0.1:${free}` });
cluster.start('node-3');
claim('the same name at another address is taken back at once', true, await timed(() => cluster.whole(30_000)));
await pause(8_000);

for (const name of names) cluster.signal(name, 'SIGKILL');
for (const name of names) cluster.start(name);
claim('all are killed at once, and are whole again', true, await timed(() => cluster.whole(60_000)));
await pause(8_000);

const rest = names.filter((name) => name !== 'node-1');
for (const name of names) cluster.signal(name, 'SIGKILL');
for (const name of rest) cluster.start(name);
const found = await timed(() => cluster.wholeAmong(rest, 60_000));
claim('all are killed, their one seed stays away, and the others find each other', true, found);
await cluster.end();
process.exit(0);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
