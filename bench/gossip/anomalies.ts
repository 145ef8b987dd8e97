import { type Chance, drawBelow, seededChance } from '../../src/protocols/swim/chance.ts';
import { type SwimConfig, swimProfiles } from '../../src/protocols/swim/config.ts';
import type { SwimTrial } from '../../src/protocols/swim/state.ts';
import { SwimCluster } from '../../test/simulate/swim-cluster.ts';

/** One way to run the rules. */
export interface Rules {
  readonly name: string;
  readonly config: SwimConfig;
  readonly trial?: SwimTrial;
  readonly anomaly?: Anomaly;
}

/**
 * What an anomaly is. `sends`, the default and the paper’s: the loops of a member stop just before they send and just after
 * they receive. `process`: the process stands still, as one does that has no threads for its loops. `network`: what is
 * sent and received is held and everything else goes on.
 */
export type Anomaly = 'sends' | 'process' | 'network';

/** What came of one run of an experiment. */
export interface Outcome {
  /** Failure events about members that had no anomaly, at anybody, and at observers that had none either. */
  readonly falsePositives: number;
  readonly atHealthy: number;
  /** Of these, how many were certified deaths and not one observer’s finding. */
  readonly certified: number;
  /** Of each member with an anomaly that somebody else noticed: milliseconds from its beginning to the first notice. */
  readonly detections: readonly number[];
  readonly datagrams: number;
  readonly steps: number;
}

/** Where the experiments of the paper ran: 128 agents, and quiet before the anomalies. */
export const memberCount = 128;
const quietMs = 15_000;
/**
 * How many packets that have piled up an agent of the paper reads in a millisecond: 50 µs for each, to receive, decode and
 * answer it. Were it none, four milliseconds of respite would undo any anomaly.
 */
const readsPerMs = 20;
const leastMs = 120_000;

export interface Anomalies {
  /** C: how many members. */
  readonly members: number;
  /** D: for how long they block just before they send and just after they receive, all at once. */
  readonly durationMs: number;
  /** I: the time between; undefined for one anomaly only (the paper’s threshold experiment). */
  readonly intervalMs: number | undefined;
}

/** Runs one cluster through anomalies and counts who is said to have failed. */
export function runAnomalies(rules: Rules, anomalies: Anomalies, seed: number): Outcome {
  const { anomaly = 'sends' } = rules;
  const chance = seededChance(seed);
  const anomalous = drawMembers(chance, anomalies.members);
  const first = new Map<string, number>();
  const failed = new Set<string>();
  let [falsePositives, atHealthy, certified, startMs] = [0, 0, 0, Number.POSITIVE_INFINITY];
  const cluster = new SwimCluster({
    size: memberCount,
    seed,
    founded: true,
    delayMs: [1, 1],
    blockingSends: anomaly === 'sends',
    readsPerMs,
    config: rules.config,
    ...(rules.trial ? { trial: rules.trial } : {}),
    onMember: (observer, { nodeId, status }, atMs) => {
      const pair = `${observer} ${nodeId}`;
      if (status !== 'dead' && status !== 'unreachable') {
        if (status === 'alive') failed.delete(pair);
        return;
      }
      if (anomalous.has(nodeId)) {
        if (!anomalous.has(observer) && !first.has(nodeId) && atMs >= startMs) first.set(nodeId, atMs - startMs);
        return;
      }
      if (status === 'dead') certified++;
      if (failed.has(pair)) return;
      failed.add(pair);
      falsePositives++;
      if (!anomalous.has(observer)) atHealthy++;
    },
  });
  cluster.run(quietMs);
  startMs = cluster.now;
  const datagramsBefore = cluster.packets;
  const { durationMs, intervalMs } = anomalies;
  do {
    for (const id of anomalous) cluster[anomaly === 'process' ? 'freeze' : 'block'](id, durationMs);
    cluster.run(durationMs + (intervalMs ?? leastMs - durationMs));
  } while (cluster.now - startMs < leastMs);
  return {
    falsePositives,
    atHealthy,
    certified,
    detections: [...first.values()],
    datagrams: cluster.packets - datagramsBefore,
    steps: cluster.steps,
  };
}

function drawMembers(chance: Chance, count: number): ReadonlySet<string> {
  const drawn = new Set<string>();
  while (drawn.size < count) drawn.add(`node-${1 + drawBelow(chance, memberCount)}`);
  return drawn;
}

const lifeguard: SwimConfig = { ...swimProfiles.lan, suspicionMult: 5, suspicionMaxMult: 6 };
const off = { awarenessMax: 0, suspicionMaxMult: 1 } as const;
const swimsBelief = { certified: false } as const;

/** The rows of the paper’s table, each with SWIM’s own belief; then ours. */
export const published: readonly Rules[] = [
  { name: 'SWIM', config: { ...lifeguard, ...off }, trial: { ...swimsBelief, buddy: false } },
  { name: 'LHA-Probe', config: { ...lifeguard, suspicionMaxMult: 1 }, trial: { ...swimsBelief, buddy: false } },
  { name: 'LHA-Suspicion', config: { ...lifeguard, awarenessMax: 0 }, trial: { ...swimsBelief, buddy: false } },
  { name: 'Buddy System', config: { ...lifeguard, ...off }, trial: { ...swimsBelief, buddy: true } },
  { name: 'Lifeguard', config: lifeguard, trial: { ...swimsBelief, buddy: true } },
];

export const ours: readonly Rules[] = [
  { name: 'Caxton, α=5 β=6', config: lifeguard },
  { name: 'Caxton, profile lan', config: swimProfiles.lan },
  { name: 'Caxton, profile lan, its process stands still', config: swimProfiles.lan, anomaly: 'process' },
  { name: 'Caxton, profile lan, its network is held', config: swimProfiles.lan, anomaly: 'network' },
];
