import { afterEach, describe, expect, it } from 'vitest';
import type { CertRotatorEvent } from '../../../../src/actors/cluster/identity/cert-rotator.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { AuditRecord } from '../../../../src/protocols/audit/record.ts';
import { createTestCluster, type TestCluster } from '../../../../src/testing/test-cluster.ts';
import { SteadyLoad } from '../../../scenarios/crashes/steady-load.ts';
import { authorityOf, clusterIdOf, operator, revocationOf, signNotice } from '../../notice-lab.ts';

const dayMs = 86_400_000;
let cluster: TestCluster;

afterEach(() => cluster.close());

const serialOf = (id: string): string => cluster.node(id).control.status().certificate.serial;
const tellRotator = (id: string, type: 'cert.check' | 'cert.renew') =>
  cluster.node(id).kernel.ref<CertRotatorEvent>('/node/pki/cert-rotator').tell({ type }, 'control');
/** The serial that a node saw when its link to another came up. */
const shownTo = (viewer: string, peer: string): string | undefined =>
  cluster
    .node(viewer)
    .control.links()
    .find((link) => link.peer === peer)?.serial;
const recordsOf = async (id: string, type: string): Promise<readonly AuditRecord[]> => {
  const records = unwrap(await cluster.settled(cluster.node(id).control.auditTail({ limit: 1_000 })));
  return (records as readonly AuditRecord[]).filter((record) => record.type === type);
};
const textOf = (id: string, path: string): string => Buffer.from(cluster.machine(id).disk.peek(path) ?? []).toString();

/** A cluster in which node-2 alone holds the CA’s key. */
async function wholeCluster(): Promise<void> {
  cluster = await createTestCluster({ caNodes: ['node-2'] });
  await cluster.until('it is whole', () => cluster.isWhole());
}

/** Whether all see the certificates that all have now. */
const areSeen = (): boolean =>
  cluster.nodes.every((viewer) =>
    cluster.nodes.every((peer) => viewer === peer || shownTo(viewer, peer) === serialOf(peer)),
  );

describe('a certificate', () => {
  it('is renewed by the CA node under load; links change to it, and nobody ever misses one or an answer', async () => {
    await wholeCluster();
    const load = await SteadyLoad.on(cluster);
    await cluster.until('all answer', () => load.allAnswer());
    load.forget();
    load.run(50);
    const gaps: string[] = [];
    const ended = cluster.on((event) => {
      if (event.type === 'link.closed') gaps.push(`${event.nodeId} lost ${event.peer}: ${event.reason}`);
    });
    const before = cluster.nodes.map(serialOf);
    for (const id of cluster.nodes) tellRotator(id, 'cert.renew');
    await cluster.until('all have others', () => cluster.nodes.every((id, index) => serialOf(id) !== before[index]));
    await cluster.until('all see them', areSeen, 15_000);
    await cluster.advance(5_000);
    load.stop();
    await cluster.until('all are answered', () => load.open === 0);
    ended();
    expect([gaps, load.tally.wrong, load.tally.stray, [...load.tally.refused]]).toEqual([[], 0, 0, []]);
    expect(load.tally.answered).toBe(load.tally.asked);
    const issued = await recordsOf('node-2', 'CertificateIssued');
    const named = issued.map(({ identity, certificateSerial }) => `${identity} ${certificateSerial}`);
    expect(named.sort()).toEqual(cluster.nodes.map((id) => `spiffe://dev.caxton.internal/node/${id} ${serialOf(id)}`));
  });

  it('waits for a CA node that is away, says so in time, and is renewed as soon as it is back', async () => {
    await wholeCluster();
    const before = serialOf('node-1');
    const { notAfter } = cluster.node('node-1').control.status().certificate;
    cluster.crash('node-2');
    for (const id of cluster.nodes) cluster.skew(id, 61 * dayMs);
    await cluster.until('the CA node is missed', () => cluster.node('node-1').control.links().length === 1);
    tellRotator('node-1', 'cert.check');
    await cluster.until('it fails', async () => (await recordsOf('node-1', 'CertificateRotated')).length > 0);
    const [failure] = await recordsOf('node-1', 'CertificateRotated');
    expect(failure).toMatchObject({ outcome: 'failure', reasons: [expect.stringContaining('no CA node is linked')] });
    const expiring = () => cluster.events.filter(({ event }) => event.type === 'certificate.expiring').length;
    expect(expiring()).toBe(0);
    cluster.skew('node-1', 15 * dayMs);
    await cluster.until('half of the time is gone', () => expiring() === 1, 3_600_000);
    cluster.skew('node-1', -15 * dayMs);

    await cluster.restart('node-2');
    await cluster.until('it is renewed', () => serialOf('node-1') !== before, 30_000);
    expect((await recordsOf('node-2', 'CertificateIssued')).map(({ identity }) => identity)).toContain(
      'spiffe://dev.caxton.internal/node/node-1',
    );
    expect(textOf('node-1', '/cluster/nodes/node-1/node.crt')).not.toBe('');
    await cluster.until('it is whole', () => cluster.isWhole());

    // Past the end of what all had: they are members as before, also for those that must meet again.
    for (const id of ['node-2', 'node-3']) {
      const old = serialOf(id);
      tellRotator(id, 'cert.renew');
      await cluster.until(`${id} is renewed`, () => serialOf(id) !== old, 30_000);
    }
    const past = Date.parse(notAfter) + dayMs - cluster.clock.now() - 61 * dayMs;
    for (const id of cluster.nodes) cluster.skew(id, past);
    cluster.partition(['node-1'], ['node-2'], ['node-3']);
    await cluster.advance(40_000);
    expect(cluster.isWhole()).toBe(false);
    cluster.heal();
    await cluster.until('it is whole', () => cluster.isWhole());
  });

  it('of the only CA node, which was off past its end, is renewed with its own CA before its first link', async () => {
    await wholeCluster();
    const before = serialOf('node-2');
    cluster.crash('node-2');
    for (const id of cluster.nodes) cluster.skew(id, 89 * dayMs);
    await cluster.until('others wait', () => cluster.node('node-1').control.links().length === 1);
    cluster.skew('node-2', 2 * dayMs);
    cluster.skew('node-1', 2 * dayMs);
    await cluster.restart('node-2');
    expect(serialOf('node-2')).not.toBe(before);
    const records = unwrap(await cluster.settled(cluster.node('node-2').control.auditTail({ limit: 1_000 })));
    const ofNode = (records as readonly AuditRecord[]).filter(({ metadata }) => metadata.purpose !== 'server');
    const all = ofNode.map(({ type }) => type);
    const told: readonly string[] = ['CertificateIssued', 'CertificateRotated', 'NodeStarted', 'LinkEstablished'];
    const types = all.filter((type) => told.includes(type));
    expect(types.slice(types.indexOf('CertificateIssued'), types.indexOf('CertificateIssued') + 3)).toEqual(
      told.slice(0, 3),
    );
  });

  it('of a CA node that was revoked meanwhile is not renewed: the start fails, and says why', async () => {
    await wholeCluster();
    const { serial } = cluster.node('node-2').control.status().certificate;
    const revoking = signNotice(await authorityOf(cluster), {
      ...{ kind: 'revocations', generation: 1, clusterId: clusterIdOf(cluster) },
      body: { revocations: [revocationOf('serial', serial)] },
    });
    unwrap(await cluster.settled(cluster.node('node-1').control.publishNotice(revoking, operator)));
    await cluster.until('it knows', () => cluster.node('node-2').control.notices().length > 1);
    await cluster.advance(1_000);
    cluster.crash('node-2');
    cluster.skew('node-2', 91 * dayMs);
    await expect(cluster.restart('node-2')).rejects.toThrow(/ended at .*not renewed/);
    cluster.skew('node-2', -91 * dayMs);
    await cluster.restart('node-2');
    expect(serialOf('node-2')).toBe(serial);
  });

  it('survives a crash of its node: it starts with the one that it was given', async () => {
    await wholeCluster();
    const before = serialOf('node-3');
    tellRotator('node-3', 'cert.renew');
    await cluster.until('it is renewed', () => serialOf('node-3') !== before);
    const renewed = serialOf('node-3');
    cluster.crash('node-3', { powerCut: true });
    await cluster.restart('node-3');
    expect(serialOf('node-3')).toBe(renewed);
    await cluster.until('it is whole', () => cluster.isWhole());
  });

  it('is the same one when the answer was lost, and the node crashed before it asked again', async () => {
    await wholeCluster();
    await cluster.advance(10_000);
    const before = serialOf('node-1');
    const { disk } = cluster.machine('node-2');
    // What is recorded is issued; the answer comes next.
    disk.before = (act) => {
      if (act !== 'append') return;
      disk.before = () => {};
      cluster.partition(['node-1'], ['node-2', 'node-3']);
    };
    tellRotator('node-1', 'cert.renew');
    await cluster.until('it is issued', async () => (await recordsOf('node-2', 'CertificateIssued')).length === 1);
    await cluster.advance(60_000);
    expect(serialOf('node-1')).toBe(before);
    cluster.crash('node-1');
    cluster.heal();
    await cluster.restart('node-1');
    await cluster.until('it is whole', () => cluster.isWhole());
    tellRotator('node-1', 'cert.renew');
    await cluster.until('it is renewed', () => serialOf('node-1') !== before, 30_000);
    const issued = await recordsOf('node-2', 'CertificateIssued');
    expect(issued.map(({ certificateSerial, reasons }) => [certificateSerial, reasons.length])).toEqual([
      [serialOf('node-1'), 0],
      [serialOf('node-1'), 1],
    ]);
  });

  it('is given by another CA node when the first one refuses', async () => {
    cluster = await createTestCluster({ caNodes: ['node-2', 'node-3'] });
    await cluster.until('it is whole', () => cluster.isWhole());
    // One that cannot record what it issues must not issue.
    cluster.machine('node-2').disk.fail('append', 'EIO');
    for (let round = 0; round < 4; round += 1) {
      const before = serialOf('node-1');
      tellRotator('node-1', 'cert.renew');
      await cluster.until('it is renewed', () => serialOf('node-1') !== before, 120_000);
    }
    expect(await recordsOf('node-3', 'CertificateIssued')).toHaveLength(4);
    // So the first one knows whose key is not the last.
    const seen = async () => {
      const kept = await cluster.machine('node-2').store.get('seen-certificates', 'node-1');
      return kept && Buffer.from(kept).toString().includes(serialOf('node-1'));
    };
    await cluster.until('the other CA node has seen the last one', async () => (await seen()) === true);
  });
});
