import { limits } from '../../limits.ts';
import { gcra } from './gcra.ts';
import type { Rate } from './rate.ts';

export interface Spending {
  readonly allowed: boolean;
  /** Milliseconds until another try makes sense; 0 when allowed. */
  readonly retryAfterMs: number;
  /** The key is new and the table has no room: nothing was spent or remembered. */
  readonly full?: true;
}

/** Entries looked at in each call, and by a newcomer to a full table. */
const sweepSteps = 2;
const newcomerSweepSteps = 64;
const fullRetryMs = 1_000;

/**
 * The budgets of many keys in bounded room. Only entries whose time has passed are given up (such a key is as good as
 * new); a table full of live ones refuses newcomers, because forgetting a debt would let whoever can invent keys spend
 * without end. Each call costs O(1): the search for old entries goes round and round, a few at a time.
 */
export class RateTable {
  readonly #tats = new Map<string, number>();
  readonly #keysMax: number;
  #sweep: MapIterator<[string, number]> | undefined;
  /** Times are kept from the first call on: small numbers lose no fractions. */
  #originMs: number | undefined;

  constructor(keysMax: number = limits.rateLimitKeysMax) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#tats.size;
  }

  /** Takes `cost` messages from the budget of `key`. `nowMs` of one monotonic clock for all calls. */
  spend(key: string, rate: Rate, nowMs: number, cost = 1): Spending {
    this.#originMs ??= nowMs;
    const now = nowMs - this.#originMs;
    this.#giveUpOld(now, sweepSteps, key);
    const known = this.#tats.get(key);
    if (known === undefined && this.#tats.size >= this.#keysMax) {
      this.#giveUpOld(now, newcomerSweepSteps, key);
      if (this.#tats.size >= this.#keysMax) return { allowed: false, retryAfterMs: fullRetryMs, full: true };
    }
    const step = gcra(known, now, rate, cost);
    if (step.allowed || known !== undefined) this.#tats.set(key, step.tat);
    return { allowed: step.allowed, retryAfterMs: step.retryAfterMs };
  }

  /** The key that is being spent from stays: it would only be made anew. */
  #giveUpOld(now: number, steps: number, spending: string): void {
    for (let i = 0; i < steps && this.#tats.size > 0; i++) {
      this.#sweep ??= this.#tats.entries();
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = undefined;
        continue;
      }
      const [key, tat] = next.value;
      if (tat <= now && key !== spending) this.#tats.delete(key);
    }
  }
}
