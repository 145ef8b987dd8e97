import type { AgentAddress } from '../actors/agents/behaviour.ts';
import type { AgentRef, AnyContract, Contract } from '../actors/agents/contract.ts';
import type { AgentCode, DeployOptions } from '../actors/agents/embedding.ts';
import type { ExposedActor } from '../actors/exposed-actors.ts';
import type { Node } from '../actors/node.ts';
import type { NodeEvent } from '../actors/operations/control.ts';
import { privateKeyFromPem } from '../crypto/keys.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import { isNodeId, type NodeId } from '../names.ts';
import { makeClusterFiles } from './cluster-files.ts';
import { type TracedEvent, traceHash, traceLine } from './event-trace.ts';
import { ManualClock, quiet } from './manual-clock.ts';
import { MemoryDisk } from './memory-disk.ts';
import { MemoryNetwork } from './memory-network.ts';
import type { PathConditions } from './network/paths.ts';
import { insecureSeededCrypto } from './seeded-crypto.ts';
import { seededRandom } from './seeded-random.ts';
import { TestNode, type TestWorld } from './test-node.ts';

export interface TestClusterOptions {
  /** How many (`node-1`, `node-2` …), or their ids. Default 3. */
  readonly nodes?: number | readonly string[];
  /** Everything that is left to chance comes from it; default 1. */
  readonly seed?: number;
  /** Default: a new one. */
  readonly clock?: ManualClock;
  /** How the network behaves; default: one millisecond each way, and nothing goes wrong. */
  readonly conditions?: Partial<PathConditions>;
  /** The text of policy.yaml of all nodes; by default only what agents bring themselves is permitted. */
  readonly policy?: string;
  /** The ids of the nodes that renew the certificates of all; by default each renews its own. */
  readonly caNodes?: readonly string[];
  /** What each node opens of its program’s actors to the others, as in `createNode`. */
  readonly expose?: readonly ExposedActor[];
}

/** Events kept; past it the oldest go. */
const eventsMax = 100_000;
const defaultWithinMs = 60_000;
/** Real time that a start may take: it needs no virtual one. */
const startMsMax = 20_000;

/**
 * Starts a cluster of real nodes in this process, in virtual time, over a network and on disks in memory. Resolves when
 * all run; they find each other as soon as time goes on. One seed and the same acts give the same events at the same
 * times. Close it at the end of the test.
 */
export async function createTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const {
    nodes = 3,
    seed = 1,
    clock = new ManualClock(),
    conditions,
    policy = 'policies: []\n',
    expose = [],
    caNodes,
  } = options;
  const ids = typeof nodes === 'number' ? Array.from({ length: nodes }, (_, index) => `node-${index + 1}`) : nodes;
  const known = ids.filter(isNodeId);
  if (known.length === 0 || known.length < ids.length || new Set(known).size < known.length)
    throw new CaxtonError('CONFIG_INVALID', 'nodes must be different ids of a-z, 0-9, “_” and “-”, at least one.');
  const random = seededRandom(seed);
  const files = await makeClusterFiles({
    nodes: known,
    crypto: insecureSeededCrypto(`cluster ${seed}`),
    now: clock.now(),
    policy,
    ...(caNodes ? { caNodes: caNodes.filter(isNodeId) } : {}),
  });
  const network = new MemoryNetwork({
    clock,
    random: seededRandom(random.uint32()),
    ...(conditions ? { conditions } : {}),
  });
  const cluster = new TestCluster(seed, clock, network, (onEvent) => {
    const deployer = unwrap(privateKeyFromPem(files.deployerPem));
    const world: TestWorld = { clock, network, random, deployer, expose, onEvent };
    return known.map((id) => {
      const disk = new MemoryDisk({ random: seededRandom(random.uint32()) });
      files.putOn(disk);
      return new TestNode(world, files.configPathOf(id), disk);
    });
  });
  try {
    for (const id of known) await cluster.restart(id);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A cluster under test: `createTestCluster`. Time stands still except in `advance`, `until` and `settled`. */
export class TestCluster {
  readonly seed: number;
  readonly clock: ManualClock;
  /** For conditions, one-way cuts and taps; its hosts have the ids of the nodes. */
  readonly network: MemoryNetwork;
  readonly #nodes: ReadonlyMap<string, TestNode>;
  readonly #events: TracedEvent[] = [];
  readonly #listeners = new Set<(event: NodeEvent) => void>();

  /** Use `createTestCluster`. */
  constructor(
    seed: number,
    clock: ManualClock,
    network: MemoryNetwork,
    make: (onEvent: (event: NodeEvent) => void) => readonly TestNode[],
  ) {
    this.seed = seed;
    this.clock = clock;
    this.network = network;
    this.#nodes = new Map(make((event) => this.#record(event)).map((node) => [node.config.node.id, node]));
  }

  /** The ids of all nodes, running or not. */
  get nodes(): readonly NodeId[] {
    return [...this.#nodes.values()].map(({ config }) => config.node.id);
  }

  /** Those that run now. */
  get running(): readonly NodeId[] {
    return this.nodes.filter((id) => this.#nodes.get(id)?.node !== undefined);
  }

  /** A node that runs; throws UNREACHABLE when it does not. Its `control` sees and does what the management API would. */
  node(id: string): Node {
    const { node } = this.machine(id);
    if (node) return node;
    throw new CaxtonError('UNREACHABLE', `${id} does not run.`);
  }

  /** The machine of a node: its configuration, disk and store. */
  machine(id: string): TestNode {
    const machine = this.#nodes.get(id);
    if (machine) return machine;
    throw new CaxtonError('CONFIG_INVALID', `This cluster has no ${id}; it has ${this.nodes.join(', ')}.`);
  }

  /** Lets time pass, in milliseconds. */
  async advance(ms: number): Promise<void> {
    await this.clock.advanceAsync(ms);
  }

  /** Lets time pass until the condition holds; throws TIMED_OUT with `what` after `withinMs` of virtual time. */
  async until(what: string, condition: () => boolean | Promise<boolean>, withinMs = defaultWithinMs): Promise<void> {
    const end = this.clock.monotonic() + withinMs;
    await quiet();
    while (!(await condition())) {
      const step = Math.min(this.clock.nextInMs ?? withinMs, end - this.clock.monotonic());
      if (this.clock.monotonic() >= end)
        throw new CaxtonError('TIMED_OUT', `Not within ${withinMs} ms with seed ${this.seed}: ${what}.`);
      await this.clock.advanceAsync(step);
    }
  }

  /** Lets time pass until the promise settles, and passes it on: for `ask` and whatever else waits for time. */
  async settled<T>(promise: Promise<T>, withinMs = defaultWithinMs): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await this.until('the promise settles', () => done, withinMs);
    return promise;
  }

  /** Whether all running nodes see each other alive and are linked in pairs. */
  isWhole(): boolean {
    const ids = this.running;
    return ids.every((id) => {
      const { control } = this.node(id);
      const alive = control.members().filter((member) => member.status === 'alive');
      return alive.length === ids.length && control.links().length === ids.length - 1;
    });
  }

  /** Nodes of different groups no longer reach each other; one in no group reaches all. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const id of groups.flat()) this.machine(id);
    this.network.partition(...groups);
  }

  /** Ends every partition and every cut. */
  heal(): void {
    this.network.heal();
  }

  /** Kills the process of a node; with `powerCut` its machine loses what was not synced, and its peers hear nothing. */
  crash(id: string, { powerCut = false }: { readonly powerCut?: boolean } = {}): void {
    this.machine(id).crash(powerCut);
  }

  /** Stops a node in order: it drains and says goodbye. */
  async stop(id: string): Promise<void> {
    await this.settled(this.machine(id).stop());
  }

  /** Starts a node that was crashed or stopped, with the disk that it left, its configuration on it; stops it first when it runs. */
  async restart(id: string): Promise<Node> {
    const machine = this.machine(id);
    if (machine.node) await this.stop(id);
    return withTimeStill(machine.start());
  }

  /** Freezes a node: its timers and what comes for it wait until `resume`. */
  pause(id: string): void {
    this.machine(id).pause();
  }

  resume(id: string): void {
    this.machine(id).resume();
  }

  /** Sets the wall clock of a node forward or back, in milliseconds. */
  skew(id: string, ms: number): void {
    this.machine(id).skew(ms);
  }

  /** Deploys an agent on a node, as `node.deploy` does. */
  async deploy<C extends Contract = AnyContract>(
    node: string,
    id: AgentAddress,
    code: AgentCode,
    options: DeployOptions = {},
  ): Promise<AgentRef<C>> {
    return this.settled(this.node(node).deploy<C>(id, code, options));
  }

  /** What all nodes told so far, the newest 100,000. */
  get events(): readonly TracedEvent[] {
    return this.#events;
  }

  /** Calls the listener for every event of every node, those of later boots too. Returns the function that ends it. */
  on(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The events as lines of text, for people and for comparison. */
  trace(): readonly string[] {
    return this.#events.map(traceLine);
  }

  /** A hash over the trace: two runs with one seed have the same. */
  traceHash(): string {
    return traceHash(this.#events);
  }

  /** Kills all nodes at once. Idempotent. */
  async close(): Promise<void> {
    for (const machine of this.#nodes.values()) machine.crash(false);
    await quiet();
  }

  #record(event: NodeEvent): void {
    this.#events.push({ atMs: this.clock.monotonic(), event });
    if (this.#events.length > eventsMax) this.#events.splice(0, eventsMax / 10);
    for (const listener of this.#listeners) listener(event);
  }
}

/** A start reads files of the package, so it takes real time; and no virtual time, so that every run begins alike. */
async function withTimeStill<T>(starting: Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(startMsMax);
  const expired = new Promise<never>((_, reject) => {
    const fail = () => reject(new CaxtonError('TIMED_OUT', 'The node did not start.'));
    late.addEventListener('abort', fail, { once: true });
  });
  const started = await Promise.race([starting, expired]);
  await quiet();
  return started;
}
