/** What whole agents cost, each signed, recorded, announced and supervised: `agents.ts handler | chart`. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AgentCode, type ChartAgentEvent, type ChartAgentInput, setup } from '../../src/index.ts';
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

async function round({ agents }: { agents: number }): Promise<Reading> {
  const cluster = await makeCluster(['node-1']);
  try {
    const node = await startNode(cluster.folder, 'node-1');
    const first = performance.now();
    for (let n = 0; n < alone; n += 1) await node.deploy(`default/first-${n}`, code);
    const oneMs = (performance.now() - first) / alone;
    const signMs = signaturesAlone(agents);
    const names = Array.from({ length: agents }, (_, n) => `default/agent-${n}` as const);
    const before = heap();
    const used = process.cpuUsage();
    const begin = performance.now();
    await Promise.all(names.map((name) => node.deploy(name, code)));
    const deployMs = performance.now() - begin;
    const { user, system } = process.cpuUsage(used);
    const bytes = (heap() - before) / agents;
    const end = performance.now();
    await node.stop();
    return { oneMs, deployMs, cpuMs: (user + system) / 1_000, bytes, signMs, stopMs: performance.now() - end };
  } finally {
    await cluster.remove();
  }
}

play({ round });
