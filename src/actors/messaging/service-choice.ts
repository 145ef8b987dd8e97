import { LRUCache } from 'lru-cache';
import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { readServiceAddress } from '../../protocols/registry/service-address.ts';
import type { Draft } from '../agents/behaviour.ts';
import type { AgentRegistry } from './agent-registry.ts';

/** What is known of a message once it is sent. */
export interface Told {
  readonly id: string;
  readonly conversationId: string;
}

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

  /**
   * Who offers `tenant/name` and can be reached now: those of this node first, then by name. Who handles nothing now is
   * among them only when nobody else is there: what it is sent waits.
   */
  reachable(service: string, but?: AgentId): readonly AgentId[] {
    const { nodeId, registry, isLinked } = this.#options;
    const offers = registry.offering(service).filter(({ manifest }) => manifest.agentId !== but);
    const here = offers.filter(({ node }) => node === nodeId);
    const there = offers.filter(({ node }) => node !== nodeId && isLinked(node));
    const all = [...here, ...there];
    const awake = all.filter(({ suspended }) => !suspended);
    return (awake.length > 0 ? awake : all).map(({ manifest }) => manifest.agentId);
  }

  /** Tells who is picked, all in one conversation; the answer is that of the first who takes it. */
  tell(sender: AgentId, draft: Draft, tell: (one: Draft) => Result<Told>): Result<Told> {
    const chosen = this.#of(draft.to, sender);
    if (!chosen.ok) return chosen;
    const [first, ...others] = chosen.value;
    // One refused says nothing about the next: another node, another policy.
    return others.reduce<Result<Told>>(
      (before, to) => {
        const conversation = before.ok ? { conversationId: before.value.conversationId } : {};
        const next = tell({ ...draft, ...conversation, to });
        return before.ok || !next.ok ? before : next;
      },
      tell({ ...draft, to: first! }),
    );
  }

  /** A question for the one that is picked. MALFORMED when several are. */
  one(sender: AgentId, draft: Draft): Result<Draft> {
    const chosen = this.#of(draft.to, sender);
    if (!chosen.ok) return chosen;
    const [to, ...others] = chosen.value;
    if (others.length === 0) return ok({ ...draft, to: to! });
    return refuse('MALFORMED', 'One answer is awaited: ask with ?pick=best or ?pick=rr.');
  }

  /**
   * The receivers of one message from `sender`, never itself; several for `pick=all` only. MALFORMED, UNKNOWN_AGENT when
   * nobody offers the service, UNREACHABLE when none of those who do has a link.
   */
  #of(address: string, sender: AgentId): Result<readonly AgentId[]> {
    const read = readServiceAddress(address);
    if (!read.ok) return read;
    const { service, pick } = read.value;
    const able = this.reachable(service, sender);
    if (able.length === 0) {
      const someone = this.#options.registry.offering(service).some(({ manifest }) => manifest.agentId !== sender);
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
