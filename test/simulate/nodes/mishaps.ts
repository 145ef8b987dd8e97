import type { NodeId } from '../../../src/names.ts';
import type { Traffic } from '../../../src/testing/network/world.ts';
import { Broken } from '../checkers.ts';
import type { BrokenPart } from './acts.ts';
import type { Operators } from './operators.ts';
import type { Stage } from './stage.ts';

/** How long a node may take to stop: its own bound, the end of its links, and a little. */
export const stopMsMax = 32_000;
/** What the end of a link may take after that of its node. */
const linkEndMs = 1_500;
/** Datagrams kept to be replayed. */
const seenMax = 2_000;
/** What a disk that fills has left. */
const leftBytes = 2_000;

/** What happens to machines: their processes, their power, their disks and what holds them up. */
export class Mishaps {
  readonly #stage: Stage;
  readonly #operators: Operators;
  readonly #skews = new Map<NodeId, number>();
  readonly #seen: Traffic[] = [];

  constructor(stage: Stage, operators: Operators) {
    this.#stage = stage;
    this.#operators = operators;
    stage.world.cluster.network.onTraffic((seen) => {
      if (seen.kind !== 'datagram') return;
      this.#seen.push(seen);
      if (this.#seen.length > seenMax) this.#seen.splice(0, seenMax / 2);
    });
  }

  /** Starts the node of a machine, if it is down. */
  async boot(id: NodeId): Promise<void> {
    const { machines, world, load } = this.#stage;
    if (machines.conditionOf(id) !== 'down') return;
    this.mendDisk(id);
    this.#stage.note(id, 'starts');
    machines.is(id, 'starting');
    await world.cluster.restart(id);
    machines.is(id, 'running');
    this.#operators.begin(id, 'deploys its asker', load.asksFrom(id));
  }

  /** Kills the process of a node, or cuts the power of its machine. */
  end(id: NodeId, how: 'kill' | 'cut-power'): void {
    const { machines, world } = this.#stage;
    if (machines.conditionOf(id) === 'down') return;
    machines.count(id);
    this.#stage.note(id, how === 'kill' ? 'is killed' : 'loses its power');
    world.cluster.crash(id, { powerCut: how === 'cut-power' });
    this.#ended(id);
  }

  /** Kills the process and starts the machine as it was installed: with neither store nor log. */
  async wipe(id: NodeId): Promise<void> {
    const { world, machines, audits } = this.#stage;
    this.end(id, 'kill');
    world.cluster.machine(id).reinstall(world.newDisk());
    machines.reinstalled(id);
    audits.lost(id);
    this.#stage.note(id, 'is installed anew');
    await this.boot(id);
  }

  /** Tells a node to stop in order; what it holds then is looked at. */
  stop(id: NodeId): void {
    const { machines, world } = this.#stage;
    if (!machines.runs(id)) return;
    machines.count(id);
    machines.is(id, 'leaving');
    this.#stage.note(id, 'is told to stop');
    const { cluster } = world;
    const { node } = cluster.machine(id);
    const stopped = node!.stop().then(async () => {
      // The peers answer to the end of their links, or are cut off.
      await new Promise<void>((resolve) => cluster.clock.setTimeout(resolve, linkEndMs));
      if (cluster.machine(id).node !== node) return;
      const held = { ...cluster.network.heldBy(id), timers: cluster.machine(id).timers };
      if (Object.values(held).some((count) => count > 0))
        this.#stage.breaks(`${id} has stopped and holds ${JSON.stringify(held)}`);
      await cluster.machine(id).stop();
      this.#stage.note(id, 'has stopped');
      this.#ended(id);
    });
    this.#operators.begin(id, 'stops', stopped, stopMsMax);
  }

  /** Others know another boot of a machine that lost its disk: as the node asks for, it is started again. */
  async restartStale(): Promise<void> {
    const { machines, stale } = this.#stage;
    for (const id of stale) {
      stale.delete(id);
      if (!machines.runs(id)) continue;
      this.end(id, 'kill');
      machines.recounted(id);
      await this.boot(id);
    }
  }

  /** Holds up a node for a while: all of it, what it sends, what it receives, or both. */
  stall(id: NodeId, how: 'freeze' | 'mute' | 'deafen' | 'block', ms: number): void {
    const { machines, world, load } = this.#stage;
    const { network, clock } = world.cluster;
    if (machines.conditionOf(id) === 'down' || machines.isStalled(id)) return;
    const { node } = world.cluster.machine(id);
    machines.stall(id, ms);
    load.stoodStill(id, ms);
    this.#operators.stoodStill(id, ms);
    if (how === 'freeze') {
      machines.freeze(id, true);
      world.cluster.pause(id);
    }
    if (how === 'mute' || how === 'block') network.mute(id);
    if (how === 'deafen' || how === 'block') network.pause(id);
    clock.setTimeout(() => {
      // Of another boot it is no business.
      if (world.cluster.machine(id).node !== node) return;
      this.#stage.note(id, 'goes on');
      machines.freeze(id, false);
      network.unmute(id);
      world.cluster.resume(id);
    }, ms);
  }

  /** Sets the clock of a machine so far from the others’. */
  skew(id: NodeId, ms: number): void {
    this.#stage.world.cluster.skew(id, ms - (this.#skews.get(id) ?? 0));
    this.#skews.set(id, ms);
  }

  fillDisk(id: NodeId, ms: number): void {
    const { machines, world } = this.#stage;
    const { disk } = world.cluster.machine(id);
    if (!machines.runs(id)) return;
    const used = disk.paths().reduce((sum, path) => sum + (disk.peek(path)?.length ?? 0), 0);
    disk.capacityBytes = used + leftBytes;
    world.cluster.clock.setTimeout(() => this.mendDisk(id), ms);
  }

  /** One part of what a machine keeps things on fails for a while. */
  breakDisk(id: NodeId, what: BrokenPart, ms: number): void {
    const { machines, world } = this.#stage;
    if (!machines.runs(id)) return;
    const { disk, store } = world.cluster.machine(id);
    if (what === 'store') store.fault = new Error('EIO: the disk of the state database fails');
    else disk.fail(what, 'EIO');
    world.cluster.clock.setTimeout(() => this.mendDisk(id), ms);
  }

  mendDisk(id: NodeId): void {
    const { disk, store } = this.#stage.world.cluster.machine(id);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    disk.mend();
    store.fault = undefined;
  }

  /** Crashes one of the actors of a node, not the root: its end is that of the node. */
  crashActor(id: NodeId, index: number): void {
    const { machines, world } = this.#stage;
    if (!machines.runs(id) || machines.isStalled(id)) return;
    const actors = world.cluster.node(id).control.actors();
    const paths = actors.map(({ path }) => path).filter((path) => path !== '/node');
    const path = paths.sort()[index % paths.length]!;
    this.#stage.note(id, `${path} crashes`);
    world.cluster.machine(id).faults.crash(path);
  }

  /** Sends the last datagrams that went to a machine once more. */
  replay(id: NodeId, count: number): void {
    const last = this.#seen.filter(({ to }) => to === id).slice(-count);
    for (const seen of last) this.#stage.world.cluster.network.replay(seen);
  }

  /** Throws when one that was told to stop has not. */
  mustBeDown(id: NodeId): void {
    if (this.#stage.machines.conditionOf(id) !== 'down') throw new Broken(`${id} has not stopped`);
  }

  #ended(id: NodeId): void {
    const { machines, load } = this.#stage;
    machines.is(id, 'down');
    load.nodeEnded(id);
    this.#operators.nodeEnded(id);
  }
}
