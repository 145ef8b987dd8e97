import type { NodeId } from '../../../src/names.ts';
import { swimProfiles } from '../../../src/protocols/swim/config.ts';
import { Broken } from '../checkers.ts';
import type { NodeAct, NodeSchedule } from './acts.ts';
import { Mishaps, stopMsMax } from './mishaps.ts';
import { Operators } from './operators.ts';
import { Reach } from './reach.ts';
import { Stage } from './stage.ts';
import { disagreements, type Truth } from './views.ts';
import { createWorld, type World } from './world.ts';

/** What a run left behind. */
export interface Outcome {
  /** SHA-256 over the decoded events and what the simulator did and saw, hex. */
  readonly hash: string;
  readonly trace: readonly string[];
  /** Milliseconds of virtual time: all of it, and from the end of the faults until all agreed. */
  readonly virtualMs: number;
  readonly healedMs: number;
  readonly asked: number;
  readonly answered: number;
  /** Claims that were read on the wire. */
  readonly claims: number;
}

/** How long a wrong view may stand once nothing explains it: contacts with the dead are up to this far apart. */
const boundMs = (profile: NodeSchedule['profile']): number => 2 * swimProfiles[profile].deadProbeIntervalMaxMs + 60_000;
/** How long views must stay right once they are. */
const staysMs = 10_000;
/** What was asked last ends within this. */
const lastAskMs = 8_000;
/** How many timers a node may have more than at the beginning: twice as many and these. */
const timersMore = 32;

/**
 * Runs a schedule on complete nodes with all checkers, ends all faults, waits until all agree, and looks at what is
 * left. Throws Broken with what did not hold, and the `trace` that led to it.
 */
export async function runNodeSchedule(schedule: NodeSchedule): Promise<Outcome> {
  const run = new NodeRun(schedule, await createWorld(schedule));
  try {
    return await run.outcome();
  } catch (error) {
    throw Object.assign(error as Error, { trace: run.trace });
  } finally {
    await run.close();
  }
}

class NodeRun {
  readonly #world: World;
  readonly #stage: Stage;
  readonly #operators: Operators;
  readonly #mishaps: Mishaps;
  readonly #reach: Reach;
  readonly #boundMs: number;

  constructor(schedule: NodeSchedule, world: World) {
    this.#world = world;
    this.#boundMs = boundMs(schedule.profile);
    this.#stage = new Stage(schedule, world);
    this.#operators = new Operators(this.#stage);
    this.#mishaps = new Mishaps(this.#stage, this.#operators);
    this.#reach = new Reach(this.#stage, this.#boundMs);
  }

  get trace(): readonly string[] {
    return this.#stage.trace;
  }

  async outcome(): Promise<Outcome> {
    const { load, schedule, wire } = this.#stage;
    const { names, cluster } = this.#world;
    for (const id of names) await this.#boot(id);
    await cluster.until('they find each other', () => cluster.isWhole());
    for (const [index, name] of load.names.entries()) this.#operators.deploy(name, this.#stage.name(index));
    await this.#pass(2_000);
    const timers = new Map(names.map((id) => [id, cluster.machine(id).timers]));
    load.run();
    for (const act of schedule.acts) {
      this.#stage.note('schedule', JSON.stringify(act));
      await this.#do(act);
      await this.#pass(1);
    }
    await this.#endFaults();
    const healedMs = await this.#converge();
    await this.#quiet(timers);
    await this.#verifyLogs();
    await this.#stopAll();
    const { asked, answered } = load.tally;
    const { hash, trace, now: virtualMs } = this.#stage;
    return { hash, trace, virtualMs, healedMs, asked, answered, claims: wire.claims };
  }

  async close(): Promise<void> {
    this.#stage.end();
    await this.#world.cluster.close();
  }

  async #do(act: NodeAct): Promise<void> {
    const at = 'at' in act ? this.#stage.name(act.at) : undefined;
    switch (act.do) {
      case 'wait':
        return this.#pass(act.ms);
      case 'kill':
      case 'cut-power':
        return this.#mishaps.end(at!, act.do);
      case 'start':
        return this.#boot(at!);
      case 'wipe':
        await this.#mishaps.wipe(at!);
        return this.#reach.booted(at!);
      case 'stop':
        return this.#mishaps.stop(at!);
      case 'freeze':
      case 'mute':
      case 'deafen':
      case 'block':
        return this.#mishaps.stall(at!, act.do, act.ms);
      case 'skew':
        return this.#mishaps.skew(at!, act.ms);
      case 'fill-disk':
        return this.#mishaps.fillDisk(at!, act.ms);
      case 'break-disk':
        return this.#mishaps.breakDisk(at!, act.what, act.ms);
      case 'crash-actor':
        return this.#mishaps.crashActor(at!, act.actor);
      case 'replay':
        return this.#mishaps.replay(at!, act.count);
      case 'split':
      case 'heal':
      case 'no-datagrams':
      case 'cut':
      case 'break-links':
      case 'weather':
      case 'slow':
        return this.#reach.change(act);
      default:
        this.#operators.perform(act);
    }
  }

  async #boot(id: NodeId): Promise<void> {
    await this.#mishaps.boot(id);
    this.#reach.booted(id);
  }

  /** Lets time pass, and looks at everything once a second. */
  async #pass(ms: number): Promise<void> {
    const { machines, load } = this.#stage;
    for (let left = ms; left > 0; left -= 1_000) {
      await this.#world.cluster.advance(Math.min(left, 1_000));
      this.#stage.look();
      machines.look();
      load.look((node) => machines.isFrozen(node));
      this.#operators.look();
      this.#reach.look();
      for (const id of this.#stage.stale) this.#reach.booted(id);
      await this.#mishaps.restartStale();
    }
  }

  /** Half of those that are down come back, and as many as a quorum needs; the others have died. */
  async #endFaults(): Promise<void> {
    const { machines, revoked, suspended } = this.#stage;
    const { names, cluster } = this.#world;
    this.#stage.note('schedule', 'the faults end');
    this.#reach.heal();
    if (machines.stalledMs > 0) await this.#pass(machines.stalledMs + 1);
    for (const id of names) this.#mishaps.mendDisk(id);
    const isLeaving = () => names.some((id) => machines.conditionOf(id) === 'leaving');
    for (let waitedMs = 0; isLeaving() && waitedMs < stopMsMax; waitedMs += 500) await this.#pass(500);
    for (const [index, id] of names.entries()) {
      const counted = machines.running.filter((other) => !revoked.has(other) && !suspended.has(other));
      const areFew = 2 * counted.length <= cluster.machine(id).config.cluster.expectedSize;
      if ((index % 2 === 0 || areFew) && !revoked.has(id)) await this.#boot(id);
    }
    await this.#resumeAll();
  }

  /** Publishes that nobody is suspended any more, once somebody sees a quorum. */
  async #resumeAll(): Promise<void> {
    const { machines, suspended, revoked } = this.#stage;
    if (!this.#operators.hasPublished) return;
    // Whoever is suspended takes the document and has nobody to give it to.
    const out = new Set([...suspended, ...revoked]);
    suspended.clear();
    let resumed = false;
    for (let waitedMs = 0; !resumed && waitedMs < this.#boundMs; waitedMs += 5_000) {
      const sees = (id: NodeId) => this.#world.cluster.node(id).control.status().partition === 'majority';
      const via = machines.running.find((id) => !out.has(id) && sees(id));
      if (via !== undefined)
        this.#operators.publishSuspensions(via, () => {
          resumed = true;
        });
      await this.#pass(5_000);
    }
    if (!resumed) throw new Broken(`nobody takes the end of the suspensions ${this.#boundMs} ms after the last fault`);
    this.#reach.heal();
  }

  /** Milliseconds until all agree, and stay so. */
  async #converge(): Promise<number> {
    const sinceMs = this.#stage.now;
    let wrong: readonly string[] = [];
    for (let agreedMs = 0; agreedMs < staysMs; ) {
      if (this.#stage.now - sinceMs > this.#boundMs)
        throw new Broken(`views do not agree ${this.#boundMs} ms after the last fault:\n${wrong.join('\n')}`);
      await this.#pass(500);
      wrong = disagreements(this.#world.cluster, this.#truth());
      agreedMs = wrong.length === 0 ? agreedMs + 500 : 0;
    }
    return this.#stage.now - sinceMs - staysMs;
  }

  #truth(): Truth {
    const { machines, revoked, load } = this.#stage;
    const { names, cluster } = this.#world;
    const members = machines.running.filter((id) => !revoked.has(id));
    const generations = new Map<string, number>();
    for (const id of members)
      for (const { kind, generation } of cluster.node(id).control.notices())
        generations.set(kind, Math.max(generation, generations.get(kind) ?? 0));
    const hostsOf = load.names.map((name) => [name, load.hostsOf(name).filter((id) => members.includes(id))] as const);
    const gone = names.filter((id) => !members.includes(id));
    return { members, gone, revoked, generations, agents: new Map(hostsOf) };
  }

  /** Nothing is asked any more: all that was asked has ended, all answer, and nobody holds more than at the beginning. */
  async #quiet(timersBefore: ReadonlyMap<NodeId, number>): Promise<void> {
    const { load, revoked } = this.#stage;
    load.stop();
    await this.#pass(lastAskMs);
    const { agents, members } = this.#truth();
    const hosted = [...agents].filter(([, hosts]) => hosts.length > 0).map(([name]) => name);
    const silent = await load.unanswered(hosted, (asker) => !revoked.has(asker));
    if (silent.length > 0) throw new Broken(`not all answer at the end: ${silent.join(', ')}`);
    await this.#pass(lastAskMs);
    for (const id of members) {
      const [timers, before] = [this.#world.cluster.machine(id).timers, timersBefore.get(id) ?? 0];
      if (timers > 2 * before + timersMore)
        throw new Broken(`${id} has ${timers} timers, and ${before} at the beginning`);
    }
  }

  /** Those of whoever is down as well: started once more, for their disks have been through something. */
  async #verifyLogs(): Promise<void> {
    for (const id of this.#world.names) {
      await this.#boot(id);
      await this.#stage.audits.verify(this.#world.cluster, id);
    }
    await this.#pass(5_000);
  }

  /** Half of them stop in order, and hold nothing then. */
  async #stopAll(): Promise<void> {
    const stopped = this.#world.names.filter((_, index) => index % 2 === 0);
    for (const id of stopped) this.#mishaps.stop(id);
    await this.#pass(stopMsMax + 1_000);
    for (const id of stopped) this.#mishaps.mustBeDown(id);
  }
}
