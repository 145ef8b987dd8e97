import type { AgentId, NodeId } from '../../names.ts';
import type { Change } from '../../protocols/registry/change.ts';
import type { AgentRegistry } from './agent-registry.ts';

export interface SupersededAgentsOptions {
  readonly nodeId: NodeId;
  readonly registry: Pick<AgentRegistry, 'hostOf' | 'ownDocuments'>;
  readonly suspend: (agent: AgentId) => void;
  readonly resume: (agent: AgentId) => void;
}

/**
 * Agents of this node whose name another node’s claim takes. Routing gives them nothing and takes nothing from them;
 * suspended, they also do nothing by themselves, until the claim counts again or they are removed.
 */
export class SupersededAgents {
  readonly #options: SupersededAgentsOptions;
  readonly #suspended = new Set<AgentId>();

  constructor(options: SupersededAgentsOptions) {
    this.#options = options;
  }

  /** The registry answers differently now. */
  changed(changes: readonly Change[]): void {
    const { nodeId, registry, suspend, resume } = this.#options;
    for (const { agentId } of changes) {
      const lost = registry.ownDocuments(agentId) !== undefined && registry.hostOf(agentId) !== nodeId;
      if (lost === this.#suspended.has(agentId)) continue;
      if (lost) {
        this.#suspended.add(agentId);
        suspend(agentId);
      } else {
        this.#suspended.delete(agentId);
        resume(agentId);
      }
    }
  }
}
