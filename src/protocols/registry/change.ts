import type { AgentId, NodeId } from '../../names.ts';
import type { Registration } from './registry.ts';

/** What is different after a step. */
export type Change =
  | { readonly type: 'added'; readonly agentId: AgentId; readonly now: Registration }
  /** The same node, with other documents, or suspended and not suspended. */
  | { readonly type: 'updated'; readonly agentId: AgentId; readonly before: Registration; readonly now: Registration }
  /** Another node counts now. */
  | { readonly type: 'moved'; readonly agentId: AgentId; readonly before: Registration; readonly now: Registration }
  | { readonly type: 'removed'; readonly agentId: AgentId; readonly before: Registration }
  /** Several nodes claim the agent; the first of `nodes` counts. Reported when the set of them changes. */
  | { readonly type: 'conflict'; readonly agentId: AgentId; readonly nodes: readonly NodeId[] };

/** Compares what counted before with what counts now; `rivals` are the nodes in conflict, then and now. */
export function changeOf(
  agentId: AgentId,
  before: Registration | undefined,
  now: Registration | undefined,
  rivals: readonly NodeId[],
  rivalsBefore: readonly NodeId[],
): readonly Change[] {
  const changes: Change[] = [];
  if (before && now && before !== now)
    changes.push({ type: before.node === now.node ? 'updated' : 'moved', agentId, before, now });
  else if (!before && now) changes.push({ type: 'added', agentId, now });
  else if (before && !now) changes.push({ type: 'removed', agentId, before });
  if (rivals.length > 0 && rivals.join() !== rivalsBefore.join())
    changes.push({ type: 'conflict', agentId, nodes: rivals });
  return changes;
}
