import { LRUCache } from 'lru-cache';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Rate } from '../../../protocols/authorization/rate.ts';
import type { Clock } from '../../kernel/ports.ts';

/**
 * How much of one thing a peer may put upon this node: a member with a good certificate may still be in the wrong hands,
 * and what costs it nothing to send must not keep a core busy here. One budget a peer, spent after the fact (so that it
 * may be overdrawn once) and filled again with time.
 */
export class Patience<Key extends string = NodeId> {
  readonly #clock: Clock;
  readonly #rate: Rate;
  /** When each budget is whole again. By authenticated peer: nobody can invent keys to have a debt forgotten. */
  readonly #wholeAtMs = new LRUCache<Key, number>({ max: limits.membersMax });

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Whether this node has patience with the peer now. */
  with(peer: Key): boolean {
    const owedMs = (this.#wholeAtMs.get(peer) ?? 0) - this.#clock.monotonic();
    return owedMs < this.#rate.burst * this.#eachMs;
  }

  /** Takes so much from the peer’s budget; less than it has or more. A negative cost gives back. */
  spend(peer: Key, cost = 1): void {
    const now = this.#clock.monotonic();
    this.#wholeAtMs.set(peer, Math.max(now, this.#wholeAtMs.get(peer) ?? now) + cost * this.#eachMs);
  }

  get #eachMs(): number {
    return this.#rate.periodMs / this.#rate.count;
  }
}
