import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClusterLayout, clusterLayout } from '../src/development/layout.ts';
import {
  type AgentCode,
  type AgentContext,
  type CreateNodeOptions,
  createNode,
  developmentCluster,
  type Node,
  type NodeId,
} from '../src/index.ts';

/**
 * What Caxton’s contenders share. Everything that judges a message is on: capability, policy, replay window, rate limit,
 * audit. Only the rate is set so high that it refuses nobody, and previews are off, as they are outside development.
 */
const policy = `policies:
  - receiver: default/*
    allowed_senders: [default/*]
    permitted_operations:
      - performatives: [request, inform]
    rate_limits:
      default: 1000000/s
`;

export interface BenchCluster {
  readonly folder: string;
  readonly layout: ClusterLayout;
  remove(): Promise<void>;
}

/** Keys, certificates and configurations for nodes on loopback, in a temporary folder. */
export async function makeCluster(nodes: readonly string[]): Promise<BenchCluster> {
  const temporary = await mkdtemp(join(tmpdir(), 'caxton-bench-'));
  const { folder } = await developmentCluster({ folder: join(temporary, 'cluster'), nodes, policy });
  const layout = clusterLayout(folder);
  for (const id of nodes) {
    const { config } = layout.node(id as NodeId);
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace('show_message_previews: true', 'show_message_previews: false'));
  }
  return { folder, layout, remove: () => rm(temporary, { recursive: true, force: true }) };
}

/**
 * A node of such a cluster in this process. One that waits to be joined dials nobody: were both to dial, a second link
 * could take the place of the first while a round runs.
 */
export async function startNode(
  folder: string,
  id: string,
  way: 'joins' | 'is joined' = 'joins',
  options: CreateNodeOptions = {},
): Promise<Node> {
  const { config: configOf, deployer } = await developmentCluster({ folder, nodes: [id] });
  const config = configOf(id);
  const cluster = way === 'joins' ? config.cluster : { ...config.cluster, join: [] };
  return createNode({ ...config, cluster }, { deployer, ...options });
}

/** Deploys an agent, and gives its own voice: what it says is judged as the agent’s. */
export async function deployAgent(
  node: Node,
  name: string,
  code: AgentCode,
  options: { readonly actions?: readonly string[]; readonly services?: readonly string[] } = {},
): Promise<AgentContext> {
  const { agent } = await node.deploy(`default/${name}`, code, options);
  return agent;
}

/** Answers each request with its content. */
export const echo: AgentCode = (message, agent) => {
  agent.reply(message, { performative: 'inform', content: message.content });
};

/** 300 bytes, the size of a small JSON document. */
export const payload: Uint8Array = Buffer.alloc(300, 'caxton ');
