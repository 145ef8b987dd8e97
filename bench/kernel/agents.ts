/** What whole agents cost, signed, recorded, announced: `agents.ts handler | chart`. */
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
const handler: AgentCode = () => {};
const code = process.argv[2] === 'chart' ? chart : handler;

async function round({ agents }: { agents: number }): Promise<Reading> {
  const cluster = await makeCluster(['node-1']);
  try {
    const node = await startNode(cluster.folder, 'node-1');
    await node.deploy('default/first', code);
    const before = heap();
    const begin = performance.now();
    const names = Array.from({ length: agents }, (_, n) => `default/agent-${n}` as const);
    await Promise.all(names.map((name) => node.deploy(name, code)));
    const deployMs = performance.now() - begin;
    const bytes = (heap() - before) / agents;
    const stopBegin = performance.now();
    await node.stop();
    return { deployMs, bytes, stopMs: performance.now() - stopBegin };
  } finally {
    await cluster.remove();
  }
}

if (process.send) play({ round });
else console.log(await round({ agents: Number(process.argv[3] ?? 10_000) }));
