/**
 * Caxton’s testing kit: real nodes in one process, in virtual time, over a network and on disks in memory. One seed and
 * the same acts always give the same run, so that a failure that was seen once can be seen again.
 *
 * ```ts
 * import { createTestCluster } from 'caxton-runtime/testing';
 *
 * const cluster = await createTestCluster({ nodes: 3, seed: 7, conditions: { loss: 0.05 } });
 * await cluster.until('they find each other', () => cluster.isWhole());
 *
 * const echo = await cluster.deploy('node-2', 'default/echo', (message, agent) => {
 *   agent.reply(message, { performative: 'inform', content: message.content });
 * }, { policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] } });
 * const answer = await cluster.settled(echo.ask({ performative: 'request', content: 'hello' }));
 *
 * cluster.partition(['node-1'], ['node-2', 'node-3']);
 * await cluster.until('node-1 is alone', () => cluster.node('node-1').control.status().partition === 'isolated');
 * cluster.heal();
 * await cluster.close();
 * ```
 *
 * Actors are tested without a node: `createTestKernel` runs them in virtual time and gives each turn when the test says
 * so, and its probes expect messages.
 *
 * The parts are there for themselves, each behind one of the node’s ports (`createNode(config, { ports })`). None of it
 * is for production: nothing is encrypted in the memory network, and who knows the seed knows every key.
 */
export { ActorExit } from '../actors/kernel/actor-exit.ts';
export type { Asked } from '../actors/kernel/asks.ts';
export { fromHandler, type Handle, type HandlerLogic, type HandlerSelf } from '../actors/kernel/handler.ts';
export type { Kernel } from '../actors/kernel/kernel.ts';
export type { Down, Monitor } from '../actors/kernel/monitors.ts';
export type {
  Address,
  AppendFile,
  Clock,
  DatagramSocket,
  Disk,
  LinkChannel,
  LinkChannelHandler,
  LinkServer,
  Network,
  Ports,
  Random,
  Store,
  TapEvent,
  TlsIdentity,
} from '../actors/kernel/ports.ts';
export type { Lane, Message, Ref, SendOptions, Undelivered } from '../actors/kernel/ref.ts';
export type { ChildSpec, SupervisorSpec, WorkerSpec } from '../actors/kernel/spec.ts';
export { sendTarget } from '../actors/kernel/xstate-bridge.ts';
export type { ManagementApi } from '../actors/operations/management-api.ts';
export type { Crypto } from '../crypto/port.ts';
export { type TracedEvent, traceHash, traceLine } from './event-trace.ts';
export { FaultInjector, type FaultInjectorOptions, InjectedFault, type Stray } from './faults.ts';
export { HostClock } from './host-clock.ts';
export { ManualClock, settle } from './manual-clock.ts';
export { ManualScheduler } from './manual-scheduler.ts';
export { type DiskAct, MemoryDisk, type MemoryDiskOptions } from './memory-disk.ts';
export { type HostOptions, MemoryNetwork, type MemoryNetworkOptions } from './memory-network.ts';
export { MemoryStore } from './memory-store.ts';
export { type PathConditions, quietPath } from './network/paths.ts';
export type { Traffic } from './network/world.ts';
export { type Pace, realPace, virtualPace } from './pace.ts';
export type { Pattern } from './pattern.ts';
export type { ExpectOptions, OfKind } from './probe.ts';
export { insecureSeededCrypto } from './seeded-crypto.ts';
export { drawChance, drawPart, seededRandom } from './seeded-random.ts';
export { createTestCluster, type TestCluster, type TestClusterOptions } from './test-cluster.ts';
export { createTestKernel, inEveryOrder, type TestKernel, type TestKernelOptions } from './test-kernel.ts';
export type { TestNode } from './test-node.ts';
export { TestProbe, type TestProbeOptions } from './test-probe.ts';
