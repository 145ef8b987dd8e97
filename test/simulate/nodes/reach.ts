import type { NodeId } from '../../../src/names.ts';
import { Broken } from '../checkers.ts';
import type { NodeAct } from './acts.ts';
import type { Stage } from './stage.ts';
import { usualPath } from './world.ts';

/** What happens to the network. */
type NetworkAct = Extract<
  NodeAct,
  { do: 'split' | 'heal' | 'no-datagrams' | 'cut' | 'break-links' | 'weather' | 'slow' }
>;

/** Who could reach whom since when, and whether the members’ views follow within a bound. */
export class Reach {
  readonly #stage: Stage;
  readonly #boundMs: number;
  /** Since when each pair has been able to talk undisturbed, or has been cut off entirely. */
  readonly #goodSinceMs = new Map<string, number>();
  readonly #goneSinceMs = new Map<string, number>();
  #sides: number | undefined;
  #everywhere = false;

  constructor(stage: Stage, boundMs: number) {
    this.#stage = stage;
    this.#boundMs = boundMs;
  }

  /** What it now has to find out, it has to find out anew. */
  booted(id: NodeId): void {
    for (const other of this.#stage.world.names) {
      this.#goneSinceMs.set(`${id} ${other}`, this.#stage.now);
      this.#goodSinceMs.set(`${id} ${other}`, this.#stage.now);
    }
  }

  change(act: NetworkAct): void {
    const { world } = this.#stage;
    const { network } = world.cluster;
    switch (act.do) {
      case 'split': {
        this.#sides = act.sides;
        this.#newsMayCome();
        const side = (wanted: number) => world.names.filter((_, index) => this.#side(index) === wanted);
        network.partition(side(0), side(1));
        return;
      }
      case 'heal':
        this.heal();
        return;
      case 'no-datagrams':
        this.#everywhere = true;
        for (const from of world.names) for (const to of world.names) network.cut(from, to, 'datagram');
        return;
      case 'cut': {
        const [from, to] = [this.#stage.name(act.at), this.#stage.name(act.to)];
        this.#stage.disturbed.add(from).add(to);
        network.cut(from, to, act.what === 'all' ? undefined : act.what);
        return;
      }
      case 'break-links':
        network.breakLinks(this.#stage.name(act.at), this.#stage.name(act.to));
        return;
      case 'weather': {
        const { loss, duplication, reordering } = act;
        this.#everywhere ||= loss > 0.1 || reordering > 0.1;
        network.setConditions({ loss, duplication, reordering, jitterMs: 20 });
        return;
      }
      case 'slow':
        this.#slow(this.#stage.name(act.at), act.ms);
    }
  }

  /** Ends all that is wrong with the network. */
  heal(): void {
    const { world, suspended, disturbed } = this.#stage;
    const { network } = world.cluster;
    this.#sides = undefined;
    this.#newsMayCome();
    disturbed.clear();
    for (const id of suspended) disturbed.add(id);
    this.#everywhere = false;
    network.heal();
    network.setConditions(usualPath);
    for (const from of world.names) for (const to of world.names) network.setConditions(usualPath, from, to);
  }

  /**
   * No live reachable member stays dead past the bound, no dead or unreachable one stays alive, and nobody is seen as what
   * it never was. Throws Broken.
   */
  look(): void {
    const { world, machines, now } = this.#stage;
    for (const [o, observer] of world.names.entries()) {
      const { node } = world.cluster.machine(observer);
      const members = node?.control.members() ?? [];
      for (const { nodeId, bootEpoch: epoch, incarnation } of members)
        if (!machines.hasReached(nodeId, { epoch, incarnation }))
          throw new Broken(`${observer} sees ${nodeId} at ${epoch}/${incarnation}, which it never was`);
      const seen = new Map(members.map(({ nodeId, status }) => [nodeId, status]));
      for (const [s, subject] of world.names.entries()) {
        if (o === s) continue;
        const pair = `${observer} ${subject}`;
        const gone = !machines.runs(subject) || this.#side(o) !== this.#side(s);
        const good = !gone && !this.#everywhere && this.#isGood(observer) && this.#isGood(subject);
        if (!good) this.#goodSinceMs.set(pair, now);
        if (!gone || !node || machines.isStalled(observer)) this.#goneSinceMs.set(pair, now);
        const status = seen.get(subject);
        const isTrusted = status === 'alive' || status === 'suspect';
        if (!isTrusted && now - (this.#goodSinceMs.get(pair) ?? 0) > this.#boundMs)
          throw new Broken(`${subject} lives and is ${status} to ${observer}`);
        if (isTrusted && now - (this.#goneSinceMs.get(pair) ?? 0) > this.#boundMs)
          throw new Broken(`${subject} is gone and ${status} to ${observer}`);
      }
    }
  }

  #slow(id: NodeId, ms: number): void {
    const { names, cluster } = this.#stage.world;
    this.#stage.disturbed.add(id);
    for (const other of names) {
      cluster.network.setConditions({ latencyMs: 1 + ms }, id, other);
      cluster.network.setConditions({ latencyMs: 1 + ms }, other, id);
    }
  }

  #isGood(id: NodeId): boolean {
    const { machines, revoked, disturbed } = this.#stage;
    return machines.runs(id) && !disturbed.has(id) && !machines.isStalled(id) && !revoked.has(id);
  }

  #side(index: number): number {
    return ((this.#sides ?? 0) >> index) & 1;
  }

  /** Whoever was cut off may hear from others that somebody lived until lately. */
  #newsMayCome(): void {
    for (const pair of this.#goneSinceMs.keys()) this.#goneSinceMs.set(pair, this.#stage.now);
  }
}
