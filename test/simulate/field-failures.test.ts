import { expect, test } from 'vitest';
import type { NodeId } from '../../src/names.ts';
import { checkSwimConfig, type SwimConfig, swimProfiles } from '../../src/protocols/swim/config.ts';
import { claims } from '../protocols/swim/stage.ts';
import { SwimCluster, type SwimClusterOptions } from './swim-cluster.ts';

/*
 * What has broken clusters in the field, in the order of the design’s list. The fifth, rotating keys, is not for the
 * membership’s rules.
 */

const namesOf = (size: number): string[] => Array.from({ length: size }, (_, index) => `node-${index + 1}`);

const settled = (options: SwimClusterOptions): SwimCluster => {
  const cluster = new SwimCluster(options);
  cluster.run(5_000);
  return cluster;
};

/** Runs until all agree that exactly these live; returns the virtual milliseconds that it took, at most three minutes. */
function untilAgreed(cluster: SwimCluster, alive: readonly string[]): number {
  const startMs = cluster.now;
  while (!cluster.agreesOnAlive(...alive) && cluster.now - startMs < 180_000) cluster.run(100);
  return cluster.now - startMs;
}

/** No push/pull, and links that say nothing: only what probes do. */
const probesAlone = { linksReport: false, config: { ...swimProfiles.local, pushPullIntervalMs: 3_600_000 } };

test('1: a partition of six minutes is healed by those who still contact the dead', () => {
  const cluster = settled({ size: 6, seed: 1, ...probesAlone });
  cluster.split(['node-1', 'node-2', 'node-3'], ['node-4', 'node-5', 'node-6']);
  cluster.run(360_000);
  for (const other of ['node-4', 'node-5', 'node-6']) expect(cluster.status('node-1', other)).toBe('dead');
  expect(cluster.partition('node-1')).toBe('minority');
  cluster.heal();
  const { deadProbeIntervalMaxMs, awarenessMax, probeIntervalMs } = swimProfiles.local;
  expect(untilAgreed(cluster, namesOf(6))).toBeLessThan(deadProbeIntervalMaxMs + (awarenessMax + 1) * probeIntervalMs);
  expect(cluster.partition('node-1')).toBe('majority');
});

test('2: all restart at once with their incarnations reset, some without their disk, and none stays dead', () => {
  const cluster = settled({ size: 7, seed: 2, restartsWhenStale: true });
  // Long enough apart for most to be certified dead, and for some to have refuted that.
  for (const id of namesOf(7)) {
    cluster.kill(id);
    cluster.run(1_500);
  }
  for (const [index, id] of namesOf(7).entries()) {
    if (index % 3 === 0) cluster.start(id, 1);
    else cluster.start(id, undefined, { disk: true });
  }
  expect(untilAgreed(cluster, namesOf(7))).toBeLessThan(10_000);
});

test('3: a stale alive, heard by one who missed the last death, resurrects nobody for long', () => {
  const cluster = settled({ size: 6, seed: 3, linksReport: false });
  const node = 'node-6' as NodeId;
  const at = (incarnation: number) =>
    ['node-3', 'node-4', 'node-5'].map((accuser) => [node, accuser, incarnation] as const);
  const dead = (incarnation: number) =>
    claims.dead(
      node,
      at(incarnation).map(([, accuser]) => accuser),
      1,
      incarnation,
    );
  // Ten times accused and ten times refuted, node-6 dies.
  const tenth = claims.alive(node, 1, 10);
  for (const id of namesOf(5)) {
    const heard = id === 'node-1' ? [dead(1)] : [tenth];
    cluster.inject(id, { type: 'claims', from: 'node-2' as NodeId, claims: heard });
  }
  cluster.kill(node);
  cluster.run(2_000);
  cluster.inject('node-1', { type: 'claims', from: 'node-2' as NodeId, claims: [claims.alive(node, 1, 2)] });
  expect(untilAgreed(cluster, namesOf(5))).toBeLessThan(30_000);
  // Nor does it where the death is known.
  cluster.inject('node-2', { type: 'claims', from: 'node-1' as NodeId, claims: [claims.alive(node, 1, 2)] });
  expect(cluster.agreesOnAlive(...namesOf(5))).toBe(true);
});

test('4: a member that comes back with its name at a new address is taken at once, though nobody has missed it yet', () => {
  const cluster = settled({ size: 5, seed: 4 });
  cluster.kill('node-3');
  cluster.start('node-3', undefined, { disk: true, host: '127.0.0.9' });
  cluster.run(500);
  for (const observer of namesOf(5)) {
    expect(cluster.view(observer, 'node-3')).toMatchObject({
      status: 'alive',
      bootEpoch: 2,
      addresses: [{ host: '127.0.0.9' }],
    });
  }
});

test('6: with UDP blocked altogether the cluster stays whole, finds a death and takes a newcomer', () => {
  const cluster = settled({ size: 6, seed: 6, linksReport: false, overLinks: true });
  cluster.kill('node-6');
  cluster.run(30_000);
  cluster.network.datagramsBlocked = true;
  const fromMs = cluster.now;
  cluster.run(300_000);
  expect(cluster.traceText(fromMs)).not.toMatch(/dead|unreachable/);
  cluster.kill('node-5');
  expect(untilAgreed(cluster, namesOf(4))).toBeLessThan(60_000);
  cluster.start('node-6', 2);
  expect(untilAgreed(cluster, [...namesOf(4), 'node-6'])).toBeLessThan(5_000);
});

test('7: a few slow and stalling members wrong nobody and make no storm', () => {
  const run = (stalling: readonly string[]) => {
    const wronged: string[] = [];
    const cluster = new SwimCluster({
      size: 16,
      seed: 7,
      founded: true,
      onMember: (observer, { nodeId, status }) => {
        if (status !== 'dead' && status !== 'unreachable') return;
        if (!stalling.includes(observer) && !stalling.includes(nodeId)) wronged.push(`${observer} ${nodeId}`);
      },
    });
    cluster.run(10_000);
    const before = cluster.packets;
    for (let round = 0; round < 6; round++) {
      for (const id of stalling) cluster.freeze(id, 6_000);
      cluster.run(10_000);
    }
    return { wronged, packets: cluster.packets - before };
  };
  const stalled = run(['node-3', 'node-9', 'node-15']);
  expect(stalled.wronged).toEqual([]);
  expect(stalled.packets).toBeLessThan(3 * run([]).packets);
});

test('8: a member whose every path fails blames all others, and none of them believes it', () => {
  const cluster = settled({ size: 7, seed: 8, linksReport: false, overLinks: true });
  cluster.impair('node-1', { ingressLoss: 1 });
  const fromMs = cluster.now;
  cluster.run(120_000);
  for (const observer of namesOf(7).slice(1)) {
    for (const subject of namesOf(7).slice(1)) expect(cluster.status(observer, subject)).toMatch(/alive|suspect/);
  }
  const verdicts = cluster
    .traceText(fromMs)
    .split('\n')
    .filter((line) => /dead|unreachable/.test(line));
  expect(verdicts.every((line) => / node-1: /.test(line) || /: node-1 /.test(line))).toBe(true);
  expect(cluster.partition('node-1')).not.toBe('majority');
  cluster.heal();
  expect(untilAgreed(cluster, namesOf(7))).toBeLessThan(60_000);
});

test('9: a joiner that somebody accuses before anybody has probed it is probed first, and stays', () => {
  const cluster = settled({ size: 6, seed: 9 });
  cluster.kill('node-6');
  cluster.run(10_000);
  expect(cluster.status('node-1', 'node-6')).toBe('dead');
  const fromMs = cluster.now;
  cluster.start('node-6');
  cluster.run(100);
  // Of its last boot, and of this one by a single accuser.
  const old = claims.dead('node-6', ['node-2', 'node-3', 'node-4']);
  const hasty = claims.suspect('node-6', 'node-2', 2, 1);
  for (const id of namesOf(5)) cluster.inject(id, { type: 'claims', from: 'node-2' as NodeId, claims: [old, hasty] });
  cluster.run(60_000);
  expect(cluster.agreesOnAlive(...namesOf(6))).toBe(true);
  expect(cluster.traceText(fromMs)).not.toMatch(/node-6 (certified dead|unreachable)/);
});

test.each([
  ['as long as the interval', { probeTimeoutMs: 500 }],
  ['longer', { probeTimeoutMs: 700 }],
])('10: a probe timeout %s is refused', (_name, change: Partial<SwimConfig>) => {
  expect(checkSwimConfig({ ...swimProfiles.local, ...change })).toMatchObject({
    ok: false,
    refusal: { code: 'CONFIG_INVALID' },
  });
});
