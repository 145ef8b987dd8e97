import { limits } from '../../limits.ts';
import type { AgentId } from '../../names.ts';

/** The newest that a node wrote about one of its agents. */
export interface Write {
  readonly version: number;
  readonly agentId: AgentId;
  /** The version that brought the documents that count now. */
  readonly documents: number;
  readonly gone: boolean;
}

/** Room for numbers that are over before the list of them is made anew. */
const slack = 1_024;

/**
 * What a node wrote about its agents in this boot, in the order of its numbers; of each agent just the newest. That one
 * is gone has to be told only to who may have heard that it was there, so it is forgotten when all have (`forgetGone`),
 * and when there are too many: whoever has not heard of them by then is given a listing.
 */
export class WriteLog {
  readonly #goneMax: number;
  /** The newest number that was given; a record that this node refused itself may have had it. */
  newest = 0;
  /** The newest removal that was forgotten. */
  horizon = 0;
  /** Listings that were begun, for whomever: so that none has the number of one before, which may still be on its way. */
  listings = 0;
  readonly #agents = new Map<number, AgentId>();
  /** All numbers in their order, with some that are over. */
  #order: number[] = [];
  /** Agents that are gone, and with which number. */
  readonly #gone = new Map<AgentId, number>();
  /** Where only the state has changed since the documents came. */
  readonly #documents = new Map<AgentId, number>();

  /** `goneMax`: how many removals are remembered at most. */
  constructor(goneMax: number = limits.registryRemovalsMax) {
    this.#goneMax = goneMax;
  }

  /** How many removals are remembered. */
  get gone(): number {
    return this.#gone.size;
  }

  /** The number of the next write. */
  next(): number {
    this.newest += 1;
    return this.newest;
  }

  /** The agent is there with new documents. `before`: the version that it had until now; the same below. */
  live(agent: AgentId, version: number, before: number | undefined): void {
    this.#documents.delete(agent);
    this.#put(agent, version, before);
  }

  /** Only its state has changed. */
  changed(agent: AgentId, version: number, before: number): void {
    if (!this.#documents.has(agent)) this.#documents.set(agent, before);
    this.#put(agent, version, before);
  }

  /** It is there no more. */
  removed(agent: AgentId, version: number, before: number): void {
    this.#documents.delete(agent);
    this.#put(agent, version, before);
    this.#gone.set(agent, version);
    if (this.#gone.size <= this.#goneMax) return;
    // Several at once: to find the oldest is a walk over those that went before it.
    let left = Math.ceil(this.#goneMax / 16) || 1;
    for (const [oldest, number] of this.#gone) {
      this.#forget(oldest, number);
      left -= 1;
      if (left === 0) return;
    }
  }

  /** Everybody has heard of what was removed up to this number. */
  forgetGone(upTo: number): void {
    for (const [agent, version] of this.#gone) {
      if (version > upTo) return;
      this.#forget(agent, version);
    }
  }

  /** What was written after this number, oldest first. Not to be gone on with once something else was written. */
  *after(version: number): Generator<Write> {
    let [at, end] = [0, this.#order.length];
    while (at < end) {
      const middle = (at + end) >>> 1;
      if (this.#order[middle]! <= version) at = middle + 1;
      else end = middle;
    }
    for (; at < this.#order.length; at += 1) {
      const number = this.#order[at]!;
      const agentId = this.#agents.get(number);
      if (agentId === undefined) continue;
      const documents = this.#documents.get(agentId) ?? number;
      yield { version: number, agentId, documents, gone: this.#gone.get(agentId) === number };
    }
  }

  #put(agent: AgentId, version: number, before: number | undefined): void {
    const over = before ?? this.#gone.get(agent);
    if (over !== undefined) this.#agents.delete(over);
    this.#gone.delete(agent);
    this.#agents.set(version, agent);
    this.#order.push(version);
    this.#tidy();
  }

  #forget(agent: AgentId, version: number): void {
    this.#gone.delete(agent);
    this.#agents.delete(version);
    this.horizon = version;
    this.#tidy();
  }

  #tidy(): void {
    if (this.#order.length <= 2 * this.#agents.size + slack) return;
    this.#order = this.#order.filter((version) => this.#agents.has(version));
  }
}
