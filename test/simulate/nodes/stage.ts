import { createHash, type Hash } from 'node:crypto';
import type { NodeId } from '../../../src/names.ts';
import { traceLine } from '../../../src/testing/event-trace.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { Broken } from '../checkers.ts';
import type { NodeSchedule } from './acts.ts';
import { Audits } from './audits.ts';
import { type EchoName, Load } from './load.ts';
import { Machines } from './machines.ts';
import { WireChecker } from './wire.ts';
import type { World } from './world.ts';

/** Agents that answer, at most. */
const agentsMax = 8;
/** Lines of a trace that are kept for people; all of them are in the hash. */
const linesMax = 200_000;

/** What all who have a part in a run share: the machines, what is known of them, and the trace. */
export class Stage {
  readonly world: World;
  readonly schedule: NodeSchedule;
  readonly machines: Machines;
  readonly load: Load;
  readonly audits = new Audits();
  readonly wire: WireChecker;
  readonly trace: string[] = [];
  /** Revoked, and suspended or about to be. */
  readonly revoked = new Set<NodeId>();
  readonly suspended = new Set<NodeId>();
  /** Machines with something wrong about them until the network heals: nothing is asked about how they are seen. */
  readonly disturbed = new Set<NodeId>();
  /** Nodes that asked to be started again. */
  readonly stale = new Set<NodeId>();
  readonly #hash: Hash = createHash('sha256');
  #broken: Error | undefined;
  #isOver = false;

  constructor(schedule: NodeSchedule, world: World) {
    const { cluster, faults, claimKeyOf } = world;
    this.schedule = schedule;
    this.world = world;
    this.machines = new Machines(world);
    const names = Array.from(
      { length: Math.min(schedule.size, agentsMax) },
      (_, at) => `default/echo-${at}` as EchoName,
    );
    this.load = new Load({
      cluster,
      names,
      random: seededRandom(schedule.seed ^ 0x5eed),
      note: (node, text) => this.note(node, text),
      breaks: (what) => this.breaks(what),
      isRecounting: (node) => this.machines.isRecounting(node),
    });
    this.wire = new WireChecker(claimKeyOf, (node, counters) => this.machines.hasReached(node, counters));
    cluster.on((event) => this.#line(traceLine({ atMs: this.now, event })));
    cluster.network.onTraffic(({ kind, from, bytes }) => {
      const what = kind === 'link' ? this.wire.message(from, bytes) : undefined;
      if (what !== undefined) this.breaks(what);
    });
    faults.add((node, message, error, about) => {
      this.note(node, `fault: ${message}`);
      if (about?.thrownBy === '') this.breaks(`${node}: ${message}`, error);
      if (message.endsWith('start it again')) this.stale.add(node);
    });
  }

  /** Milliseconds of virtual time. */
  get now(): number {
    return this.world.cluster.clock.monotonic();
  }

  get hash(): string {
    return this.#hash.copy().digest('hex');
  }

  name(index: number): NodeId {
    return this.world.names[index % this.world.names.length]!;
  }

  agent(index: number): EchoName {
    return this.load.names[index % this.load.names.length]!;
  }

  note(who: string, text: string): void {
    this.#line(`${this.now.toFixed(3)} ${who}: ${text}`);
  }

  /** A promise was broken on a stack of the product’s; `look` throws it on the simulator’s. */
  breaks(what: string, cause?: unknown): void {
    this.#broken ??= new Broken(what, { cause });
  }

  look(): void {
    if (this.#broken) throw this.#broken;
  }

  /** What the remains of the nodes still do is nobody’s concern. */
  end(): void {
    this.#isOver = true;
    this.load.stop();
  }

  #line(line: string): void {
    if (this.#isOver) return;
    this.#hash.update(`${line}\n`);
    if (this.trace.length < linesMax) this.trace.push(line);
  }
}
