/**
 * Issue 7, item 6, on processes: five nodes, whose agents are deployed, suspended, removed, claimed twice, and lost with a
 * `kill -9` of their host. Looking up answers the same on every other node within the bound that is printed.
 *
 * `07-registry.ts [agents]`; 200 by default.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { signDeployment } from '../../src/actors/agents/deployer.ts';
import type { AgentView } from '../../src/actors/operations/control.ts';
import { type Client, createClient } from '../../src/client.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import type { AgentId, NodeId } from '../../src/names.ts';
import type { Manifest } from '../../src/protocols/deployment/manifest.ts';
import { claim } from './launcher.ts';

/** A change of one agent, and what a kill changes once the others are sure of it. */
const boundMs = 3_000;
const killBoundMs = 15_000;
const many = Number(process.argv[2] ?? 200);

const program = join(import.meta.dirname, '..', '..', 'bin', 'caxton.js');
const home = mkdtempSync(join(tmpdir(), 'caxton-registry-'));
const folder = join(home, 'cluster');
const names = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'] as NodeId[];
const policy = `policies:
  - receiver: default/wreck
    allowed_senders: [default/*]
    permitted_operations:
      - performatives: [inform]
`;
const cluster = await developmentCluster({ folder, nodes: names, policy });
const layout = clusterLayout(folder);
const modules = join(home, 'modules');
mkdirSync(modules, { mode: 0o700 });
const crashing = 'export const handler = () => { throw new Error("as it was told to"); };\n';
writeFileSync(join(modules, 'crashing.mjs'), crashing, { mode: 0o600 });

const children = new Map<NodeId, ChildProcess>();
process.on('exit', () => {
  for (const child of children.values()) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

function start(name: NodeId): void {
  const file = layout.node(name).config;
  children.set(name, spawn(process.execPath, [program, 'server', 'start', '--config', file], { stdio: 'ignore' }));
}
for (const name of names) {
  const file = layout.node(name).config;
  const document = parseDocument(readFileSync(file, 'utf8'));
  document.setIn(['agents', 'modules_path'], modules);
  writeFileSync(file, document.toString());
  start(name);
}

const apiKey = readFileSync(layout.apiKey, 'utf8').trim();
const caPem = readFileSync(layout.caCert, 'utf8');
const clients = new Map<NodeId, Client>(
  names.map((name) => {
    const { host, port } = cluster.config(name).api.bind;
    return [name, createClient({ address: `https://${host}:${port}`, caPem, apiKey })];
  }),
);
const clientOf = (name: NodeId): Client => clients.get(name)!;

async function until(what: string, holds: () => Promise<boolean>, ms = 60_000): Promise<number> {
  const began = performance.now();
  for (;;) {
    if (await holds().catch(() => false)) return performance.now() - began;
    if (performance.now() - began > ms) claim(what, false, `not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const lookup = (at: NodeId, agent: AgentId): Promise<AgentView | undefined> =>
  clientOf(at)
    .agent(agent)
    .catch((error: { code?: string }) => {
      if (error.code === 'UNKNOWN_AGENT') return undefined;
      throw error;
    });

/** Waits until all of these nodes answer so, and claims that it took no longer than the bound. */
async function everywhere(
  what: string,
  agent: AgentId,
  expected: (view: AgentView | undefined) => boolean,
  { at = names, within = boundMs }: { readonly at?: readonly NodeId[]; readonly within?: number } = {},
): Promise<void> {
  const tookMs = await until(what, async () =>
    (await Promise.all(at.map((name) => lookup(name, agent)))).every(expected),
  );
  claim(`${what}, on ${at.length} nodes`, tookMs <= within, `${Math.round(tookMs)} ms, at most ${within}`);
}

const sign = (agentId: AgentId, nodes: readonly NodeId[], generation: number, over: Partial<Manifest> = {}) =>
  signDeployment(
    cluster.deployer,
    {
      agentId,
      kind: 'console',
      code: null,
      services: ['fishing'],
      actions: ['* agent:default/*'],
      agentKey: osCrypto.generateKeyPair('ed25519').publicKey,
      nodes,
      generation,
      now: Date.now(),
      validForMs: 3_600_000,
      ...over,
    } as Parameters<typeof signDeployment>[1],
    osCrypto,
  );

const [one, two, three] = names as [NodeId, NodeId, NodeId];
const heron = 'default/heron' as AgentId;

await until('all see all alive', async () => {
  const lists = await Promise.all(names.map((name) => clientOf(name).members()));
  return lists.every((list) => list.filter(({ status }) => status === 'alive').length === names.length);
});
claim('five nodes see each other', true);

await clientOf(two).deploy(sign(heron, [two], 1));
await everywhere('an agent is known where it lives', heron, (view) => view?.node === two && view.reachable);
const offering = await Promise.all(
  names.map(async (name) =>
    (await clientOf(name).agents({ service: 'default/fishing' })).map(({ agentId }) => agentId),
  ),
);
claim(
  'and found by what it offers',
  offering.every((found) => found.join() === heron),
);

await Promise.all(
  Array.from({ length: many }, (_, i) => clientOf(three).deploy(sign(`default/n${i}` as AgentId, [three], 1))),
);
const manyMs = await until('many', async () =>
  (await Promise.all(names.map((name) => clientOf(name).agents({ node: three })))).every(
    (list) => list.length === many,
  ),
);
claim(`${many} agents of one node are known to all`, manyMs <= boundMs, `${Math.round(manyMs)} ms after the last`);

await clientOf(two).remove(heron);
await everywhere('a removed agent is known by nobody', heron, (view) => view === undefined);

const digest = `sha256:${createHash('sha256').update(crashing).digest('hex')}`;
const wreck = 'default/wreck' as AgentId;
const code = { module: 'crashing.mjs', digest };
await clientOf(one).deploy(sign(`default/console-${one}` as AgentId, [one], 1));
await clientOf(two).deploy(sign(wreck, [two], 1, { kind: 'handler', code }));
await everywhere('an agent that crashes all the time is there', wreck, (view) => view?.node === two);
for (let i = 0; i < 8; i += 1)
  await clientOf(one).send({ to: wreck, performative: 'inform', content: 'go on', timeoutMs: 0 });
await everywhere('it is suspended, and all know', wreck, (view) => view?.state === 'suspended');

// One name on two nodes: each may have been given it before it heard of the other.
const twin = 'default/twin' as AgentId;
await clientOf(one).deploy(sign(twin, [one], 1));
await clientOf(two).deploy(sign(twin, [two], 2));
await everywhere(
  'of two claims the higher generation counts',
  twin,
  (v) => v?.node === two && v.rivals?.join() === one,
);
const reports = await Promise.all(
  names.map(async (name) => {
    const records = (await clientOf(name).auditRecords({ limit: 1_000 })) as {
      type: string;
      identity: string;
      metadata: object;
    }[];
    return JSON.stringify(
      records
        .filter(({ type, identity }) => type === 'AgentConflict' && identity === twin)
        .map(({ metadata }) => metadata),
    );
  }),
);
claim('the conflict is on record everywhere, in the same words', new Set(reports).size === 1, reports[0]);

const others = names.filter((name) => name !== two);
children.get(two)!.kill('SIGKILL');
await everywhere('the claim of a node that is killed yields', twin, (view) => view?.node === one && !view.rivals, {
  at: others,
  within: killBoundMs,
});
await everywhere('an agent of it alone is named as unreachable', wreck, (view) => view?.state === 'unreachable', {
  at: others,
});
start(two);
await everywhere(
  'and when it is back, all is as it was',
  twin,
  (view) => view?.node === two && view.rivals?.join() === one,
  {
    within: 60_000,
  },
);
await everywhere('what it hosted too', wreck, (view) => view?.node === two && view.reachable);
console.log(`     bounds: ${boundMs} ms for a change, ${killBoundMs} ms for a kill`);
process.exit(0);
