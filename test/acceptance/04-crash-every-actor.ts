/**
 * Issue 4, “Shown by” 4: three nodes, each a process, and agents that ask each other all the time. Every actor of the
 * tree of every node, workers and supervisors, is crashed in turn: by a throw in its turn, by `kill`, by a throw from a
 * timer or a promise of its, and twice within a second. Each time the node recovers by itself while asks go on being
 * answered, those of agents and those of an actor of the program; what is not answered is refused with a code, and nothing
 * hangs. Each node forwards its audit log to a receiver here, which has every record in the end. The root of a tree is the one that ends its
 * process, in order and with exit code 1, as the top supervisor of an Erlang node does; started again, it is back.
 *
 * `04-crash-every-actor.ts [path…]` crashes only actors whose path contains one of the words.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';
import { createClient } from '../../src/client.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { CaxtonError } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import type { How, Look, Tally } from './faulty-node.ts';
import { NodeProcess } from './faulty-process.ts';
import { claim } from './launcher.ts';

const run = promisify(execFile);
const here = import.meta.dirname;
const home = mkdtempSync(join(tmpdir(), 'caxton-crashes-'));
const folder = join(home, 'cluster');
const words = process.argv.slice(2);
process.on('exit', () => {
  rmSync(home, { recursive: true, force: true });
});

/** The bound for a tree that is whole again. */
const recoveryMsMax = 10_000;
const everyMs = 25;

const cluster = await developmentCluster({ folder, nodes: ['node-1', 'node-2', 'node-3'] });
const layout = clusterLayout(folder);

/** What the receiver of syslog has, by node: the newest record up to which there is no gap, and what came out of order. */
const received = new Map<string, number>();
const gaps: string[] = [];

function receive(text: string): void {
  for (const [, node, digits] of text.matchAll(/<\d+>1 \S+ (node-\d) [^[]*\[caxton@\d+ seq="(\d+)"/g)) {
    const [before, sequence] = [received.get(node!) ?? 0, Number(digits)];
    // Repetitions are allowed, gaps are not.
    if (sequence > before + 1) gaps.push(`${node}: ${sequence} after ${before}`);
    received.set(node!, Math.max(before, sequence));
  }
}

const ofReceiver = layout.node('node-1' as NodeId);
const receiver = createServer(
  { cert: readFileSync(ofReceiver.apiCertificate), key: readFileSync(ofReceiver.apiKey) },
  (socket) => {
    let rest = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const end = (rest + chunk).lastIndexOf('}');
      receive((rest + chunk).slice(0, end + 1));
      rest = (rest + chunk).slice(end + 1);
    });
    socket.on('error', () => undefined);
  },
).on('tlsClientError', () => undefined);
await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
for (const id of cluster.nodes) {
  const { config } = layout.node(id);
  const forwarding = `$1forward_to_siem: true
$1siem:
$1  - name: soc
$1    kind: syslog
$1    address: 127.0.0.1:${(receiver.address() as AddressInfo).port}
$1    ca_cert: ${layout.caCert}`;
  const text = readFileSync(config, 'utf8').replace(/^( *)forward_to_siem: false/m, forwarding);
  writeFileSync(config, text, { mode: 0o600 });
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const nodes = cluster.nodes.map((id) => new NodeProcess(id, layout));
await Promise.all(nodes.map(({ up }) => up));

/** The tree as it should be: connections have a name of their own each time, and only their number counts. */
const shapeOf = ({ actors }: Look): string =>
  actors
    .map(({ path, kind, state }) => `${nameOf(path)} ${kind} ${isBusy(path) ? '' : modeOf(state)}`)
    .sort()
    .join('\n');
const isConnection = (path: string): boolean => path.startsWith('/node/cluster/links/');
const isAgent = (path: string): boolean => /^\/node\/agents\/[^/]+\//.test(path);
/** Those whose state goes to and fro with what they are given. */
const isBusy = (path: string): boolean => isAgent(path) || /^\/node\/operations\/siem\/./.test(path);
/** The notary signs every now and then. */
const modeOf = (state: unknown): string => {
  const text = JSON.stringify(state);
  return /^("signing"|\{"watching":"\w+"\})$/.test(text) ? 'watching' : text;
};
const nameOf = (path: string): string => (isConnection(path) ? '/node/cluster/links/*' : path);

const agentsWanted = nodes.length * 3 + nodes.length;
const shapes = new Map<string, string>();

/** What keeps the node from being as it was at the begin. */
function faultsOf(id: string, look: Look): string[] {
  const faults: string[] = [];
  const shape = shapes.get(id);
  if (shape !== undefined && shapeOf(look) !== shape) faults.push(`another tree:\n${shapeOf(look)}`);
  if (look.members.length !== nodes.length) faults.push(`${look.members.length} members`);
  for (const { nodeId, status, link } of look.members)
    if (status !== 'alive' || link === 'down') faults.push(`${nodeId} is ${status}, its link ${link}`);
  if (look.agents.length !== agentsWanted) faults.push(`${look.agents.length} agents`);
  for (const { agentId, state } of look.agents)
    if (state !== 'running' && state !== 'remote') faults.push(`${agentId} is ${state}`);
  if (look.partition !== 'majority') faults.push(look.partition);
  if (look.audit !== 'writing') faults.push(`audit ${look.audit}`);
  return faults;
}

async function whole(withinMs: number): Promise<string[]> {
  const end = performance.now() + withinMs;
  for (;;) {
    const looks = await Promise.all(nodes.map(async (node) => ({ node, look: await node.look() })));
    const faults = looks.flatMap(({ node, look }) => faultsOf(node.id, look).map((fault) => `${node.id}: ${fault}`));
    if (faults.length === 0 || performance.now() > end) return faults;
    await pause(10);
  }
}

/** All nodes’ questions together. */
async function tallies(): Promise<Tally> {
  const sum: Tally = { asked: 0, answered: 0, wrong: 0, stray: 0, open: 0, slowestMs: 0, longestGapMs: 0, refused: {} };
  for (const { tally } of await Promise.all(nodes.map((node) => node.look()))) {
    for (const key of ['asked', 'answered', 'wrong', 'stray', 'open'] as const) sum[key] += tally[key];
    sum.slowestMs = Math.max(sum.slowestMs, tally.slowestMs);
    for (const [code, count] of Object.entries(tally.refused)) sum.refused[code] = (sum.refused[code] ?? 0) + count;
  }
  return sum;
}

const refusals = ({ refused }: Tally): number => Object.values(refused).reduce((sum, count) => sum + count, 0);
const difference = (after: Tally, before: Tally): string =>
  Object.entries(after.refused)
    .map(([code, count]) => `${code} ${count - (before.refused[code] ?? 0)}`)
    .filter((text) => !text.endsWith(' 0'))
    .join(', ');

/** Supervisors give up after more than five restarts in ten seconds, as OTP’s: a crash loop is not what is shown here. */
const [restartsMax, windowMs] = [4, 10_500];
const restarts = new Map<string, number[]>();

async function beWithinIntensity(node: NodeProcess, path: string, count: number): Promise<void> {
  const key = `${node.id} ${path.slice(0, path.lastIndexOf('/'))}`;
  // Connections come and go, and so their supervisor lets a hundred of them crash.
  if (isConnection(path)) return;
  for (;;) {
    const recent = (restarts.get(key) ?? []).filter((at) => at > performance.now() - windowMs);
    restarts.set(key, recent);
    if (recent.length + count <= restartsMax) {
      for (let each = 0; each < count; each += 1) recent.push(performance.now());
      return;
    }
    await pause(100);
  }
}

const rows: { ms: number; how: How; path: string }[] = [];
let failed = 0;

async function crash(node: NodeProcess, how: How, pathNow: () => Promise<string>): Promise<void> {
  let path = await pathNow();
  await beWithinIntensity(node, path, how === 'crash twice' ? 2 : 1);
  const before = await tallies();
  const began = performance.now();
  let done = await node.order<boolean>({ do: 'fault', how, path });
  // Of two links that were dialled at once one goes, perhaps just now.
  for (let again = 0; !done && isConnection(path) && again < 20; again += 1) {
    await pause(50);
    path = await pathNow();
    done = await node.order<boolean>({ do: 'fault', how, path });
  }
  // The second of two is to be over as well.
  if (how === 'crash twice') await pause(450);
  const faults = await whole(recoveryMsMax);
  const ms = performance.now() - began - (how === 'crash twice' ? 450 : 0);
  const after = await tallies();
  const [answered, refused] = [after.answered - before.answered, refusals(after) - refusals(before)];
  rows.push({ ms, how, path });
  const bad = !done || faults.length > 0;
  if (bad) failed += 1;
  process.stdout.write(
    `${bad ? 'FAIL' : 'ok  '} ${node.id} ${nameOf(path).padEnd(38)} ${how.padEnd(11)} ${ms.toFixed(0).padStart(6)} ms ` +
      `${String(answered).padStart(5)} answered ${String(refused).padStart(4)} refused  ${difference(after, before)}\n` +
      (bad ? `     ${done ? faults.join('\n     ') : 'nobody lives there'}\n` : ''),
  );
}

claim(
  'three nodes find each other and know all agents',
  (await whole(30_000)).length === 0,
  (await whole(0)).join(' '),
);
await pause(2_000);
const wanted = [
  ...['audit-writer', 'audit-keeper', 'pki', 'pki/cert-rotator', 'cluster', 'cluster/links', 'cluster/link-listener'],
  ...['cluster/gossip-member', 'messaging', 'messaging/rate-limiter', 'messaging/message-router', 'agents', 'program'],
  ...['program/desk', 'operations', 'operations/siem', 'operations/siem/soc', 'operations/audit-notary'],
  'operations/management-api',
];
for (const node of nodes) {
  const { actors, kernel } = await node.look();
  const own = new Set(actors.map(({ path }) => path));
  const missing = wanted.filter((name) => !own.has(`/node/${name}`));
  const others = kernel.filter((path) => !own.has(path));
  claim(
    `${node.id} shows every actor of its kernel’s tree, among them all of ARCHITECTURE.md`,
    missing.length === 0 && others.length === 0 && own.size === kernel.length,
    `${own.size} actors${[...missing, ...others].map((path) => `, not ${path}`).join('')}`,
  );
}
for (const node of nodes) shapes.set(node.id, shapeOf(await node.look()));
const targets = nodes.flatMap(({ id }) => [`default/echo-${id}`, `other/echo-${id}`]);
const desks = nodes.map(({ id }) => `${id}!/node/program/desk`);
for (const node of nodes) await node.order({ do: 'load', targets, desks, everyMs });
await pause(3_000);
const calm = await tallies();
claim('before any crash every ask is answered', refusals(calm) === 0 && calm.wrong === 0, `${calm.answered} asks`);
const begun = await Promise.all(nodes.map((node) => node.lookTidily()));

const caPem = readFileSync(layout.caCert, 'utf8');
const apiKey = readFileSync(layout.apiKey, 'utf8').trim();
const calls = { answered: 0, failed: {} as Record<string, number>, slowestMs: 0 };
let calling = true;
/** Somebody who looks at a node over its API all the time. */
const callers = nodes.map(async ({ id }) => {
  const { host, port } = cluster.config(id).api.bind;
  const client = createClient({ address: `https://${host}:${port}`, caPem, apiKey, timeoutMs: 5_000 });
  while (calling) {
    const since = performance.now();
    try {
      await client.status();
      calls.answered += 1;
    } catch (error) {
      const code = error instanceof CaxtonError ? error.code : String(error);
      calls.failed[code] = (calls.failed[code] ?? 0) + 1;
    }
    calls.slowestMs = Math.max(calls.slowestMs, performance.now() - since);
    await pause(100);
  }
  client.close();
});

const hows: readonly How[] = ['crash', 'kill', 'timer', 'promise', 'crash twice'];
for (const how of hows)
  for (const path of [...new Set(begun[0]!.actors.map(({ path: own }) => own))].filter((own) => own !== '/node')) {
    if (words.length > 0 && !words.some((word) => path.includes(word))) continue;
    // A supervisor has no timers of its own.
    const { kind } = begun[0]!.actors.find((actor) => actor.path === path)!;
    if (kind === 'supervisor' && (how === 'timer' || how === 'promise')) continue;
    for (const node of nodes) {
      // The load is to have its answers from the tree as it is now, and not from the one before.
      await pause(2 * everyMs);
      const index = begun[0]!.actors.filter((actor) => isConnection(actor.path)).findIndex((at) => at.path === path);
      await crash(node, how, async () => {
        if (!isConnection(path)) return path.replaceAll('node-1', node.id);
        const connections = (await node.look()).actors.map((actor) => actor.path).filter(isConnection);
        return connections[index] ?? connections[0] ?? path;
      });
    }
  }

const crashed = new Set(rows.map(({ path }) => nameOf(path)));
const spared = begun
  .flatMap(({ actors }) => actors.map(({ path }) => nameOf(path)))
  .filter((path) => !crashed.has(path));
if (words.length === 0)
  claim(
    'every actor of every tree but the root was crashed',
    new Set(spared).size === 1 && spared[0] === '/node',
    `${crashed.size} paths${[...new Set(spared)].map((path) => `, not ${path}`).join('')}`,
  );
await pause(3_500);
const before = await tallies();
await pause(3_000);
const after = await tallies();
claim('every crash was recovered from', failed === 0, `${rows.length} crashes`);
claim(
  'at the end every ask is answered again',
  refusals(after) === refusals(before) && after.answered > before.answered,
  `${after.answered - before.answered} asks`,
);
calling = false;
await Promise.all(callers);
const unanswered = Object.entries(calls.failed).map(([code, count]) => `${code} ${count}`);
claim(
  'the management APIs went on as well, and no call hung',
  calls.failed.TIMED_OUT === undefined && calls.answered > 0,
  `${calls.answered} calls answered, not answered: ${unanswered.join(', ') || 'none'}; the slowest ${calls.slowestMs.toFixed(0)} ms`,
);
for (const node of nodes) await node.order({ do: 'rest' });
await pause(3_500);
const end = await tallies();
const times = rows.map(({ ms }) => ms).sort((a, b) => a - b);
process.stdout.write(
  `     ${end.asked} asks: ${end.answered} answered, ${refusals(end)} refused (${Object.entries(end.refused)
    .map(([code, count]) => `${code} ${count}`)
    .join(', ')}), the slowest after ${end.slowestMs.toFixed(0)} ms\n` +
    `     time to recover: median ${times[Math.floor(times.length / 2)]?.toFixed(0)} ms, most ${times.at(-1)?.toFixed(0)} ms\n`,
);
claim('no ask hangs', end.open === 0 && end.asked === end.answered + refusals(end) + end.wrong);
claim('none is answered wrongly', end.wrong === 0);
const strays = nodes.flatMap(({ faults }) => faults.filter((fault) => fault.startsWith('stray')));
claim('none is answered twice', end.stray === 0, strays.join('; '));

/** What a node holds that it did not hold before. */
function more(first: Look, last: Look): string[] {
  const held = [...last.fds];
  for (const file of first.fds) if (held.includes(file)) held.splice(held.indexOf(file), 1);
  return held;
}

await pause(2_000);
for (const [index, node] of nodes.entries()) {
  const first = begun[index]!;
  let last = await node.lookTidily();
  // The connection to the receiver of syslog comes and goes.
  for (const late = performance.now() + 15_000; more(first, last).length > 0 && performance.now() < late; ) {
    await pause(500);
    last = await node.lookTidily();
  }
  process.stdout.write(
    `     ${node.id}: ${first.fds.length} files and sockets, then ${last.fds.length}; heap ${first.heapMb.toFixed(1)} MB, ` +
      `then ${last.heapMb.toFixed(1)} MB; ${JSON.stringify(first.resources)}, then ${JSON.stringify(last.resources)}; ` +
      `${last.late} late throws\n`,
  );
  claim(
    `${node.id} holds no more files and sockets than before`,
    more(first, last).length === 0,
    more(first, last).join(' '),
  );
  // The load itself fills bounded tables (conversations, rates), so the heap grows with the asks and not with the crashes.
  claim(`${node.id}’s heap grew by less than half and 8 MB`, last.heapMb < first.heapMb * 1.5 + 8);
  claim(`${node.id} printed no warning`, node.stderr === '', node.stderr);
}

for (const node of nodes) {
  const complete = async (): Promise<boolean> =>
    (await node.look()).siem.every(({ backlogRecords: left }) => left === 0);
  // A connection is confirmed after 10 s.
  for (const late = performance.now() + 40_000; !(await complete()) && performance.now() < late; ) await pause(200);
  const { siem } = await node.look();
  const has = siem[0]?.confirmedSequence ?? 0;
  claim(
    `${node.id}’s receiver has every record`,
    (await complete()) && has > 0 && received.get(node.id)! >= has,
    `${has} records, confirmed`,
  );
}
claim('and had them in order, without a gap', gaps.length === 0, gaps.slice(0, 5).join(', '));

const program = join(here, '..', '..', 'bin', 'caxton.js');
for (const node of nodes) {
  const env = { ...process.env, CAXTON_PROFILE: layout.profile };
  const { stdout } = await run(process.execPath, [program, 'audit', 'verify', '--node', node.id], { env, cwd: home });
  claim(`caxton audit verify --node ${node.id}`, true, stdout.trim().replaceAll(/\s+/g, ' '));
}

const victim = nodes[2]!;
void victim.order({ do: 'fault', how: 'crash', path: '/node' }).catch(() => undefined);
const rootCrashed = performance.now();
const code = await victim.ended;
claim(
  'the crash of the root ends its process',
  code === 1,
  `exit ${code} after ${(performance.now() - rootCrashed).toFixed(0)} ms`,
);
nodes[2] = new NodeProcess(victim.id, layout);
await nodes[2].up;
const back = await whole(30_000);
claim('started again, it is back with all its agents', back.length === 0, back.join(' '));

for (const node of nodes) node.stop();
const codes = await Promise.all(nodes.map(({ ended }) => ended));
claim(
  'all nodes stop in order',
  codes.every((each) => each === 0),
  codes.join(' '),
);
process.exit(failed === 0 ? 0 : 1);
