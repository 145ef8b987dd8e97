import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/names.ts';
import { counterMax, type SignedClaim, type SuspectClaim } from '../../../src/protocols/swim/claim.ts';
import { authorityOf, clusterIdOf, operator, revocationOf, signNotice } from '../../actors/notice-lab.ts';
import { type AttackedCluster, attackedCluster } from './attacked-cluster.ts';

/** With mallory there are five, so a death takes three accusers. */
let attacked: AttackedCluster;
beforeAll(async () => {
  attacked = await attackedCluster();
});
afterAll(() => attacked?.close());

const victimNow = () => attacked.insider.aliveOf(attacked.victim).claim;

/** Tells all honest nodes, by datagram. */
const tellAll = (...claims: readonly SignedClaim[]): void => {
  for (const node of attacked.honest) attacked.insider.gossip(node, ...claims);
};

/** Lets twice the time pass in which a suspicion runs out, and expects that nobody believed anything. */
async function nothingHappens(thought: readonly string[] = []): Promise<void> {
  await attacked.cluster.advance(30_000);
  expect(new Set(attacked.thoughtOf(attacked.victim))).toEqual(new Set(thought));
}

/** Counted at each node so often more. */
async function counted(metric: string, code: string, times: number, act: () => void): Promise<void> {
  const { honest, count, cluster } = attacked;
  const before = honest.map((node) => count(node, metric, code));
  act();
  await cluster.advance(10);
  expect(honest.map((node, at) => count(node, metric, code) - before[at]!)).toEqual(honest.map(() => times));
}

describe('an insider cannot evict a healthy member', () => {
  let standing = '';
  beforeAll(() => {
    standing = attacked.standing();
  });
  const unchanged = () => {
    expect(attacked.standing()).toBe(standing);
    attacked.mark();
  };

  it('with suspicions of its own, whatever the accused answers', async () => {
    for (let round = 0; round < 100; round++) {
      tellAll(attacked.insider.suspect(victimNow()));
      await attacked.cluster.advance(200);
    }
    expect(attacked.seen(attacked.others[0]!, attacked.victim)!.incarnation).toBeGreaterThan(50);
    await nothingHappens(['suspect', 'alive']);
    unchanged();
  });

  it('with suspicions under the names of the others', async () => {
    const forged = attacked.others.map((other) => attacked.insider.suspect(victimNow(), other));
    // A node knows best what it has signed itself, so it does not even check that.
    const { others, count, cluster } = attacked;
    const before = others.map((node) => count(node, 'claims_refused', 'SIGNATURE_INVALID'));
    tellAll(...forged);
    await cluster.advance(10);
    const refused = others.map((node, at) => count(node, 'claims_refused', 'SIGNATURE_INVALID') - before[at]!);
    expect(refused).toEqual(others.map(() => forged.length - 1));
    await nothingHappens();
    unchanged();
  });

  it('with a certificate that carries its signature three times under its name', async () => {
    const { insider, others } = attacked;
    const own = insider.suspect(victimNow());
    await counted('gossip_refused', 'MALFORMED', 1, () => tellAll(insider.dead(own, own, own)));
    // Over a link it is the end of the link, with its reason in the audit log.
    insider.document(others[0]!, { claims: [insider.dead(own, own, own)] });
    await attacked.cluster.until('the link is cut', () => !insider.isLinkedTo(others[0]!));
    const tail = await attacked.cluster.node(others[0]!).control.auditTail({ limit: 50 });
    const closed = (tail.ok ? tail.value : []) as readonly { type: string; reasons: readonly string[] }[];
    expect(closed.findLast(({ type }) => type === 'LinkClosed')?.reasons.join()).toMatch(/accuser counted twice/);
    await insider.link(others[0]!);
    await nothingHappens();
    unchanged();
  });

  it('with a certificate that carries its signature under the names of three', async () => {
    const { insider, others } = attacked;
    const names = [insider.nodeId, ...others];
    const forged = insider.dead(...names.map((name) => insider.suspect(victimNow(), name)));
    await counted('claims_refused', 'SIGNATURE_INVALID', 1, () => tellAll(forged));
    await nothingHappens();
    unchanged();
  });

  it('with a certificate of names that nobody has', async () => {
    const { insider } = attacked;
    const names = ['nobody-1', 'nobody-2', 'nobody-3'] as NodeId[];
    const forged = insider.dead(...names.map((name) => insider.suspect(victimNow(), name)));
    await counted('claims_refused', 'UNREACHABLE', 1, () => tellAll(forged));
    await nothingHappens();
    unchanged();
  });

  it('with what all others signed about an earlier incarnation', async () => {
    const { insider, genuine, others, cluster } = attacked;
    const old = { ...victimNow(), incarnation: victimNow().incarnation - 1 };
    const real = await Promise.all(others.map((other) => genuine(other, old)));
    tellAll(insider.dead(...real));
    for (const suspicion of [...real, insider.suspect(old)]) tellAll(suspicion);
    await cluster.advance(1_000);
    await nothingHappens();
    unchanged();
  });

  it('with what all others sign about counters that the accused never had, nor makes it take them', async () => {
    const { insider, genuine, others, victim, seen } = attacked;
    const { epoch, incarnation } = victimNow();
    for (const over of [
      { incarnation: incarnation + 1 },
      { incarnation: counterMax },
      { epoch: epoch + 1 },
      { epoch: counterMax, incarnation: counterMax },
    ]) {
      const subject = { ...victimNow(), ...over };
      const real = await Promise.all(others.map((other) => genuine(other, subject)));
      tellAll(...real, insider.suspect(subject));
      tellAll(insider.dead(...real));
    }
    await nothingHappens();
    expect(seen(victim, victim)).toMatchObject({ bootEpoch: epoch, incarnation });
    unchanged();
  });

  it('by saying that it leaves', async () => {
    const { insider, victim } = attacked;
    const forged = insider.leave(victimNow());
    await counted('claims_refused', 'SIGNATURE_INVALID', 1, () => tellAll(forged));
    expect(attacked.thoughtOf(victim)).toEqual([]);
    unchanged();
  });

  it('with the certificate of an earlier death, nor with what all others signed about an earlier boot', async () => {
    const { insider, victim, others, cluster, seen, genuine } = attacked;
    const old = victimNow();
    cluster.crash(victim, { powerCut: true });
    await cluster.until('it is dead for all', () => others.every((node) => seen(node, victim)?.status === 'dead'));
    for (const other of others) insider.document(other);
    const isCertificate = ({ claim }: SignedClaim) => claim.kind === 'dead' && claim.node === victim;
    await cluster.until('the insider has the certificate', () => insider.claims.some(isCertificate));
    await cluster.restart(victim);
    await insider.link(victim);
    await cluster.until('it is back', () => others.every((node) => seen(node, victim)?.status === 'alive'));
    await cluster.advance(2_000);
    attacked.mark();
    tellAll(insider.claims.findLast(isCertificate)!);
    for (const other of others) insider.document(other, { claims: insider.claims.filter(isCertificate).slice(-9) });
    const real: SignedClaim<SuspectClaim>[] = await Promise.all(others.map((other) => genuine(other, old)));
    tellAll(...real, insider.suspect(old));
    await nothingHappens();
    standing = attacked.standing();
  });
});

describe('nor with the signatures of who does not count any more', () => {
  it('who left, was revoked or was suspended', async () => {
    const names = ['alpha', 'bravo', 'carol', 'dora', 'elisa', 'fiona', 'victim'] as NodeId[];
    const crowd = await attackedCluster(names);
    const { cluster, insider, seen, victim, genuine, count } = crowd;
    const subject = insider.aliveOf(victim).claim;
    const lost = ['dora', 'elisa', 'fiona'] as NodeId[];
    const real = await Promise.all(lost.map((accuser) => genuine(accuser, subject)));
    const key = await authorityOf(cluster);
    const publish = async (kind: 'revocations' | 'suspensions', body: object) => {
      const text = signNotice(key, { kind, generation: 1, clusterId: clusterIdOf(cluster), body: body as never });
      const done = await cluster.settled(cluster.node('alpha').control.publishNotice(text, operator));
      expect(done.ok).toBe(true);
    };
    await publish('revocations', { revocations: [revocationOf('node', 'elisa')] });
    await publish('suspensions', { suspensions: [{ node: 'fiona', at: 1_700_000_000_000 }] });
    await cluster.stop('dora');
    const honest = ['alpha', 'bravo', 'carol'] as NodeId[];
    await cluster.until('all three are out', () =>
      honest.every((node) => lost.every((out) => !['alive', 'suspect'].includes(seen(node, out)?.status ?? ''))),
    );
    crowd.mark();
    const refused = honest.map((node) => count(node, 'claims_refused', 'SIGNATURE_INVALID'));
    for (const node of [...honest, victim]) {
      for (const suspicion of [...real, insider.suspect(subject)]) insider.gossip(node, suspicion);
      insider.gossip(node, insider.dead(...real));
      insider.gossip(node, insider.dead(real[0]!, insider.suspect(subject)));
      insider.document(node, { claims: [...real, insider.dead(...real, insider.suspect(subject))] });
    }
    await cluster.advance(30_000);
    expect(new Set(crowd.thoughtOf(victim, honest))).toEqual(new Set(['suspect', 'alive']));
    expect(honest.map((node) => seen(node, victim)?.status)).toEqual(['alive', 'alive', 'alive']);
    expect(honest.map((node) => count(node, 'claims_refused', 'SIGNATURE_INVALID'))).toEqual(refused);
    await crowd.close();
  });
});
