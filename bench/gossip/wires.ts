import { swimProfiles } from '../../src/protocols/swim/config.ts';
import type { Wire } from '../../test/simulate/network.ts';
import { SwimCluster } from '../../test/simulate/swim-cluster.ts';

/** A fault of the wires of a hundredth of the members. */
export interface WireFault {
  readonly name: string;
  readonly bad: Partial<Wire>;
  /** How long it lasts and is gone by turns; undefined: it stays. */
  readonly flipMs: number | undefined;
}

/** Rapid’s two faults (ATC ’18 §7), each in both directions. */
export const wireFaults: readonly WireFault[] = [
  { name: 'nothing comes in, 20 s on and off', bad: { ingressLoss: 1 }, flipMs: 20_000 },
  { name: 'nothing goes out, 20 s on and off', bad: { egressLoss: 1 }, flipMs: 20_000 },
  { name: '80 % of what comes in is lost', bad: { ingressLoss: 0.8 }, flipMs: undefined },
  { name: '80 % of what goes out is lost', bad: { egressLoss: 0.8 }, flipMs: undefined },
];

export interface WireOutcome {
  /** Of all views of a faulty member by a healthy one, the part that had removed it: at each look, every 10 s. */
  readonly removed: readonly number[];
  /** Healthy members that a healthy member found dead or unreachable. */
  readonly wronged: number;
}

const settleMs = 20_000;
const lookMs = 10_000;
/** Six times on and off; a loss that stays shows within two minutes whether it is borne. */
const flipsLastMs = 240_000;
const lossLastsMs = 120_000;

export function runWireFault({ bad, flipMs }: WireFault, size: number, seed: number): WireOutcome {
  const count = Math.max(1, Math.round(size / 100));
  const faulty = new Set(Array.from({ length: count }, (_, index) => `node-${(index + 1) * 7}`));
  const healthy = Array.from({ length: size }, (_, index) => `node-${index + 1}`).filter((id) => !faulty.has(id));
  let wronged = 0;
  const gone = new Set<string>();
  const cluster = new SwimCluster({
    size,
    seed,
    founded: true,
    config: swimProfiles.lan,
    onMember: (observer, { nodeId, status }) => {
      if (faulty.has(observer)) return;
      const isGone = status === 'dead' || status === 'unreachable';
      if (isGone && !faulty.has(nodeId)) wronged++;
      const pair = `${observer} ${nodeId}`;
      if (isGone) gone.add(pair);
      else gone.delete(pair);
    },
  });
  cluster.run(settleMs);
  const removed: number[] = [];
  const whole: Partial<Wire> = { ingressLoss: 0, egressLoss: 0 };
  const lastsMs = flipMs === undefined ? lossLastsMs : flipsLastMs;
  for (let atMs = 0; atMs < lastsMs; atMs += lookMs) {
    const isOn = flipMs === undefined || Math.floor(atMs / flipMs) % 2 === 0;
    for (const id of faulty) cluster.impair(id, isOn ? bad : whole);
    cluster.run(lookMs);
    removed.push([...gone].filter((pair) => faulty.has(pair.split(' ')[1]!)).length / (healthy.length * count));
  }
  return { removed, wronged };
}
