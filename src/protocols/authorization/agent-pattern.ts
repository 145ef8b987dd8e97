import { ok, type Result, refuse } from '../../errors.ts';
import { type AgentId, isAgentId, isName, tenantOf } from '../../names.ts';
import { shown } from '../json/text.ts';

/** A set of agents: one (`default/echo`), all of a tenant (`default/*`), or all (`*`). The text is the value. */
export type AgentPattern = AgentId | `${string}/*` | '*';

/** How exactly a pattern names its agents: 2 for one agent, 1 for a tenant, 0 for all. */
export type Specificity = 0 | 1 | 2;

/** Reads a pattern. MALFORMED. */
export function parseAgentPattern(text: string): Result<AgentPattern> {
  if (text === '*' || isAgentId(text)) return ok(text);
  if (text.endsWith('/*') && isName(text.slice(0, -2))) return ok(text as `${string}/*`);
  return refuse('MALFORMED', `Expected tenant/name, tenant/* or *, found “${shown(text)}”.`);
}

export function specificityOf(pattern: AgentPattern): Specificity {
  if (pattern === '*') return 0;
  return pattern.endsWith('/*') ? 1 : 2;
}

/** Whether the agent is in the set. */
export function matchesAgent(pattern: AgentPattern, agent: AgentId): boolean {
  if (pattern === '*' || pattern === agent) return true;
  return pattern.endsWith('/*') && pattern.slice(0, -2) === tenantOf(agent);
}

/** Whether the agent is in one of the sets. */
export const matchesAny = (patterns: readonly AgentPattern[], agent: AgentId): boolean =>
  patterns.some((pattern) => matchesAgent(pattern, agent));

/** Whether every agent of the set `narrow` is in the set `wide`. A partial order: reflexive and transitive. */
export function containsAgents(wide: AgentPattern, narrow: AgentPattern): boolean {
  if (wide === '*' || wide === narrow) return true;
  return narrow !== '*' && wide.endsWith('/*') && narrow.startsWith(wide.slice(0, -1));
}

/** Whether any agent is in both. */
export const overlapsAgents = (one: AgentPattern, other: AgentPattern): boolean =>
  containsAgents(one, other) || containsAgents(other, one);
