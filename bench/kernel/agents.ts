/** What whole agents cost, each signed, recorded, announced and supervised: `agents.ts handler | chart`. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AgentCode, type ChartAgentEvent, type ChartAgentInput, type Node, setup } from '../../src/index.ts';
import { makeCluster, startNode } from '../caxton.ts';
import { play } from '../runner/process.ts';
import type { Reading } from '../runner/rounds.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const heap = (): number => {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
};

const chart = setup({
  types: { context: {} as ChartAgentInput, events: {} as ChartAgentEvent, input: {} as ChartAgentInput },
}).createMachine({ context: ({ input }) => ({ agent: input.agent }), initial: 'idle', states: { idle: {} } });
const code: AgentCode = process.argv[2] === 'chart' ? chart : () => {};

/** What no deployment of an agent with a new key can do without: the pair of keys, and a signature of a manifest’s length. */
function signaturesAlone(agents: number): number {
  const { privateKey } = generateKeyPairSync('ed25519');
  const manifest = Buffer.alloc(400, 'caxton ');
  const begin = performance.now();
  for (let count = 0; count < agents; count += 1) {
    generateKeyPairSync('ed25519');
    sign(null, manifest, privateKey);
  }
  return performance.now() - begin;
}

const alone = 20;
/** The part of the agents that is there before the memory of the others is measured: caches are full by then. */
const first = 0.3;
/** Announcements and records are out of the way by then. */
const settleMs = 500;

/** Deploys agents at once; how long that took, and how much of the processor. */
async function deployed(node: Node, names: readonly `default/${string}`[]): Promise<{ ms: number; cpuMs: number }> {
  const used = process.cpuUsage();
  const begin = performance.now();
  await Promise.all(names.map((name) => node.deploy(name, code)));
  const ms = performance.now() - begin;
  const { user, system } = process.cpuUsage(used);
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  return { ms, cpuMs: (user + system) / 1_000 };
}

async function round({ agents }: { agents: number }): Promise<Reading> {
  const cluster = await makeCluster(['node-1']);
  try {
    const node = await startNode(cluster.folder, 'node-1');
    const begin = performance.now();
    for (let n = 0; n < alone; n += 1) await node.deploy(`default/first-${n}`, code);
    const oneMs = (performance.now() - begin) / alone;
    const signMs = signaturesAlone(agents);
    const names = Array.from({ length: agents }, (_, n) => `default/agent-${n}` as const);
    const most = Math.floor(agents * first);
    const one = await deployed(node, names.slice(0, most));
    const before = heap();
    const two = await deployed(node, names.slice(most));
    const bytes = (heap() - before) / (agents - most);
    const end = performance.now();
    await node.stop();
    const sums = { deployMs: one.ms + two.ms, cpuMs: one.cpuMs + two.cpuMs };
    return { oneMs, ...sums, bytes, signMs, stopMs: performance.now() - end };
  } finally {
    await cluster.remove();
  }
}

play({ round });
