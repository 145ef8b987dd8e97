import { ok, type Result, refuse } from '../../errors.ts';
import {
  type AgentPattern,
  containsAgents,
  overlapsAgents,
  parseAgentPattern,
} from '../authorization/agent-pattern.ts';
import { parsed, type Shape, text } from '../json/shape.ts';
import { shown } from '../json/text.ts';

/** What a permission is for: `*` everything, `cluster` what belongs to no agent, `agent:` one agent or a set of them. */
export type Resource = '*' | 'cluster' | `agent:${AgentPattern}`;

/** `agent:tenant/name`, `agent:tenant/*`, `agent:*`, `cluster` or `*`. MALFORMED. */
export function parseResource(written: string): Result<Resource> {
  if (written === '*' || written === 'cluster') return ok<Resource>(written);
  const agents = written.startsWith('agent:') ? parseAgentPattern(written.slice('agent:'.length)) : undefined;
  if (agents?.ok) return ok<Resource>(`agent:${agents.value}`);
  return refuse(
    'MALFORMED',
    `Expected *, cluster, agent:tenant/name, agent:tenant/* or agent:*, found “${shown(written)}”.`,
  );
}

export const resource: Shape<Resource> = parsed(text(133), parseResource);

/** The agents of a resource; undefined when it is not about agents alone. */
const agentsOf = (of: Resource): AgentPattern | undefined =>
  of.startsWith('agent:') ? (of.slice('agent:'.length) as AgentPattern) : undefined;

/** Whether all of `wanted` is in `granted`. */
export function coversResource(granted: Resource, wanted: Resource): boolean {
  if (granted === '*' || granted === wanted) return true;
  const [wide, narrow] = [agentsOf(granted), agentsOf(wanted)];
  return wide !== undefined && narrow !== undefined && containsAgents(wide, narrow);
}

/** Whether anything of `wanted` is in `denied`. */
export function touchesResource(denied: Resource, wanted: Resource): boolean {
  if (denied === '*' || wanted === '*' || denied === wanted) return true;
  const [one, other] = [agentsOf(denied), agentsOf(wanted)];
  return one !== undefined && other !== undefined && overlapsAgents(one, other);
}
