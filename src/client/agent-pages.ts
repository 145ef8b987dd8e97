import type { AgentView } from '../actors/operations/control.ts';
import { limits } from '../limits.ts';
import type { AgentId } from '../names.ts';
import type { AgentQuery } from '../protocols/registry/agent-query.ts';

/** Some of the agents; `next` is the last of them when there are more behind it. */
export interface AgentPage {
  readonly items: readonly AgentView[];
  readonly next?: AgentId;
}

/** Gets page after page of the agents that are asked for. */
export async function agentPages(
  { service, node, tenant, after, limit = Number.POSITIVE_INFINITY }: AgentQuery,
  get: (path: string) => Promise<AgentPage>,
): Promise<readonly AgentView[]> {
  const found: AgentView[] = [];
  let next = after;
  do {
    const size = Math.min(limit - found.length, limits.apiRecordsMax);
    const parts = Object.entries({ service, node, tenant, after: next, limit: size });
    const asked = parts.flatMap(([key, value]): [string, string][] =>
      value === undefined ? [] : [[key, String(value)]],
    );
    const page = await get(`/api/v1/agents?${new URLSearchParams(asked)}`);
    found.push(...page.items);
    // Whoever sends pages without end, or goes back, is followed no further.
    next = page.items.length > 0 && (next ?? '') < (page.next ?? '') ? page.next : undefined;
  } while (next !== undefined && found.length < limit);
  return found;
}
