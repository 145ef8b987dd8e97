import { createHash, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signDeployment as sign } from '../../actors/agents/deployer.ts';
import type { Crypto } from '../../crypto/port.ts';
import type { AgentId, NodeId } from '../../names.ts';

/** The agents of `npm start`: their code lies beside this file, as TypeScript in a clone and JavaScript in the package. */
export const agentModulesFolder = join(dirname(fileURLToPath(import.meta.url)), 'agents');

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const capabilityMs = 90 * 86_400_000;

export interface DemoAgent {
  readonly agentId: AgentId;
  readonly node: NodeId;
  readonly kind: 'handler' | 'chart' | 'console';
  /** Name of the file in the folder, without its ending. */
  readonly module?: string;
  readonly services: readonly string[];
  /** Actions that its capability grants. */
  readonly actions: readonly string[];
}

const agent = (name: string): AgentId => `default/${name}` as AgentId;
const node = (name: string): NodeId => name as NodeId;

export const demoAgents: readonly DemoAgent[] = [
  ...['node-1', 'node-2', 'node-3'].map(
    (id): DemoAgent => ({
      agentId: agent(`console-${id}`),
      node: node(id),
      kind: 'console',
      services: [],
      actions: ['* agent:default/*'],
    }),
  ),
  { agentId: agent('echo'), node: node('node-1'), kind: 'handler', module: 'echo', services: ['echo'], actions: [] },
  {
    agentId: agent('planner'),
    node: node('node-1'),
    kind: 'chart',
    module: 'planner',
    services: ['planning'],
    actions: ['cfp agent:default/*', 'accept-proposal agent:default/*', 'reject-proposal agent:default/*'],
  },
  {
    agentId: agent('worker-a'),
    node: node('node-2'),
    kind: 'handler',
    module: 'worker',
    services: ['factoring'],
    actions: [],
  },
  {
    agentId: agent('worker-b'),
    node: node('node-3'),
    kind: 'handler',
    module: 'worker',
    services: ['factoring'],
    actions: [],
  },
  // Deployed and signed like the others, but its capability names only echo: what else it tries is refused.
  {
    agentId: agent('intruder'),
    node: node('node-3'),
    kind: 'handler',
    module: 'intruder',
    services: [],
    actions: ['request agent:default/echo'],
  },
];

export interface SignedDeployment {
  readonly agent: DemoAgent;
  readonly manifest: string;
  readonly capability: string;
}

/** Signs one deployment: manifest and capability, by the deployer. `now` in milliseconds since 1970. */
export async function signDeployment(
  demo: DemoAgent,
  deployer: KeyObject,
  crypto: Crypto,
  generation: number,
  now: number,
): Promise<SignedDeployment> {
  const file = demo.module === undefined ? undefined : `${demo.module}.${extension}`;
  const digest =
    file &&
    createHash('sha256')
      .update(await readFile(join(agentModulesFolder, file)))
      .digest('hex');
  const signed = sign(
    deployer,
    {
      agentId: demo.agentId,
      kind: demo.kind,
      code: file ? { module: file, digest: `sha256:${digest}` } : null,
      services: demo.services,
      actions: demo.actions,
      agentKey: crypto.generateKeyPair('ed25519').publicKey,
      nodes: [demo.node],
      generation,
      now,
      validForMs: capabilityMs,
    },
    crypto,
  );
  return { agent: demo, ...signed };
}
