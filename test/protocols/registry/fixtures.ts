import { refuse } from '../../../src/errors.ts';
import type { AgentId, NodeId } from '../../../src/names.ts';
import { applyDelta, type DeltaStep, type VerifyDocuments } from '../../../src/protocols/registry/delta-step.ts';
import { nodeBooted } from '../../../src/protocols/registry/node-step.ts';
import type { RegistryDelta, RegistryRecord } from '../../../src/protocols/registry/record.ts';
import {
  emptyRegistry,
  lookup,
  type RegistryState,
  type RegistryStep,
} from '../../../src/protocols/registry/registry.ts';
import { capability } from '../authorization/fixtures.ts';
import { manifest } from '../deployment/fixtures.ts';

/** A signed text stands for its content here: `agent generation nodes service`. */
export const verify: VerifyDocuments = ({ manifest: text }) => {
  const [agent, generation, nodes, service] = text.split(' ');
  if (!generation || !nodes) return refuse('DEPLOYMENT_REFUSED', 'Not signed by a trusted deployer.');
  const agentId = agent as AgentId;
  return {
    ok: true,
    value: {
      manifest: {
        ...manifest,
        agentId,
        generation: Number(generation),
        placement: { nodes: nodes.split(',') as NodeId[] },
        services: service ? [service] : [],
      },
      capability: { ...capability, subject: agentId },
    },
  };
};

export const everywhere = 'node-1,node-2,node-3';

export const live = (
  agentId: AgentId,
  node: NodeId,
  version: number,
  text = '1 node-1,node-2 echo',
): RegistryRecord => ({
  agentId,
  node,
  version,
  documents: version,
  state: 'live',
  manifest: `${agentId} ${text}`,
  capability: 'signed',
});

export const gone = (agentId: AgentId, node: NodeId, version: number): RegistryRecord => ({
  ...live(agentId, node, version),
  state: 'gone',
  manifest: '',
  capability: '',
});

/** Only the state of an agent has changed since its documents came. */
export const state = (
  agentId: AgentId,
  node: NodeId,
  version: number,
  documents: number,
  now: 'live' | 'suspended',
): RegistryRecord => ({ agentId, node, version, documents, state: now, manifest: '', capability: '' });

export function boot(before: RegistryState, node: NodeId, epoch: number): RegistryStep {
  const step = nodeBooted(before, node, epoch);
  if (!step.ok) throw new Error(step.refusal.reasons[0]);
  return step.value;
}

export const booted = (...nodes: NodeId[]): RegistryState =>
  nodes.reduce((before, node) => boot(before, node, 1).state, emptyRegistry);

/** Changes in the order of their numbers, as who keeps up is told them. */
export const apply = (before: RegistryState, from: NodeId, ...records: RegistryRecord[]): DeltaStep => {
  const upTo = records.at(-1)?.version ?? 0;
  const above = Math.min(before.nodes.get(from)?.upTo ?? 0, upTo);
  return applyDelta(before, from, { pass: 0, above, upTo, newest: upTo, records }, verify);
};

export const tell = (before: RegistryState, from: NodeId, delta: Partial<RegistryDelta>): DeltaStep => {
  const { pass = 0, above = 0, records = [], upTo = records.at(-1)?.version ?? 0, newest = upTo } = delta;
  return applyDelta(before, from, { pass, above, upTo, newest, records }, verify);
};

export const codes = (step: RegistryStep): string[] => step.refusals.map(({ refusal }) => refusal.code);
export const types = (step: RegistryStep): string[] => step.changes.map(({ type }) => type);
export const host = (before: RegistryState, agent: AgentId): NodeId | undefined => lookup(before, agent)?.node;
