import type { NodeId } from '../../src/names.ts';
import { signAlive } from '../../src/protocols/swim/claim.ts';
import { type SwimConfig, swimProfiles } from '../../src/protocols/swim/config.ts';
import { swimOptions, utf8 } from '../../test/simulate/fake-claims.ts';
import { SwimCluster } from '../../test/simulate/swim-cluster.ts';

/** Without push/pull, which would only help. */
const config: SwimConfig = { ...swimProfiles.lan, pushPullIntervalMs: 3_600_000 };
const settleMs = 1_000;
const stepMs = 20;

export interface Spread {
  /** From the moment one member knows of a newcomer until 99.99 % do, and until all do. */
  readonly nearlyAllMs: number;
  readonly allMs: number;
  readonly steps: number;
  /** Of processor time, the making of the cluster not counted. */
  readonly seconds: number;
}

/** How long one change takes to be known to everybody in an otherwise idle cluster. */
export function runSpread(size: number, seed: number): Spread {
  const newcomer = 'newcomer' as NodeId;
  const learned: number[] = [];
  const cluster = new SwimCluster({
    size,
    seed,
    founded: true,
    delayMs: [1, 3],
    config,
    onMember: (_observer, { nodeId }, atMs) => {
      if (nodeId === newcomer) learned.push(atMs);
    },
  });
  const { self, sign } = swimOptions(newcomer);
  const { bootEpoch: epoch, boxKey, addresses } = self;
  const alive = signAlive({ kind: 'alive', node: newcomer, epoch, incarnation: 1, boxKey, addresses }, sign, utf8);
  const before = process.cpuUsage();
  cluster.run(settleMs);
  const startMs = cluster.now;
  cluster.inject('node-1', { type: 'claims', from: 'node-2' as NodeId, claims: [alive] });
  // The newcomer itself does not run: what matters is over before anybody misses it.
  while (learned.length < size && cluster.now - startMs < 10_000) cluster.run(stepMs);
  const { user, system } = process.cpuUsage(before);
  const nearly = Math.ceil(size * 0.9999) - 1;
  return {
    nearlyAllMs: (learned[nearly] ?? Number.POSITIVE_INFINITY) - startMs,
    allMs: (learned[size - 1] ?? Number.POSITIVE_INFINITY) - startMs,
    steps: cluster.steps,
    seconds: (user + system) / 1e6,
  };
}
