import { describe, expect, test } from 'vitest';
import type { NodeId } from '../../src/names.ts';
import type { Packet } from '../../src/protocols/swim/packet.ts';
import { claims } from '../protocols/swim/stage.ts';
import { SwimCluster, type SwimClusterOptions } from './swim-cluster.ts';

/*
 * Whoever fails again and again is kept out for a while (probation). What one member in the wrong hands can do with that:
 * it has its certificate, its claim key and the gossip key, and whatever it has heard.
 */

const size = 14;
const [victim, insider] = ['node-2' as NodeId, 'node-14' as NodeId];
const honest = Array.from({ length: size - 1 }, (_, at) => `node-${at + 1}` as NodeId);
const observers = honest.filter((node) => node !== victim);

function settled(options: Partial<SwimClusterOptions> = {}): SwimCluster {
  const cluster = new SwimCluster({ size, seed: 21, overLinks: true, encoded: false, ...options });
  cluster.run(5_000);
  return cluster;
}

const say = (cluster: SwimCluster, to: NodeId, packet: Packet): void =>
  cluster.inject(to, { type: 'packet', from: insider, packet });

/** For so long the insider does something to each honest member, ten times a second. */
function attack(cluster: SwimCluster, forMs: number, act: (to: NodeId) => void): void {
  for (let passedMs = 0; passedMs < forMs; passedMs += 100) {
    for (const to of honest) act(to);
    cluster.run(100);
  }
}

const accusation = (cluster: SwimCluster, accuser: NodeId | string) => {
  const { epoch, incarnation } = cluster.state(victim).self;
  return claims.suspect(victim, accuser, epoch, incarnation);
};

/** What others thought of the victim meanwhile, this suspicion and its refutation left out. */
const verdicts = (cluster: SwimCluster, sinceMs: number): readonly string[] =>
  cluster.trace
    .filter(({ atMs, text }) => atMs >= sinceMs && /^node-2 (unreachable|certified dead)/.test(text))
    .map(({ node, text }) => `${node}: ${text}`);

const believed = (cluster: SwimCluster): readonly string[] =>
  observers.flatMap((node) => {
    const status = cluster.status(node, victim);
    return status === 'alive' || status === 'suspect' ? [] : [`${node}: ${status}`];
  });

describe('an insider cannot have a healthy member held out', () => {
  test('by accusing it all the time', () => {
    const cluster = settled();
    attack(cluster, 60_000, (to) => say(cluster, to, { kind: 'gossip', claims: [accusation(cluster, insider)] }));
    expect(cluster.state(victim).self.incarnation).toBeGreaterThan(25);
    expect([verdicts(cluster, 0), believed(cluster)]).toEqual([[], []]);
  });

  test('in the names of nodes that are no members, have left or are revoked, even with their keys', () => {
    const cluster = settled();
    cluster.leave('node-13');
    cluster.run(5_000);
    for (const node of honest) cluster.inject(node, { type: 'revoked', nodes: ['node-12' as NodeId] });
    const names = [...Array.from({ length: 8 }, (_, at) => `ghost-${at + 1}`), 'node-12', 'node-13', insider];
    attack(cluster, 60_000, (to) => {
      if (to === 'node-12' || to === 'node-13') return;
      const said = names.map((name) => accusation(cluster, name));
      say(cluster, to, { kind: 'gossip', claims: said });
      cluster.inject(to, { type: 'claims', from: insider, claims: said });
    });
    const meant = (lines: readonly string[]) => lines.filter((line) => !/^node-1[23]:/.test(line));
    expect([meant(verdicts(cluster, 0)), meant(believed(cluster))]).toEqual([[], []]);
  });

  test('by having it probed by all others on a network that loses every fifth datagram', () => {
    const cluster = settled({ loss: 0.2 });
    let seq = 1;
    attack(cluster, 60_000, (to) => {
      const said = [accusation(cluster, insider)];
      if (to !== victim)
        for (let each = 0; each < 3; each++)
          say(cluster, to, { kind: 'ping-req', seq: seq++, target: victim, claims: said });
    });
    expect([verdicts(cluster, 0), believed(cluster)]).toEqual([[], []]);
  });

  test('as the middleman between it and whoever cannot reach it, nor with what that one signs', () => {
    const cluster = settled();
    for (const [from, to] of [
      [victim, 'node-1'],
      ['node-1', victim],
    ] as const)
      cluster.sever(from, to);
    attack(cluster, 60_000, (to) => {
      for (let each = 0; each < 3; each++) cluster.replay(insider, to, 3);
      say(cluster, to, { kind: 'gossip', claims: [accusation(cluster, insider)] });
      // Whatever it is asked, the answer is no.
      if (to === 'node-1') for (let seq = 1; seq < 400; seq++) say(cluster, to, { kind: 'nack', seq, claims: [] });
    });
    expect([verdicts(cluster, 0), believed(cluster)]).toEqual([[], []]);
  });

  test('longer than its probation lasts, by repeating what honest members signed while it failed', () => {
    const cluster = settled();
    // It fails twice, for all to see: that is what puts it on probation.
    for (let failure = 0; failure < 2; failure++) {
      cluster.impair(victim, { ingressLoss: 1, egressLoss: 1 });
      cluster.run(15_000);
      cluster.heal();
      cluster.run(5_000);
    }
    expect(believed(cluster).length).toBeGreaterThan(size / 2);
    attack(cluster, 45_000, (to) => {
      if (to === victim) return;
      for (let each = 0; each < 4; each++) cluster.replay(insider, to, 3);
      say(cluster, to, { kind: 'gossip', claims: [accusation(cluster, insider)] });
    });
    expect(believed(cluster)).toEqual([]);
  });
});
