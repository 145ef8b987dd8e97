import { type KeyObject, X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentContext, ReceivedMessage } from '../../src/actors/agents/behaviour.ts';
import type { NodeEvent } from '../../src/actors/operations/control.ts';
import type { NoticeView } from '../../src/actors/operations/notice-view.ts';
import { issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { certificateKeyId } from '../../src/crypto/certificate-chain.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import type { NoticeKind } from '../../src/protocols/notice/notice.ts';
import { certificatesUntil, type Revocation } from '../../src/protocols/notice/revocation.ts';
import type { TrustBody } from '../../src/protocols/notice/trust.ts';
import { createTestCluster, type TestCluster, type TestClusterOptions } from '../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, newKey, operator, revocationOf, signNotice, textOfKey } from './notice-lab.ts';

const open: TestCluster[] = [];
const whole = async (options: TestClusterOptions = {}): Promise<TestCluster> => {
  const cluster = await createTestCluster(options);
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  return cluster;
};

afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

const noticeOf = (cluster: TestCluster, node: string, kind: NoticeKind): NoticeView | undefined =>
  cluster
    .node(node)
    .control.notices()
    .find((view) => view.kind === kind);
const generations = (cluster: TestCluster, kind: NoticeKind): (number | undefined)[] =>
  cluster.running.map((node) => noticeOf(cluster, node, kind)?.generation);
const publish = (cluster: TestCluster, node: string, text: string) =>
  cluster.settled(cluster.node(node).control.publishNotice(text, operator));
const linksOf = (cluster: TestCluster, node: string): string[] =>
  cluster
    .node(node)
    .control.links()
    .map(({ peer }) => peer);
const statusOf = (cluster: TestCluster, observer: string, subject: string): string | undefined =>
  cluster
    .node(observer)
    .control.members()
    .find(({ nodeId }) => nodeId === subject)?.status;
const recordsOf = async (cluster: TestCluster, node: string, type: string): Promise<Record<string, unknown>[]> => {
  const tail = await cluster.settled(cluster.node(node).control.auditTail({ limit: 500 }));
  return tail.ok ? (tail.value as Record<string, unknown>[]).filter((record) => record.type === type) : [];
};
const eventsOf = <T extends NodeEvent['type']>(cluster: TestCluster, type: T): Extract<NodeEvent, { type: T }>[] =>
  cluster.events.flatMap(({ event }) => (event.type === type ? [event as Extract<NodeEvent, { type: T }>] : []));

/** Puts other files in the place of a stopped node’s: a certificate of the same CA with a new key, and a new claim key. */
async function renew(cluster: TestCluster, node: string): Promise<void> {
  const { disk, config } = cluster.machine(node);
  const textOf = async (path: string) => Buffer.from((await disk.readFile(path))!).toString();
  const ca = { certPem: await textOf('/cluster/ca/ca.crt'), keyPem: await textOf('/cluster/ca/ca.key') };
  const key = osCrypto.generateKeyPair('p256');
  const { validToDate } = new X509Certificate(ca.certPem);
  const certPem = unwrap(
    issueNodeCertificate(osCrypto, {
      ...{ ca, publicKey: key.publicKey, nodeId: node as NodeId, trustDomain: config.cluster.trustDomain },
      ...{ notBefore: cluster.clock.now() - 30_000, notAfter: validToDate.getTime(), dns: [], ip: ['127.0.0.1'] },
    }),
  );
  const folder = `/cluster/nodes/${node}`;
  for (const [name, text] of [
    ['node.crt', certPem],
    ['node.key', privateKeyToPem(key.privateKey)],
    ['claim.key', privateKeyToPem(osCrypto.generateKeyPair('ed25519').privateKey)],
  ] as const)
    await disk.writeFileAtomic(`${folder}/${name}`, Buffer.from(text), 0o600);
}

const revoking = (cluster: TestCluster, key: KeyObject, generation: number, revocations: readonly Revocation[]) =>
  signNotice(key, { kind: 'revocations', generation, clusterId: clusterIdOf(cluster), body: { revocations } });
const trusting = (cluster: TestCluster, key: KeyObject, generation: number, body: TrustBody) =>
  signNotice(key, { kind: 'trust', generation, clusterId: clusterIdOf(cluster), body });
const trustOf = (cluster: TestCluster, node = 'node-1'): TrustBody =>
  noticeOf(cluster, node, 'trust')?.body as unknown as TrustBody;

describe('a node that is revoked', () => {
  it('loses all its links at once, is no member any more, and hears why', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const begun = cluster.clock.monotonic();
    const published = await publish(
      cluster,
      'node-1',
      revoking(cluster, authority, 1, [revocationOf('node', 'node-3')]),
    );
    expect(published.ok).toBe(true);
    await cluster.until(
      'its links are gone',
      () =>
        linksOf(cluster, 'node-3').length === 0 &&
        ['node-1', 'node-2'].every((node) => !linksOf(cluster, node).includes('node-3')),
    );
    expect(cluster.clock.monotonic() - begun).toBeLessThan(100);
    expect(linksOf(cluster, 'node-1')).toEqual(['node-2']);
    expect(['node-1', 'node-2'].map((node) => statusOf(cluster, node, 'node-3'))).toEqual(['revoked', 'revoked']);
    expect(cluster.node('node-3').control.status().revoked).toEqual({
      by: 'notice',
      reason: 'The node node-3 was revoked (keyCompromise, 2023-11-14T22:13:20.000Z).',
    });
    expect(eventsOf(cluster, 'node.revoked').map(({ nodeId, by }) => [nodeId, by])).toContainEqual([
      'node-3',
      'node-3',
    ]);
    const closed = (await recordsOf(cluster, 'node-2', 'LinkClosed')).at(-1);
    expect(closed).toMatchObject({ reasons: [expect.stringContaining('was revoked')] });
    expect(await recordsOf(cluster, 'node-1', 'SecurityPolicyUpdated')).toMatchObject([
      { identity: 'apikey:ops', outcome: 'success', metadata: { generation: 1 } },
    ]);
    expect(await recordsOf(cluster, 'node-2', 'SecurityPolicyUpdated')).toMatchObject([{ identity: 'node/node-1' }]);
  });

  it('does not come back, and does not spin, whoever is started again', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await publish(cluster, 'node-1', revoking(cluster, authority, 1, [revocationOf('node', 'node-3')]));
    await cluster.until('its links are gone', () => linksOf(cluster, 'node-3').length === 0);
    for (const node of ['node-1', 'node-2']) await cluster.restart(node);
    await cluster.until('the others find each other', () => linksOf(cluster, 'node-1').includes('node-2'));
    const before = eventsOf(cluster, 'link.refused').length;
    await cluster.advance(120_000);
    expect(cluster.running.map((node) => linksOf(cluster, node))).toEqual([['node-2'], ['node-1'], []]);
    expect(generations(cluster, 'revocations')).toEqual([1, 1, 1]);
    expect(cluster.node('node-1').control.status().partition).toBe('majority');
    expect(eventsOf(cluster, 'link.refused').length - before).toBeLessThan(10);
    // It lost its disk and knows nothing of it: the others do.
    await cluster.stop('node-3');
    await cluster.machine('node-3').store.delete('notices', 'revocations');
    await cluster.restart('node-3');
    await cluster.advance(300_000);
    expect(linksOf(cluster, 'node-3')).toEqual([]);
    expect(cluster.node('node-3').control.status().revoked).toMatchObject({ by: 'peers' });
    const refusals = eventsOf(cluster, 'link.refused').filter(({ nodeId }) => nodeId !== 'node-3');
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.every(({ refusal }) => refusal.code === 'REVOKED')).toBe(true);
    expect(refusals.length).toBeLessThan(30);
    // Whoever said so is gone, and says it no more.
    for (const node of ['node-1', 'node-2']) cluster.crash(node);
    await cluster.advance(300_000);
    expect(cluster.node('node-3').control.status()).not.toHaveProperty('revoked');
  }, 20_000);
});

describe('a certificate that is revoked', () => {
  it.each([
    ['its serial', 'serial', ({ serialNumber }: X509Certificate) => serialNumber],
    ['its key', 'key', ({ publicKey }: X509Certificate) => certificateKeyId(publicKey)],
    [
      'the moment in which it began',
      'certificates',
      ({ validFromDate }: X509Certificate) => certificatesUntil('node-3' as NodeId, validFromDate.getTime()),
    ],
  ] as const)(
    'by %s has no links any more, while the node itself may come back with another',
    async (_, kind, idOf) => {
      const cluster = await whole();
      const authority = await authorityOf(cluster);
      const shown = new X509Certificate(cluster.machine('node-3').disk.peek('/cluster/nodes/node-3/node.crt')!);
      const serial = shown.serialNumber;
      const begun = cluster.clock.monotonic();
      await publish(cluster, 'node-1', revoking(cluster, authority, 1, [revocationOf(kind, idOf(shown))]));
      await cluster.until('its links are gone', () =>
        cluster.nodes.every((node) => !linksOf(cluster, node).includes('node-3')),
      );
      expect(cluster.clock.monotonic() - begun).toBeLessThan(100);
      expect(linksOf(cluster, 'node-3')).toEqual([]);
      await cluster.advance(60_000);
      expect(linksOf(cluster, 'node-1')).toEqual(['node-2']);
      expect(statusOf(cluster, 'node-1', 'node-3')).not.toBe('revoked');
      expect(statusOf(cluster, 'node-1', 'node-3')).not.toBe('alive');
      // It joins again, as on a new machine: another certificate, another claim key, the same id.
      await cluster.stop('node-3');
      await renew(cluster, 'node-3');
      await cluster.restart('node-3');
      await cluster.until('it is a member again, by links and by gossip', () => cluster.isWhole());
      expect(cluster.node('node-3').control.status()).not.toHaveProperty('revoked');
      expect(cluster.node('node-3').control.status().certificate.serial).not.toBe(serial);
      await cluster.advance(60_000);
      expect(['node-1', 'node-2'].map((node) => statusOf(cluster, node, 'node-3'))).toEqual(['alive', 'alive']);
    },
  );

  it('and that is a CA’s leaves nobody below it a link, and each says so itself', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const pem = await cluster.machine('node-1').disk.readFile('/cluster/ca/ca.crt');
    const { serialNumber } = new X509Certificate(Buffer.from(pem!));
    await publish(cluster, 'node-1', revoking(cluster, authority, 1, [revocationOf('serial', serialNumber)]));
    await cluster.until('all links are gone', () => cluster.nodes.every((node) => linksOf(cluster, node).length === 0));
    for (const node of cluster.nodes)
      expect(cluster.node(node).control.status().revoked).toMatchObject({
        by: 'notice',
        reason: expect.stringContaining(serialNumber),
      });
    await cluster.advance(10_000);
    expect(cluster.nodes.flatMap((node) => linksOf(cluster, node))).toEqual([]);
  });
});

describe('cluster documents', () => {
  it('of one generation that are published at once are no fork: the second is refused, and that is recorded', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const before = trustOf(cluster);
    const texts = [newKey(), newKey()].map(({ text }) =>
      trusting(cluster, authority, 2, { ...before, issuers: [...before.issuers, text] }),
    );
    const { control } = cluster.node('node-1');
    const results = await cluster.settled(Promise.all(texts.map((text) => control.publishNotice(text, operator))));
    expect(results.map(({ ok }) => ok)).toEqual([true, false]);
    expect(results[1]).toMatchObject({ refusal: { code: 'ALREADY_EXISTS' } });
    expect(noticeOf(cluster, 'node-1', 'trust')).toMatchObject({ generation: 2, rivals: 0 });
    expect((await recordsOf(cluster, 'node-1', 'AccessDenied')).map(({ outcome }) => outcome)).toContain('refused');
  });

  it('that are held already are taken again without a second record, and refused when they are over', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const second = trusting(cluster, authority, 2, trustOf(cluster));
    const third = trusting(cluster, authority, 3, trustOf(cluster));
    for (const text of [second, third, third])
      expect(await publish(cluster, 'node-1', text)).toMatchObject({ ok: true });
    expect(await publish(cluster, 'node-1', second)).toMatchObject({ ok: false, refusal: { code: 'REPLAYED' } });
    const generationsOf = (records: Record<string, unknown>[]) =>
      records.map(({ metadata }) => (metadata as { generation: number }).generation);
    expect(generationsOf(await recordsOf(cluster, 'node-1', 'TrustChanged')).slice(-2)).toEqual([2, 3]);
    const revocations = revoking(cluster, authority, 1, [revocationOf('node', 'node-9')]);
    for (const text of [revocations, revocations])
      expect(await publish(cluster, 'node-2', text)).toMatchObject({ ok: true, value: { generation: 1 } });
    expect(await recordsOf(cluster, 'node-2', 'SecurityPolicyUpdated')).toHaveLength(1);
    expect(await recordsOf(cluster, 'node-1', 'AccessDenied')).toMatchObject([{ code: 'REPLAYED' }]);
  });

  it('reach a node that was away for ten generations before its links are up', async () => {
    const cluster = await whole();
    let authority = await authorityOf(cluster);
    cluster.crash('node-3');
    // Each generation hands over to another authority: only the chain leads to the last one.
    for (let generation = 2; generation <= 11; generation++) {
      const next = newKey();
      const handed = { ...trustOf(cluster), authorities: [next.text] };
      expect((await publish(cluster, 'node-1', trusting(cluster, authority, generation, handed))).ok).toBe(true);
      authority = next.key;
    }
    await publish(cluster, 'node-1', revoking(cluster, authority, 1, [revocationOf('node', 'node-9')]));
    await cluster.restart('node-3');
    await cluster.until('it is linked', () => linksOf(cluster, 'node-3').length > 0);
    expect(generations(cluster, 'trust')).toEqual([11, 11, 11]);
    expect(generations(cluster, 'revocations')).toEqual([1, 1, 1]);
    expect(trustOf(cluster, 'node-3').authorities).toEqual([textOfKey(authority)]);
    // Its files are those of the first generation still.
    await cluster.restart('node-3');
    expect(noticeOf(cluster, 'node-3', 'trust')?.generation).toBe(11);
  });

  it('are refused when forged, old, foreign or of a minority', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const stranger = newKey();
    const body = { revocations: [revocationOf('node', 'node-2')] };
    const refused = async (text: string): Promise<string> => {
      const result = await publish(cluster, 'node-1', text);
      return result.ok ? 'ok' : result.refusal.code;
    };
    expect(await refused(revoking(cluster, stranger.key, 1, body.revocations))).toBe('SIGNATURE_INVALID');
    expect(
      await refused(signNotice(authority, { kind: 'revocations', generation: 1, clusterId: 'another', body })),
    ).toBe('PROTOCOL_VIOLATION');
    expect(await refused(trusting(cluster, authority, 1, { ...trustOf(cluster), deployers: [] }))).toBe(
      'ALREADY_EXISTS',
    );
    expect(await refused('cxnot1.not.a.notice')).toBe('MALFORMED');
    await publish(cluster, 'node-1', revoking(cluster, authority, 3, [revocationOf('node', 'node-9')]));
    await cluster.advance(100);
    expect(await refused(revoking(cluster, authority, 2, body.revocations))).toBe('REPLAYED');
    expect(await refused(revoking(cluster, authority, 4, body.revocations))).toBe('PROTOCOL_VIOLATION');
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await cluster.until('it knows', () => cluster.node('node-1').control.status().partition !== 'majority');
    expect(await refused(revoking(cluster, authority, 4, [revocationOf('node', 'node-9')]))).toBe('PARTITION_MINORITY');
    expect(generations(cluster, 'revocations')).toEqual([3, 3, 3]);
    expect((await recordsOf(cluster, 'node-1', 'AccessDenied')).length).toBeGreaterThan(0);
  });

  it('of one generation raise an alarm on all nodes, and the stricter applies until a higher one comes', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const [ours, theirs] = [revocationOf('node', 'node-8'), revocationOf('node', 'node-9')];
    // Nobody knows yet that there is a partition: both sides write.
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    for (const [node, revocation] of [
      ['node-1', ours],
      ['node-2', theirs],
    ] as const)
      expect((await publish(cluster, node, revoking(cluster, authority, 1, [revocation]))).ok).toBe(true);
    await cluster.until('node-3 has it', () => noticeOf(cluster, 'node-3', 'revocations') !== undefined);
    await cluster.until('links break', () => linksOf(cluster, 'node-1').length === 0);
    cluster.heal();
    await cluster.until('all are one again', () => cluster.isWhole());
    const idsAt = (node: string) =>
      (noticeOf(cluster, node, 'revocations')!.body.revocations as Revocation[]).map(({ id }) => id).sort();
    for (const node of cluster.nodes) {
      expect([node, idsAt(node)]).toEqual([node, ['node-8', 'node-9']]);
      expect(noticeOf(cluster, node, 'revocations')?.rivals).toBe(1);
      const alarms = (await recordsOf(cluster, node, 'SecurityPolicyUpdated')).filter(
        ({ outcome }) => outcome === 'failure',
      );
      expect(alarms).toMatchObject([{ code: 'PROTOCOL_VIOLATION', metadata: { generation: 1 } }]);
    }
    await publish(cluster, 'node-3', revoking(cluster, authority, 2, [ours, theirs]));
    await cluster.advance(100);
    expect(generations(cluster, 'revocations')).toEqual([2, 2, 2]);
    expect(cluster.nodes.map((node) => noticeOf(cluster, node, 'revocations')?.rivals)).toEqual([0, 0, 0]);
    expect(
      cluster
        .node('node-1')
        .control.metrics()
        .find(({ name }) => name.includes('notice_alarms'))?.value,
    ).toBe(1);
  });

  it('of a trust bundle with two heads leave only what both trust', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const [deployer, other] = [trustOf(cluster).deployers[0]!, newKey().text];
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    const bundle = (deployers: readonly string[]) => ({ ...trustOf(cluster), deployers });
    await publish(cluster, 'node-1', trusting(cluster, authority, 2, bundle([deployer, other])));
    await publish(cluster, 'node-2', trusting(cluster, authority, 2, bundle([other])));
    await cluster.until('links break', () => linksOf(cluster, 'node-1').length === 0);
    cluster.heal();
    await cluster.until('all are one again', () => cluster.isWhole());
    expect(cluster.nodes.map((node) => trustOf(cluster, node).deployers)).toEqual([[other], [other], [other]]);
    // And so it stays over a restart with the files of the first generation.
    await cluster.restart('node-2');
    expect(trustOf(cluster, 'node-2').deployers).toEqual([other]);
    expect(noticeOf(cluster, 'node-2', 'trust')?.rivals).toBe(1);
  });
});

describe('agents whose documents are revoked', () => {
  const talk = {
    policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request' as const] }] },
  };
  const echo = (message: ReceivedMessage, agent: AgentContext) => {
    agent.reply(message, { performative: 'inform', content: message.content });
  };

  it.each(['deployer’s key', 'deployment'] as const)('stop at once when the %s is revoked', async (what) => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await cluster.deploy('node-2', 'default/echo', echo, talk);
    await cluster.until('node-1 knows it', () => cluster.node('node-1').control.agents().length > 0);
    const view = cluster
      .node('node-1')
      .control.agents()
      .find(({ agentId }) => agentId === 'default/echo')!;
    const id = what === 'deployment' ? view.deploymentId! : view.deployer;
    const kind = what === 'deployment' ? 'deployment' : 'key';
    await publish(cluster, 'node-1', revoking(cluster, authority, 1, [revocationOf(kind, id)]));
    await cluster.until('it is gone everywhere', () =>
      cluster.nodes.every((node) =>
        cluster
          .node(node)
          .control.agents()
          .every(({ agentId }) => agentId !== 'default/echo'),
      ),
    );
    await cluster.advance(6_000);
    const removed = await recordsOf(cluster, 'node-2', 'AgentRemoved');
    expect(removed.find(({ identity }) => identity === 'default/echo')).toMatchObject({
      reasons: [expect.stringContaining('was revoked')],
      metadata: { by: 'revocation' },
    });
    const again = cluster.deploy('node-2', 'default/echo', echo, talk);
    if (what === 'deployment') await again;
    else await expect(again).rejects.toMatchObject({ code: 'REVOKED' });
  });
});
