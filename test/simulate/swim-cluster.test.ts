import { describe, expect, test } from 'vitest';
import { drawBelow, seededChance } from '../../src/protocols/swim/chance.ts';
import { swimProfiles } from '../../src/protocols/swim/config.ts';
import { SwimCluster } from './swim-cluster.ts';

const namesOf = (size: number): string[] => Array.from({ length: size }, (_, index) => `node-${index + 1}`);

/** Runs until all agree that exactly these live; returns the virtual milliseconds that it took, at most a minute. */
function untilAgreed(cluster: SwimCluster, alive: readonly string[]): number {
  const startMs = cluster.now;
  while (!cluster.agreesOnAlive(...alive) && cluster.now - startMs < 60_000) cluster.run(100);
  return cluster.now - startMs;
}

describe('determinism', () => {
  const runOf = (seed: number) => {
    const cluster = new SwimCluster({ size: 7, seed, loss: 0.1 });
    cluster.run(10_000);
    cluster.kill('node-4');
    cluster.run(20_000);
    return `${cluster.packets}\n${cluster.traceText()}`;
  };
  test('the same seed gives the same trace, to the packet', () => {
    expect(runOf(5)).toBe(runOf(5));
  });
  test('another seed gives another', () => {
    expect(runOf(5)).not.toBe(runOf(6));
  });
});

describe('a loss that is seen', () => {
  test.each([
    ['three on loopback', 3, 1, 3_000],
    ['five', 5, 2, 3_000],
    ['twenty', 20, 3, 3_000],
  ])('%s: with closed links everybody knows in time', (_name, size, seed, withinMs) => {
    const cluster = new SwimCluster({ size, seed });
    cluster.run(5_000);
    cluster.kill('node-2');
    const rest = namesOf(size).filter((id) => id !== 'node-2');
    expect(untilAgreed(cluster, rest)).toBeLessThanOrEqual(withinMs);
    cluster.run(withinMs);
    for (const observer of rest) expect(cluster.status(observer, 'node-2')).toBe('dead');
  });

  test('by probes alone, with no hint from links, in a LAN of ten', () => {
    const cluster = new SwimCluster({ size: 10, seed: 4, linksReport: false, config: swimProfiles.lan });
    cluster.run(10_000);
    cluster.kill('node-7');
    cluster.run(20_000);
    for (const observer of namesOf(10).filter((id) => id !== 'node-7')) {
      expect(cluster.status(observer, 'node-7')).toBe('dead');
    }
  });

  test('does not make a storm of questions', () => {
    const cluster = new SwimCluster({ size: 10, seed: 5, linksReport: false });
    cluster.run(30_000);
    const before = cluster.packets;
    cluster.run(10_000);
    const quiet = cluster.packets - before;
    cluster.kill('node-3');
    const atKill = cluster.packets;
    cluster.run(10_000);
    expect(cluster.packets - atKill).toBeLessThan(quiet * 4);
  });
});

describe('no verdict without a death', () => {
  test.each([
    [3, 0.05],
    [5, 0.2],
    [10, 0.2],
    [20, 0.1],
  ])('%i members losing %f of their datagrams for a minute', (size, loss) => {
    const cluster = new SwimCluster({ size, seed: size, loss });
    cluster.run(60_000);
    expect(cluster.traceText()).not.toMatch(/dead|unreachable/);
  });

  test('a member that one other cannot reach stays alive for all', () => {
    const cluster = new SwimCluster({ size: 5, seed: 8 });
    cluster.run(5_000);
    cluster.sever('node-1', 'node-2');
    cluster.sever('node-2', 'node-1');
    cluster.run(60_000);
    expect(cluster.traceText()).not.toMatch(/dead|unreachable/);
  });
});

test.each([4, 100, 1_500])('members that stand still again and again, %i ms awake, blame nobody who ran', (awakeMs) => {
  const wronged: string[] = [];
  const slow = ['node-2', 'node-3', 'node-4', 'node-5'];
  const cluster = new SwimCluster({
    size: 16,
    seed: 11,
    config: swimProfiles.lan,
    onMember: (observer, { nodeId, status }) => {
      if (status !== 'alive' && !slow.includes(nodeId)) wronged.push(`${observer}: ${nodeId} ${status}`);
    },
  });
  cluster.run(10_000);
  for (let round = 0; round < 20; round++) {
    for (const id of slow) cluster.freeze(id, 12_000);
    cluster.run(12_000 + awakeMs);
  }
  expect(wronged).toEqual([]);
});

test('two halves that both certified each other dead find together again', () => {
  const cluster = new SwimCluster({ size: 6, seed: 9 });
  cluster.run(5_000);
  cluster.split(['node-1', 'node-2', 'node-3'], ['node-4', 'node-5', 'node-6']);
  cluster.run(120_000);
  expect(cluster.status('node-1', 'node-4')).toBe('dead');
  expect(cluster.status('node-4', 'node-1')).toBe('dead');
  cluster.heal();
  expect(untilAgreed(cluster, namesOf(6))).toBeLessThan(10_000);
});

test('all restart at once with incarnations reset, and all come back', () => {
  const cluster = new SwimCluster({ size: 5, seed: 10 });
  cluster.run(20_000);
  for (const id of namesOf(5)) cluster.kill(id);
  cluster.run(1_000);
  for (const id of namesOf(5)) cluster.start(id);
  expect(untilAgreed(cluster, namesOf(5))).toBeLessThan(5_000);
});

test.each(Array.from({ length: 12 }, (_, index) => index + 1))(
  'after any disorder the members agree again (seed %i)',
  (seed) => {
    const chance = seededChance(seed);
    const size = 3 + (seed % 6);
    const names = namesOf(size);
    const cluster = new SwimCluster({ size, seed, loss: 0.02, linksReport: seed % 2 === 0 });
    const down = new Set<string>();
    cluster.run(3_000);
    for (let act = 0; act < 8; act++) {
      const id = names[drawBelow(chance, size)]!;
      const kind = drawBelow(chance, 4);
      if (kind === 0 && !down.has(id)) {
        cluster.kill(id);
        down.add(id);
      } else if (kind === 1 && down.delete(id)) cluster.start(id);
      else if (kind === 2) {
        const side = names.filter(() => drawBelow(chance, 2) === 0);
        cluster.split(
          side,
          names.filter((name) => !side.includes(name)),
        );
      } else cluster.heal();
      cluster.run(drawBelow(chance, 15_000));
    }
    for (const id of down) cluster.start(id);
    cluster.heal();
    expect(untilAgreed(cluster, names)).toBeLessThan(30_000);
  },
);
