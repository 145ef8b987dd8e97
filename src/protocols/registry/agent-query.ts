import { type AgentId, type NodeId, tenantOf } from '../../names.ts';
import { byNode, byService, lookup, type Registration, type RegistryState } from './registry.ts';

/** Which agents are asked for: those of which all of it is true. */
export interface AgentQuery {
  /** They offer it: a name, in whatever tenant, or `tenant/name`. */
  readonly service?: string;
  /** It hosts them. */
  readonly node?: NodeId;
  readonly tenant?: string;
  /** Only those behind this one, in the order of their names; it need not be there. */
  readonly after?: AgentId;
  /** At most so many, from 1; default all. */
  readonly limit?: number;
}

/** The registrations that count and are asked for, of agents that `isVisible` lets be seen, by agent id. Costs as much as what it walks: one service, one node, or all. */
export function agentsOf(
  state: RegistryState,
  query: AgentQuery,
  isVisible: (agent: AgentId) => boolean = () => true,
): readonly Registration[] {
  const { service, node, tenant, after = '', limit = Number.POSITIVE_INFINITY } = query;
  const [inTenant, name] = service?.includes('/') ? service.split('/', 2) : [tenant, service];
  if (tenant !== undefined && inTenant !== tenant) return [];
  const isAsked = ({ manifest, node: host }: Registration): boolean =>
    manifest.agentId > after &&
    (inTenant === undefined || tenantOf(manifest.agentId) === inTenant) &&
    (node === undefined || host === node) &&
    (name === undefined || manifest.services.includes(name)) &&
    isVisible(manifest.agentId);
  if (inTenant !== undefined && name !== undefined)
    return byService(state, `${inTenant}/${name}`).filter(isAsked).slice(0, limit);
  if (node !== undefined) return byNode(state, node).filter(isAsked).slice(0, limit);
  return first(everyAgent(state, isAsked), limit);
}

function* everyAgent(state: RegistryState, isAsked: (claim: Registration) => boolean): Generator<Registration> {
  for (const agent of state.claims.keys()) {
    const claim = lookup(state, agent);
    if (claim && isAsked(claim)) yield claim;
  }
}

/** The first of them by name. A page of many costs no sort of all. */
function first(claims: Iterable<Registration>, limit: number): readonly Registration[] {
  const byName = (a: Registration, b: Registration): number => (a.manifest.agentId < b.manifest.agentId ? -1 : 1);
  if (limit === Number.POSITIVE_INFINITY) return [...claims].sort(byName);
  let kept: Registration[] = [];
  let last = '';
  for (const claim of claims) {
    if (last !== '' && claim.manifest.agentId > last) continue;
    kept.push(claim);
    if (kept.length < 2 * limit) continue;
    kept = kept.sort(byName).slice(0, limit);
    last = kept.at(-1)!.manifest.agentId;
  }
  return kept.sort(byName).slice(0, limit);
}
