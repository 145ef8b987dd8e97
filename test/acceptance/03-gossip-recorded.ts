/**
 * Issue 3, “Shown by” 2: two nodes, each a process, whose whole traffic runs through a relay between them. The recorded
 * datagrams contain no node name, agent name or key in clear and look like noise; all of them sent again change nothing
 * and are counted.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseDocument } from 'yaml';
import { signDeployment } from '../../src/actors/agents/deployer.ts';
import { createClient } from '../../src/client.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import type { AgentId, NodeId } from '../../src/names.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const home = mkdtempSync(join(tmpdir(), 'caxton-recorded-'));
const children: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const agentName = 'heron';
const folder = join(home, 'cluster');
const cluster = await developmentCluster({ folder, nodes: ['kestrel', 'osprey'] });
const names = cluster.nodes;
const layout = clusterLayout(folder);

interface Recorded {
  readonly to: NodeId;
  readonly bytes: Buffer;
}
const recorded: Recorded[] = [];
const relays = new Map<string, { readonly port: number; readonly socket: Socket; readonly target: number }>();

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
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const { port } = server.address() as { port: number };
  const socket = createSocket('udp4');
  socket.on('message', (bytes) => {
    recorded.push({ to: name, bytes });
    socket.send(bytes, target, '127.0.0.1');
  });
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
  socket.unref();
  relays.set(name, { port, socket, target });
  return port;
}

const ports = new Map<string, number>();
for (const name of names) ports.set(name, await relayFor(name));
for (const name of names) {
  const file = layout.node(name).config;
  const document = parseDocument(readFileSync(file, 'utf8'));
  document.setIn(['cluster', 'advertise'], `127.0.0.1:${ports.get(name)}`);
  const others = names.filter((other) => other !== name).map((other) => `127.0.0.1:${ports.get(other)}`);
  document.setIn(['cluster', 'join'], document.createNode(others));
  document.setIn(['cluster', 'expected_size'], 2);
  writeFileSync(file, document.toString());
  const child = spawn(process.execPath, [program, 'server', 'start', '--config', file], { stdio: 'ignore' });
  children.push(child);
}

const apiKey = readFileSync(layout.apiKey, 'utf8').trim();
const caPem = readFileSync(layout.caCert, 'utf8');
const clientOf = (name: string) => {
  const { host, port } = cluster.config(name).api.bind;
  return createClient({ address: `https://${host}:${port}`, caPem, apiKey });
};

async function until<T>(what: string, look: () => Promise<T | undefined>, ms = 30_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a replay must not change, as both nodes see it. */
const view = async (): Promise<string> => {
  const views = await Promise.all(
    names.map(async (name) => {
      const client = clientOf(name);
      const members = (await client.members()).map(({ nodeId, status, bootEpoch, incarnation }) =>
        [nodeId, status, bootEpoch, incarnation].join(' '),
      );
      const agents = (await client.agents()).map(({ agentId, node, generation }) =>
        [agentId, node, generation].join(' '),
      );
      return [name, ...members.sort(), ...agents.sort()];
    }),
  );
  return JSON.stringify(views);
};

await until('both see both alive', async () => {
  const lists = await Promise.all(names.map((name) => clientOf(name).members()));
  return lists.every((list) => list.filter(({ status }) => status === 'alive').length === 2) ? true : undefined;
});
const signed = signDeployment(
  cluster.deployer,
  {
    agentId: `default/${agentName}` as AgentId,
    kind: 'console',
    code: null,
    services: ['fishing'],
    actions: ['* agent:default/*'],
    agentKey: osCrypto.generateKeyPair('ed25519').publicKey,
    nodes: [cluster.nodes[0]!],
    generation: 1,
    now: Date.now(),
    validForMs: 3_600_000,
  },
  osCrypto,
);
await clientOf('kestrel').deploy(signed);
await until('both know the agent', async () => ((await clientOf('osprey').agents()).length === 1 ? true : undefined));
// Enough rounds of probes for every kind of datagram to have passed.
await until('400 datagrams passed', async () => (recorded.length >= 400 ? true : undefined), 120_000);

const taken = recorded.slice();
const all = Buffer.concat(taken.map(({ bytes }) => bytes));
claim(
  'the relay recorded the gossip in both directions',
  names.every((name) => taken.some(({ to }) => to === name)),
  `${taken.length} datagrams, ${all.length} bytes`,
);

/** A secret or a name in the forms in which it could leak. */
const formsOf = (bytes: Buffer): readonly Buffer[] => [
  bytes,
  Buffer.from(bytes.toString('hex')),
  Buffer.from(bytes.toString('base64url')),
  Buffer.from(bytes.toString('base64').replace(/=+$/, '')),
];
const pemBody = (file: string): Buffer =>
  Buffer.from(readFileSync(file, 'utf8').replace(/-----[A-Z ]+-----|\s/g, ''), 'base64');
const secrets = new Map<string, readonly Buffer[]>();
for (const text of [
  ...names,
  agentName,
  'default',
  'fishing',
  cluster.config().cluster.trustDomain,
  cluster.config().cluster.id,
])
  secrets.set(`“${text}”`, [Buffer.from(text)]);
const keyring = readFileSync(layout.gossipKey, 'utf8');
for (const [word] of keyring.matchAll(/[A-Za-z0-9_+/-]{40,}={0,2}/g)) {
  const raw = Buffer.from(word, 'base64url');
  secrets.set('the gossip key', [Buffer.from(word), ...formsOf(raw)]);
}
/** The private number of a key, without what PKCS #8 puts around it. */
const privateHalf = (file: string): Buffer =>
  Buffer.from(String(createPrivateKey(readFileSync(file, 'utf8')).export({ format: 'jwk' }).d), 'base64url');
for (const name of names) {
  secrets.set(`the claim key of ${name}`, formsOf(privateHalf(layout.node(name).claimKey)));
  secrets.set(`the private key of ${name}`, formsOf(privateHalf(layout.node(name).key)));
  secrets.set(`the certificate of ${name}`, [pemBody(layout.node(name).certificate).subarray(0, 64)]);
}
const found = [...secrets].filter(([, forms]) => forms.some((form) => all.includes(form))).map(([name]) => name);
claim('no name and no key is in clear', found.length === 0, found.join(', ') || `searched for ${secrets.size} of them`);

// Behind the head (format, key version, tag, counter) everything should look drawn by chance: χ² over byte values.
const headBytes = 21;
const noise = Buffer.concat(taken.map(({ bytes }) => bytes.subarray(headBytes)));
const counts = new Array<number>(256).fill(0);
for (const byte of noise) counts[byte]! += 1;
const expected = noise.length / 256;
const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
// 255 degrees of freedom: above 360 once in a hundred thousand.
claim('it looks like noise', chi < 360, `χ² ${chi.toFixed(0)} over ${noise.length} bytes (255 ± 23 for chance)`);

const counted = async (): Promise<number> => {
  const lists = await Promise.all(names.map((name) => clientOf(name).metrics()));
  return lists
    .flat()
    .filter(({ name, labels }) => name === 'gossip_refused' && labels.code === 'REPLAYED')
    .reduce((sum, { value }) => sum + value, 0);
};
const before = await view();
const replayedBefore = await counted();
for (const [index, { to, bytes }] of taken.entries()) {
  const { socket, target } = relays.get(to)!;
  socket.send(bytes, target, '127.0.0.1');
  // A burst that overflows the receiver’s socket buffer would be lost before anybody could count it.
  if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
}
const replayed = await until('every replay is counted', async () => {
  const more = (await counted()) - replayedBefore;
  return more >= taken.length ? more : undefined;
});
claim('every datagram sent again is refused and counted', replayed === taken.length, `${replayed} of ${taken.length}`);
claim('nothing has changed', (await view()) === before);
const env = { ...process.env, CAXTON_PROFILE: layout.profile };
const shown = await run(process.execPath, [program, 'server', 'metrics', '--node', 'kestrel'], { env });
claim(
  'an operator sees it',
  /gossip_refused +\d+ +code=REPLAYED/.test(shown.stdout),
  /gossip_refused.*REPLAYED/.exec(shown.stdout)?.[0] ?? '',
);

for (const child of children) child.kill('SIGTERM');
const codes = await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
claim(
  'both stop in order',
  codes.every((code) => code === 0),
);
process.exit(0);
