import type { AgentId, NodeId } from '../../names.ts';
import type { PersistentMap } from '../persistent-map.ts';

/** Which nodes claim an agent, in no order; hardly ever more than one, so that one is kept without a list around it. */
export type ClaimIndex = PersistentMap<AgentId, NodeId | readonly NodeId[]>;

/** The nodes that claim the agent. */
export function claimantsOf(index: ClaimIndex, agent: AgentId): readonly NodeId[] {
  const claimants = index.get(agent);
  if (claimants === undefined) return [];
  return typeof claimants === 'string' ? [claimants] : claimants;
}

/** The index after the node has claimed the agent, or has given it up. */
export function claimed(index: ClaimIndex, agent: AgentId, node: NodeId, claims: boolean): ClaimIndex {
  const before = claimantsOf(index, agent);
  if (before.includes(node) === claims) return index;
  const now = claims ? [...before, node] : before.filter((other) => other !== node);
  const [only] = now;
  if (only === undefined) return index.without(agent);
  return index.with(agent, now.length === 1 ? only : now);
}
