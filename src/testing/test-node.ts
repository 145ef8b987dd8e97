import type { KeyObject } from 'node:crypto';
import type { ExposedActor } from '../actors/exposed-actors.ts';
import type { Clock, Random } from '../actors/kernel/ports.ts';
import { createNode, type Node } from '../actors/node.ts';
import type { CreateNodeOptions } from '../actors/node-base.ts';
import type { NodeEvent } from '../actors/operations/control.ts';
import type { ManagementApi } from '../actors/operations/management-api.ts';
import { loadConfig, type NodeConfig } from '../config.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import type { NodeId } from '../names.ts';
import { FaultInjector } from './faults.ts';
import { HostClock } from './host-clock.ts';
import type { MemoryDisk } from './memory-disk.ts';
import type { MemoryNetwork } from './memory-network.ts';
import { MemoryStore } from './memory-store.ts';
import { insecureSeededCrypto } from './seeded-crypto.ts';
import { seededRandom } from './seeded-random.ts';

/** What all nodes of a test cluster share. */
export interface TestWorld {
  readonly clock: Clock;
  readonly network: MemoryNetwork;
  readonly random: Random;
  readonly deployer: KeyObject;
  readonly expose: readonly ExposedActor[];
  readonly onEvent: (event: NodeEvent) => void;
  /** As `onFault` of `createNode`, for the node that runs on a machine; default: nobody hears. */
  readonly onFault?: (node: NodeId, ...fault: Parameters<NonNullable<CreateNodeOptions['onFault']>>) => void;
}

/** One boot of a node. */
interface Boot {
  readonly clock: HostClock;
  node: Node | undefined;
  alive: boolean;
}

/** A machine of a test cluster: its disk and store, and the node that runs on it, over all its boots. */
export class TestNode {
  /** The file of its configuration on its disk, YAML; each boot reads it again. */
  readonly configPath: string;
  readonly #world: TestWorld;
  #config: NodeConfig;
  #disk: MemoryDisk;
  #store = new MemoryStore();
  #boot: Boot | undefined;
  #faults: FaultInjector | undefined;
  #skewMs = 0;

  constructor(world: TestWorld, configPath: string, disk: MemoryDisk) {
    this.#world = world;
    this.configPath = configPath;
    this.#disk = disk;
    this.#config = this.#readConfig();
  }

  /** That of the newest boot. */
  get config(): NodeConfig {
    return this.#config;
  }

  get disk(): MemoryDisk {
    return this.#disk;
  }

  /** Timers that the node which runs has set; 0 when none runs. */
  get timers(): number {
    return this.#boot?.clock.pending ?? 0;
  }

  get store(): MemoryStore {
    return this.#store;
  }

  /** The node while it runs. */
  get node(): Node | undefined {
    return this.#boot?.node;
  }

  /** Faults in the actors of the node: of the boot that runs, or of the next one. */
  get faults(): FaultInjector {
    this.#faults ??= new FaultInjector({ clock: this.#world.clock });
    return this.#faults;
  }

  async start(): Promise<Node> {
    const { id } = this.config.node;
    if (this.#boot) throw new CaxtonError('ALREADY_EXISTS', `${id} is running.`);
    this.#config = this.#readConfig();
    const { network, random, deployer, expose, onEvent, onFault } = this.#world;
    const boot: Boot = { clock: new HostClock(this.#world.clock, this.#skewMs), node: undefined, alive: true };
    this.#boot = boot;
    // Each boot draws its own: keys and nonces must not come again.
    const seed = random.uint32();
    try {
      boot.node = await createNode(this.config, {
        deployer,
        expose,
        ports: {
          clock: boot.clock,
          random: seededRandom(seed),
          crypto: insecureSeededCrypto(`${id} ${seed}`),
          network: network.host(id, { clock: boot.clock }),
          disk: this.#disk,
          store: this.#store,
          managementApi: nowhere(this.config),
          faults: this.faults.hook,
        },
        // What the remains of a killed process still do is nobody’s concern.
        onEvent: (event) => {
          if (boot.alive) onEvent(event);
        },
        ...(onFault && {
          onFault: (...fault) => {
            if (boot.alive) onFault(id, ...fault);
          },
        }),
      });
      return boot.node;
    } catch (error) {
      await this.#ended(boot);
      throw error;
    }
  }

  /** Stops in order. Needs time to go on. */
  async stop(): Promise<void> {
    const boot = this.#boot;
    if (!boot) return;
    await boot.node?.stop();
    await this.#ended(boot);
  }

  /** Kills the process, or cuts the power of the whole machine. */
  crash(powerCut: boolean): void {
    const boot = this.#boot;
    if (!boot) return;
    boot.alive = false;
    boot.clock.stop();
    this.#world.network.crash(this.config.node.id, { silently: powerCut });
    // What a killed process wrote is with the system; what it wrote and did not sync survives no power cut.
    this.#disk = powerCut ? this.#disk.crash() : this.#disk.crash(1);
    this.#store = this.#store.crash();
    this.#faults = undefined;
    this.#boot = undefined;
  }

  /** Gives the machine another disk and an empty store, as one that was installed anew. ALREADY_EXISTS while it runs. */
  reinstall(disk: MemoryDisk): void {
    if (this.#boot) throw new CaxtonError('ALREADY_EXISTS', `${this.config.node.id} is running.`);
    this.#disk = disk;
    this.#store = new MemoryStore();
  }

  #readConfig(): NodeConfig {
    const text = Buffer.from(this.#disk.peek(this.configPath) ?? []).toString('utf8');
    return unwrap(loadConfig(text, { file: this.configPath }));
  }

  pause(): void {
    this.#boot?.clock.hold();
    this.#world.network.pause(this.config.node.id);
  }

  /** In Node’s order: whatever fell due, then what has arrived. */
  resume(): void {
    this.#boot?.clock.release();
    this.#world.network.resume(this.config.node.id);
  }

  /** Sets the wall clock of this machine forward or back; it stays so over restarts. */
  skew(ms: number): void {
    this.#skewMs += ms;
    this.#boot?.clock.jump(ms);
  }

  async #ended(boot: Boot): Promise<void> {
    boot.alive = false;
    boot.clock.stop();
    this.#world.network.crash(this.config.node.id);
    await this.#store.close();
    this.#store = this.#store.reopen();
    if (this.#boot !== boot) return;
    this.#boot = undefined;
    this.#faults = undefined;
  }
}

/** The management API of a node in memory: it says that it listens. What it would do is on `node.control`. */
const nowhere = ({ api }: NodeConfig): ManagementApi => ({
  listen: async () => api.bind,
  close: async () => {},
  setTls: () => {},
});
