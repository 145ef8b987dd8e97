import type { NodeId } from '../../../src/names.ts';
import { compareCounters } from '../../../src/protocols/swim/claim.ts';
import { Broken } from '../checkers.ts';
import type { Counters } from './wire.ts';
import type { World } from './world.ts';

/** A gossip key’s place in their order, as far as epochs go, and a node’s boot: both only grow while the disk lives. */
interface Kept {
  readonly boot: number;
  readonly keyEpoch: number;
}

/** What becomes of a machine. `leaving`: its node was told to stop and has not stopped yet. */
export type Condition = 'starting' | 'running' | 'leaving' | 'down';

/** What is known of each machine beside its node: how it is doing, and how far its counters have come. */
export class Machines {
  readonly #world: World;
  readonly #condition = new Map<NodeId, Condition>();
  readonly #kept = new Map<NodeId, Kept>();
  readonly #counters = new Map<NodeId, Counters>();
  /** Until then, in milliseconds of virtual time, the machine stands still or is cut off by its own process. */
  readonly #stalledUntilMs = new Map<NodeId, number>();
  readonly #frozen = new Set<NodeId>();
  /** Began to count its boots anew, and has not been told how far it had come. */
  readonly #recounting = new Set<NodeId>();

  constructor(world: World) {
    this.#world = world;
  }

  conditionOf(id: NodeId): Condition {
    return this.#condition.get(id) ?? 'down';
  }

  runs(id: NodeId): boolean {
    return this.conditionOf(id) === 'running';
  }

  is(id: NodeId, condition: Condition): void {
    this.#condition.set(id, condition);
    if (condition === 'running') return;
    this.#frozen.delete(id);
    this.#stalledUntilMs.delete(id);
  }

  get running(): readonly NodeId[] {
    return this.#world.names.filter((id) => this.runs(id));
  }

  /** From now on for so long, at least. */
  stall(id: NodeId, ms: number): void {
    const until = this.#world.cluster.clock.monotonic() + ms;
    this.#stalledUntilMs.set(id, Math.max(this.#stalledUntilMs.get(id) ?? 0, until));
  }

  isStalled(id: NodeId): boolean {
    return (this.#stalledUntilMs.get(id) ?? 0) > this.#world.cluster.clock.monotonic();
  }

  /** Milliseconds until all that stand still go on. */
  get stalledMs(): number {
    return Math.max(0, ...this.#stalledUntilMs.values()) - this.#world.cluster.clock.monotonic();
  }

  freeze(id: NodeId, isFrozen: boolean): void {
    if (isFrozen) this.#frozen.add(id);
    else this.#frozen.delete(id);
  }

  isFrozen(id: NodeId): boolean {
    return this.#frozen.has(id);
  }

  /** Its disk is another: what was on it is forgotten. Its counters are not, for others have seen them. */
  reinstalled(id: NodeId): void {
    this.#kept.delete(id);
    this.#recounting.add(id);
  }

  /** The node may be taken for an earlier boot of itself: its operator has not started it again yet. */
  isRecounting(id: NodeId): boolean {
    return this.#recounting.has(id);
  }

  recounted(id: NodeId): void {
    this.#recounting.delete(id);
  }

  /** Whether a node has come as far as these counters. */
  hasReached(id: NodeId, counters: Counters): boolean {
    if (this.#isBehind(id, counters)) this.count(id);
    return !this.#isBehind(id, counters);
  }

  #isBehind(id: NodeId, counters: Counters): boolean {
    const own = this.#counters.get(id);
    return own === undefined || compareCounters(counters, own) > 0;
  }

  /** Throws Broken when a node’s boot or key epoch went back while its disk lived. */
  look(): void {
    for (const id of this.#world.names) {
      this.count(id);
      const { node } = this.#world.cluster.machine(id);
      if (!node) continue;
      const { bootEpoch: boot } = node.control.status();
      const keyEpoch = node.control.gossipKeys().sealing.epoch;
      const before = this.#kept.get(id);
      if (before && boot < before.boot) throw new Broken(`${id} runs boot ${boot} after ${before.boot}`);
      if (before && keyEpoch < before.keyEpoch)
        throw new Broken(`${id} seals with epoch ${keyEpoch} after ${before.keyEpoch}`);
      this.#kept.set(id, { boot, keyEpoch });
    }
  }

  /** Takes down how far the counters of a node have come, while it can be asked. */
  count(id: NodeId): void {
    const { node, store } = this.#world.cluster.machine(id);
    if (!node && this.conditionOf(id) !== 'starting') return;
    const own = node?.control.members().find(({ self }) => self);
    // Before its start is answered a node is as far as its store says, and may have refuted something already.
    const booted = Number(Buffer.from(store.peek('node').get('boot-epoch') ?? []).toString());
    const now: Counters = own
      ? { epoch: own.bootEpoch, incarnation: own.incarnation }
      : { epoch: booted, incarnation: Number.POSITIVE_INFINITY };
    const before = this.#counters.get(id);
    if (!before || compareCounters(now, before) > 0) this.#counters.set(id, now);
  }
}
