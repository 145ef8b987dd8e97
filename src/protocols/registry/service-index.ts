import { type AgentId, tenantOf } from '../../names.ts';
import { PersistentMap } from '../persistent-map.ts';
import type { Registration } from './registry.ts';

/**
 * Which agents some node says offer a service, by `tenant/service`; the number is how many nodes say so. Whoever asks
 * still has to look which of the claims counts: the index only spares a walk over all agents. Agents without services
 * cost nothing in it.
 */
export type ServiceIndex = PersistentMap<string, PersistentMap<AgentId, number>>;

/** The index after a claim is there in place of another one of the same node and agent; `undefined`: none. */
export function reindexed(
  index: ServiceIndex,
  agent: AgentId,
  before: Registration | undefined,
  now: Registration | undefined,
): ServiceIndex {
  const [old, fresh] = [servicesOf(before), servicesOf(now)];
  let next = index;
  for (const service of old) if (!fresh.has(service)) next = counted(next, agent, service, -1);
  for (const service of fresh) if (!old.has(service)) next = counted(next, agent, service, 1);
  return next;
}

/** A manifest may name a service twice. */
const servicesOf = (claim: Registration | undefined): ReadonlySet<string> => new Set(claim?.manifest.services);

function counted(index: ServiceIndex, agent: AgentId, service: string, by: 1 | -1): ServiceIndex {
  const name = `${tenantOf(agent)}/${service}`;
  const offering = index.get(name) ?? PersistentMap.empty<AgentId, number>();
  const nodes = (offering.get(agent) ?? 0) + by;
  const rest = nodes > 0 ? offering.with(agent, nodes) : offering.without(agent);
  return rest.size > 0 ? index.with(name, rest) : index.without(name);
}
