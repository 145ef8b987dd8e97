import { LRUCache } from 'lru-cache';
import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { readServiceAddress } from '../../protocols/registry/service-address.ts';
import type { AgentRegistry } from './agent-registry.ts';

export interface ServiceChoiceOptions {
  readonly nodeId: NodeId;
  readonly registry: AgentRegistry;
  readonly isLinked: (node: NodeId) => boolean;
}

/** Which agents a message to a service goes to. They are judged as receivers like any other. */
export class ServiceChoice {
  readonly #options: ServiceChoiceOptions;
  /** How many messages went to a service in turn. Forgotten, a turn begins anew. */
  readonly #turns = new LRUCache<string, number>({ max: limits.serviceTurnsMax });

  constructor(options: ServiceChoiceOptions) {
    this.#options = options;
  }

  /** Who offers `tenant/name` and can be reached now: those of this node first, then by name. */
  reachable(service: string): readonly AgentId[] {
    const { nodeId, registry, isLinked } = this.#options;
    const offers = registry.offering(service);
    const here = offers.filter((offer) => offer.nodeId === nodeId);
    const there = offers.filter((offer) => offer.nodeId !== nodeId && isLinked(offer.nodeId));
    return [...here, ...there].map(({ agentId }) => agentId);
  }

  /**
   * The receivers of one message from `sender`, never itself; several for `pick=all` only. MALFORMED, UNKNOWN_AGENT when
   * nobody offers the service, UNREACHABLE when none of those who do has a link.
   */
  of(address: string, sender: AgentId): Result<readonly AgentId[]> {
    const read = readServiceAddress(address);
    if (!read.ok) return read;
    const { service, pick } = read.value;
    const able = this.reachable(service).filter((agent) => agent !== sender);
    if (able.length === 0) {
      const someone = this.#options.registry.offering(service).some(({ agentId }) => agentId !== sender);
      return someone
        ? refuse('UNREACHABLE', `Nobody who offers ${service} can be reached now.`)
        : refuse('UNKNOWN_AGENT', `Nobody else offers ${service}.`);
    }
    if (pick === 'all') return ok(able);
    if (pick === 'best') return ok(able.slice(0, 1));
    const turn = this.#turns.get(service) ?? 0;
    this.#turns.set(service, turn + 1);
    return ok([able[turn % able.length]!]);
  }
}
