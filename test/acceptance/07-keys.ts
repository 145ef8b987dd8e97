/**
 * Issue 7, “Build” 3: three nodes, each a process, whose datagrams run through relays that note them down. The gossip key
 * is rotated from the command line; its proposer is killed with `kill -9` midway; a node that was away for two rotations
 * comes back; a node is revoked and cannot read on with all that it has. Gossip goes on throughout: no node that runs is
 * seen other than alive. Another three rotate by themselves.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseDocument } from 'yaml';
import type { GossipKeysView } from '../../src/actors/operations/gossip-key-view.ts';
import { openNodeStore } from '../../src/actors/operations/node-store.ts';
import { type Client, createClient } from '../../src/client.ts';
import { keyringFromVault } from '../../src/crypto/keyring-vault.ts';
import { readDatagramHead } from '../../src/crypto/seal.ts';
import { vaultRingFromText } from '../../src/crypto/vault.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const home = mkdtempSync(join(tmpdir(), 'caxton-keys-'));
const children = new Map<string, ChildProcess>();
process.on('exit', () => {
  for (const child of children.values()) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const folder = join(home, 'cluster');
const names = ['node-1', 'node-2', 'node-3'];
const cluster = await developmentCluster({ folder, nodes: names });
const layout = clusterLayout(folder);
const [one, two, three] = cluster.nodes as [NodeId, NodeId, NodeId];

interface Recorded {
  readonly from: NodeId | undefined;
  readonly to: NodeId;
  readonly bytes: Buffer;
}
const recorded: Recorded[] = [];

/** Stands at the address that a node tells others: passes TCP on as it is, and datagrams after noting them down. */
async function relayFor(name: NodeId): Promise<number> {
  const target = cluster.config(name).cluster.bind.port;
  const server = createServer((socket) => {
    const onward = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const { port } = server.address() as { port: number };
  const socket = createSocket('udp4');
  socket.on('message', (bytes, { port: source }) => {
    const from = cluster.nodes.find((node) => cluster.config(node).cluster.bind.port === source);
    recorded.push({ from, to: name, bytes });
    socket.send(bytes, target, '127.0.0.1');
  });
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
  socket.unref();
  return port;
}

const ports = new Map<NodeId, number>();
for (const name of cluster.nodes) ports.set(name, await relayFor(name));

function configure(name: NodeId, interval?: string): void {
  const file = layout.node(name).config;
  const document = parseDocument(readFileSync(file, 'utf8'));
  document.setIn(['cluster', 'advertise'], `127.0.0.1:${ports.get(name)}`);
  const others = cluster.nodes.filter((other) => other !== name).map((other) => `127.0.0.1:${ports.get(other)}`);
  document.setIn(['cluster', 'join'], document.createNode(others));
  if (interval) document.setIn(['security', 'cluster', 'gossip', 'key_rotation_interval'], interval);
  writeFileSync(file, document.toString());
}

function start(name: NodeId): void {
  const args = [program, 'server', 'start', '--config', layout.node(name).config];
  children.set(name, spawn(process.execPath, args, { stdio: 'ignore' }));
}

async function kill(name: NodeId): Promise<void> {
  const child = children.get(name)!;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

const apiKey = readFileSync(layout.apiKey, 'utf8').trim();
const caPem = readFileSync(layout.caCert, 'utf8');
const clients = new Map<NodeId, Client>(
  cluster.nodes.map((name) => {
    const { host, port } = cluster.config(name).api.bind;
    return [name, createClient({ address: `https://${host}:${port}`, caPem, apiKey })];
  }),
);
const clientOf = (name: NodeId): Client => clients.get(name)!;
const env = { ...process.env, CAXTON_PROFILE: layout.profile };
const caxton = (...words: string[]) => run(process.execPath, [program, ...words], { env, cwd: home });

async function until<T>(what: string, look: () => Promise<T | undefined>, ms = 60_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Resolves when these nodes seal with one key of this epoch, or a later one. */
const on = (epoch: number, nodes: readonly NodeId[] = cluster.nodes): Promise<GossipKeysView> =>
  until(`${nodes.join(', ')} seal with key ${epoch}`, async () => {
    const views = await Promise.all(nodes.map((name) => clientOf(name).gossipKeys()));
    const hashes = new Set(views.map(({ sealing }) => sealing.hash));
    return hashes.size === 1 && views[0]!.sealing.epoch >= epoch ? views[0] : undefined;
  });
const whole = (nodes: readonly NodeId[] = cluster.nodes): Promise<true> =>
  until('all see all alive', async () => {
    const lists = await Promise.all(nodes.map((name) => clientOf(name).members()));
    const all = lists.every((list) =>
      nodes.every((node) => list.some(({ nodeId, status }) => nodeId === node && status === 'alive')),
    );
    return all ? true : undefined;
  });
/** How often somebody changed its mind about another that ran all the time. */
async function doubts(by: readonly NodeId[], about: readonly NodeId[], since: string): Promise<string[]> {
  const lists = await Promise.all(by.map((name) => clientOf(name).auditRecords({ limit: 1_000 })));
  return (lists.flat() as { type: string; time: string; identity: string; metadata: { status: string } }[])
    .filter(
      ({ type, time, identity }) => type === 'MemberChanged' && time >= since && about.includes(identity as NodeId),
    )
    .filter(({ metadata }) => metadata.status !== 'alive')
    .map(({ identity, metadata }) => `${identity} ${metadata.status}`);
}
const now = (): string => new Date(Date.now()).toISOString();

for (const name of cluster.nodes) configure(name);
for (const name of cluster.nodes) start(name);
await whole();

const begun = now();
const asked = performance.now();
const { stdout } = await caxton('cluster', 'rotate-key', '--node', two, '--output', 'json');
claim('caxton cluster rotate-key makes a key', (JSON.parse(stdout) as GossipKeysView).candidate?.epoch === 2, '');
const first = await on(2);
claim('all seal with it', true, `${Math.round(performance.now() - asked)} ms after the command began`);
const table = await caxton('cluster', 'keys', '--node', one);
claim('caxton cluster keys shows it by its hash', table.stdout.includes(first.sealing.hash), '');
await until('datagrams of the new version', async () =>
  recorded.slice(-6).every(({ bytes }) => bytes.readUInt32BE(1) === 2) ? true : undefined,
);
claim('no member was doubted', (await doubts(cluster.nodes, cluster.nodes, begun)).length === 0);

// The proposer is killed in the moment in which it has said that it made the key: each time at another place.
const kills = 5;
let epoch = 2;
for (let turn = 0; turn < kills; turn++) {
  const since = now();
  await clientOf(one).rotateGossipKey();
  if (turn % 2 === 1) await new Promise((resolve) => setTimeout(resolve, turn));
  await kill(one);
  await until('the others go on', async () => {
    const views = await Promise.all([two, three].map((name) => clientOf(name).gossipKeys()));
    const hashes = new Set(views.map(({ sealing }) => sealing.hash));
    return hashes.size === 1 && views.every(({ candidate }) => candidate === undefined) ? true : undefined;
  });
  const doubted = await doubts([two, three], [two, three], since);
  start(one);
  epoch = (await on(epoch + 1)).sealing.epoch;
  await whole();
  if (doubted.length > 0) claim('the others do not lose each other', false, doubted.join(', '));
}
claim(`a proposer that is killed midway costs nobody anything, ${kills} times`, true, `now at epoch ${epoch}`);

await kill(three);
await until('it is missed', async () =>
  (await clientOf(one).members()).some(({ nodeId, status }) => nodeId === three && status !== 'alive')
    ? true
    : undefined,
);
const away = now();
for (let turn = 0; turn < 2; turn++) {
  await clientOf(two).rotateGossipKey();
  epoch = (await on(epoch + 1, [one, two])).sealing.epoch;
}
start(three);
const started = performance.now();
await on(epoch);
await whole();
claim('a node that was away for two rotations catches up', true, `${Math.round(performance.now() - started)} ms`);
claim('and the others never doubted each other', (await doubts([one, two], [one, two], away)).length === 0);

const before = await on(epoch);
const since = now();
await caxton(
  'security',
  'revoke',
  '--node',
  three,
  '--reason',
  'keyCompromise',
  '--authority-key',
  layout.authorityKey,
);
const revoked = performance.now();
const after = await on(epoch + 1, [one, two]);
claim(
  'a revocation forces a rotation',
  after.sealing.epoch === epoch + 1,
  `${Math.round(performance.now() - revoked)} ms`,
);
const from = recorded.length;
await until('datagrams under the new key', async () => (recorded.length > from + 40 ? true : undefined));
const captured = recorded.slice(from).filter(({ from: sender }) => sender !== three);
claim(
  'all that the others send is sealed with it',
  captured.length > 20 && captured.every(({ bytes }) => unwrap(readDatagramHead(bytes)).keyVersion === epoch + 1),
  `${captured.length} datagrams`,
);
const left = await clientOf(three).gossipKeys();
claim('the revoked node stays with the old one', left.sealing.hash === before.sealing.hash && !left.candidate);
claim('and the others lose nobody else', (await doubts([one, two], [one, two], since)).length === 0);
await kill(three);
const { dataPath } = cluster.config(three).node;
const store = await openNodeStore(join(dataPath, 'state.db'));
const bytes = await store.get('gossip-keys', 'ring');
await store.close();
const vault = unwrap(vaultRingFromText(readFileSync(layout.node(three).vaultKey, 'utf8')));
const owner = { clusterId: cluster.config(three).cluster.id, nodeId: three };
const { keyring } = unwrap(keyringFromVault(vault, owner, Buffer.from(bytes!).toString()));
claim(
  'with all that it has, vault and database, it holds no key of what was captured',
  captured.every(({ bytes: datagram }) => keyring.ofEpoch(unwrap(readDatagramHead(datagram)).keyVersion).length === 0),
  `it holds ${keyring.keys.map(({ id }) => id.epoch).join(', ')}`,
);
const files = [layout.gossipKey, join(dataPath, 'state.db'), join(dataPath, 'state.db-wal')];
const onDisk = Buffer.concat(files.map((file) => (file.endsWith('-wal') ? Buffer.alloc(0) : readFileSync(file))));
claim(
  'and no key that was made by a rotation lies on its disk in clear',
  keyring.keys.filter(({ id }) => id.proposer !== '').every(({ key }) => !onDisk.includes(Buffer.from(key))),
);

for (const name of [one, two]) {
  await kill(name);
  configure(name, '5s');
}
for (const name of [one, two]) start(name);
const target = epoch + 3;
await on(target, [one, two]);
claim('with an interval of 5 s they rotate by themselves', true, `epoch ${target}`);
const view = await until(
  'the older keys open nothing',
  async () => {
    const { retiring } = await clientOf(one).gossipKeys();
    return retiring.every(({ epoch: old }) => old > epoch) ? retiring : undefined;
  },
  120_000,
);
claim('and older keys are retired', true, `${view.length} still open`);
for (const client of clients.values()) client.close();
process.exit(0);
