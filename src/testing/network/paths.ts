import type { Random } from '../../actors/kernel/ports.ts';
import { drawChance, drawPart } from '../seeded-random.ts';

/** How a path between two hosts behaves. Links feel the delay alone: they are reliable and keep their order. */
export interface PathConditions {
  /** The least one-way delay, in milliseconds. */
  readonly latencyMs: number;
  /** Added to it, uniform from 0 to this. Datagrams overtake each other within it. */
  readonly jitterMs: number;
  /** The part of datagrams that is lost, 0 to 1. */
  readonly loss: number;
  /** The part of datagrams that arrives twice, 0 to 1. */
  readonly duplication: number;
  /** The part of datagrams that is held back, by up to four latencies and jitters more, so that later ones pass them. */
  readonly reordering: number;
}

/** One millisecond each way, and nothing goes wrong. */
export const quietPath: PathConditions = { latencyMs: 1, jitterMs: 0, loss: 0, duplication: 0, reordering: 0 };

/** What is sent: links and datagrams may fare differently on one path, as behind a firewall that knows one of them. */
export type Traveller = 'link' | 'datagram';

/** What becomes of one datagram: the delay of each copy that will arrive; none when it is lost. */
export type DatagramFate = readonly number[];

const keyOf = (from: string, to: string): string => `${from} ${to}`;
const cutKeyOf = (from: string, to: string, what: Traveller): string => `${what} ${keyOf(from, to)}`;

/** Who reaches whom, and how late; by names of hosts. A host always reaches itself. */
export class Paths {
  readonly #random: Random;
  #usual: PathConditions;
  readonly #special = new Map<string, PathConditions>();
  #sideOf = new Map<string, number>();
  readonly #cut = new Set<string>();
  readonly #down = new Set<string>();
  readonly #paused = new Set<string>();
  readonly #muted = new Set<string>();

  constructor(random: Random, usual: PathConditions) {
    this.#random = random;
    this.#usual = usual;
  }

  /** Without hosts: all paths that have no conditions of their own. */
  setConditions(change: Partial<PathConditions>, from?: string, to?: string): void {
    if (from === undefined || to === undefined) this.#usual = { ...this.#usual, ...change };
    else this.#special.set(keyOf(from, to), { ...this.#conditions(from, to), ...change });
  }

  /** Hosts of different groups do not reach each other; one that is in no group reaches all. */
  partition(groups: readonly (readonly string[])[]): void {
    this.#sideOf = new Map(groups.flatMap((group, side) => group.map((host) => [host, side] as const)));
  }

  cut(from: string, to: string, what?: Traveller): void {
    for (const one of what ? [what] : (['link', 'datagram'] as const)) this.#cut.add(cutKeyOf(from, to, one));
  }

  /** Ends every partition and every cut. */
  heal(): void {
    this.#sideOf.clear();
    this.#cut.clear();
  }

  setDown(host: string, down: boolean): void {
    if (down) this.#down.add(host);
    else this.#down.delete(host);
  }

  setPaused(host: string, paused: boolean): void {
    if (paused) this.#paused.add(host);
    else this.#paused.delete(host);
  }

  isPaused(host: string): boolean {
    return this.#paused.has(host);
  }

  setMuted(host: string, muted: boolean): void {
    if (muted) this.#muted.add(host);
    else this.#muted.delete(host);
  }

  /** Whether what the host sends stays with it for now. */
  isMuted(host: string): boolean {
    return this.#muted.has(host);
  }

  /** Whether what `from` sends gets as far as the machine of `to`. */
  reaches(from: string, to: string, what: Traveller): boolean {
    if (this.#down.has(from) || this.#down.has(to)) return false;
    if (from === to) return true;
    const [a, b] = [this.#sideOf.get(from), this.#sideOf.get(to)];
    return !this.#cut.has(cutKeyOf(from, to, what)) && (a === undefined || b === undefined || a === b);
  }

  /** The one-way delay of the next thing sent, in milliseconds. */
  delay(from: string, to: string): number {
    const { latencyMs, jitterMs } = this.#conditions(from, to);
    return jitterMs > 0 ? latencyMs + drawPart(this.#random) * jitterMs : latencyMs;
  }

  datagram(from: string, to: string): DatagramFate {
    const { latencyMs, jitterMs, loss, duplication, reordering } = this.#conditions(from, to);
    if (loss > 0 && drawChance(this.#random, loss)) return [];
    const copies = duplication > 0 && drawChance(this.#random, duplication) ? 2 : 1;
    return Array.from({ length: copies }, () => {
      const late = reordering > 0 && drawChance(this.#random, reordering);
      const extra = late ? drawPart(this.#random) * 4 * (latencyMs + jitterMs) : 0;
      return this.delay(from, to) + extra;
    });
  }

  #conditions(from: string, to: string): PathConditions {
    return this.#special.get(keyOf(from, to)) ?? this.#usual;
  }
}
