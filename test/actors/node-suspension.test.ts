import type { KeyObject } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createTestCluster, type TestCluster } from '../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, operator, revocationOf, signNotice } from './notice-lab.ts';

const open: TestCluster[] = [];
const whole = async (): Promise<TestCluster> => {
  const cluster = await createTestCluster({});
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  return cluster;
};

afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

const at = 1_700_000_000_000;
const suspending = (cluster: TestCluster, key: KeyObject, generation: number, nodes: readonly string[]) => {
  const suspensions = nodes.map((node) => ({ node, at }));
  return signNotice(key, {
    ...{ kind: 'suspensions', generation, clusterId: clusterIdOf(cluster) },
    body: { suspensions: suspensions as never },
  });
};
const publish = (cluster: TestCluster, node: string, text: string) =>
  cluster.settled(cluster.node(node).control.publishNotice(text, operator));
const linksOf = (cluster: TestCluster, node: string): string[] =>
  cluster
    .node(node)
    .control.links()
    .map(({ peer }) => peer)
    .sort();
const statusOf = (cluster: TestCluster, observer: string, subject: string): string | undefined =>
  cluster
    .node(observer)
    .control.members()
    .find(({ nodeId }) => nodeId === subject)?.status;
const suspensionsAt = (cluster: TestCluster, node: string): unknown =>
  cluster
    .node(node)
    .control.notices()
    .find(({ kind }) => kind === 'suspensions')?.body.suspensions;
const isOut = (cluster: TestCluster): boolean =>
  linksOf(cluster, 'node-3').length === 0 &&
  ['node-1', 'node-2'].every((node) => !linksOf(cluster, node).includes('node-3'));
const eventsOf = (cluster: TestCluster, type: string) =>
  cluster.events.flatMap(({ event }) => (event.type === type ? [event] : []));

describe('a node that is suspended', () => {
  it('has its agents found again when it is resumed, though it has nothing new to say of them', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await cluster.deploy('node-3', 'default/echo', () => {});
    const knows = (node: string) =>
      cluster
        .node(node)
        .control.agents()
        .some(({ agentId }) => agentId === 'default/echo');
    await cluster.until('all know it', () => cluster.nodes.every(knows));
    // So long that its peers have acknowledged what it said.
    await cluster.advance(5_000);
    await publish(cluster, 'node-1', suspending(cluster, authority, 1, ['node-3']));
    await cluster.until('nobody else knows it', () => !knows('node-1') && !knows('node-2'));
    await publish(cluster, 'node-1', suspending(cluster, authority, 2, []));
    await cluster.until('all know it again', () => cluster.nodes.every(knows));
  });

  it('loses its links at once, is no member, hears why, and comes back by itself when it is resumed', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const begun = cluster.clock.monotonic();
    expect(await publish(cluster, 'node-1', suspending(cluster, authority, 1, ['node-3']))).toMatchObject({ ok: true });
    await cluster.until('its links are gone', () => isOut(cluster));
    expect(cluster.clock.monotonic() - begun).toBeLessThan(100);
    expect(['node-1', 'node-2'].map((node) => statusOf(cluster, node, 'node-3'))).toEqual(['suspended', 'suspended']);
    expect(statusOf(cluster, 'node-3', 'node-3')).toBe('suspended');
    expect(cluster.node('node-3').control.status()).toMatchObject({
      suspended: { by: 'notice', reason: 'The node node-3 is suspended (since 2023-11-14T22:13:20.000Z).' },
    });
    expect(cluster.node('node-3').control.status().revoked).toBeUndefined();
    await cluster.advance(300_000);
    expect(isOut(cluster)).toBe(true);
    // Two of two: it does not count among those who could be seen.
    expect(cluster.node('node-1').control.status().partition).toBe('majority');
    const refusals = eventsOf(cluster, 'link.refused').filter(({ nodeId }) => nodeId !== 'node-3');
    expect(refusals.length).toBeGreaterThan(0);
    expect(refusals.length).toBeLessThan(20);
    expect(new Set(refusals.map((event) => ('refusal' in event ? event.refusal.code : '')))).toEqual(
      new Set(['SUSPENDED']),
    );
    // One more, and nobody could be resumed.
    expect(await publish(cluster, 'node-1', suspending(cluster, authority, 2, ['node-2', 'node-3']))).toMatchObject({
      refusal: {
        code: 'PARTITION_MINORITY',
        reasons: [expect.stringContaining('leave 1 of 3'), expect.stringContaining('Suspend fewer')],
      },
    });
    expect(linksOf(cluster, 'node-1')).toEqual(['node-2']);
    const resumed = cluster.clock.monotonic();
    expect(await publish(cluster, 'node-2', suspending(cluster, authority, 2, []))).toMatchObject({ ok: true });
    await cluster.until('it is back', () => cluster.isWhole());
    expect(cluster.clock.monotonic() - resumed).toBeLessThan(10_000);
    expect(cluster.node('node-3').control.status().suspended).toBeUndefined();
    expect(eventsOf(cluster, 'node.resumed')).toMatchObject([{ nodeId: 'node-3' }]);
    await cluster.advance(30_000);
    expect(cluster.isWhole()).toBe(true);
  });

  it('stays out over restarts of anybody, and is resumed though it was down when that was said', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await publish(cluster, 'node-1', suspending(cluster, authority, 1, ['node-3']));
    await cluster.until('its links are gone', () => isOut(cluster));
    for (const node of ['node-1', 'node-2', 'node-3']) await cluster.restart(node);
    await cluster.advance(120_000);
    expect(isOut(cluster)).toBe(true);
    expect(linksOf(cluster, 'node-1')).toEqual(['node-2']);
    // It lost its disk and knows nothing of it: the others do.
    await cluster.stop('node-3');
    await cluster.machine('node-3').store.delete('notices', 'suspensions');
    await cluster.restart('node-3');
    await cluster.advance(120_000);
    expect(isOut(cluster)).toBe(true);
    expect(cluster.node('node-3').control.status().suspended).toMatchObject({ by: 'peers' });
    cluster.crash('node-3');
    await publish(cluster, 'node-1', suspending(cluster, authority, 2, []));
    await cluster.restart('node-3');
    await cluster.until('it is back', () => cluster.isWhole());
    expect(cluster.node('node-3').control.status().suspended).toBeUndefined();
  }, 20_000);

  it('does not come back by an older document, and is revoked when it is that as well', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await publish(cluster, 'node-1', suspending(cluster, authority, 2, ['node-3']));
    await cluster.until('its links are gone', () => isOut(cluster));
    expect(await publish(cluster, 'node-1', suspending(cluster, authority, 1, []))).toMatchObject({
      refusal: { code: 'REPLAYED' },
    });
    const clusterId = clusterIdOf(cluster);
    const revocations = [revocationOf('node', 'node-3')];
    await publish(
      cluster,
      'node-1',
      signNotice(authority, { kind: 'revocations', generation: 1, clusterId, body: { revocations } }),
    );
    expect(statusOf(cluster, 'node-1', 'node-3')).toBe('revoked');
    await publish(cluster, 'node-1', suspending(cluster, authority, 3, []));
    await cluster.advance(120_000);
    expect(isOut(cluster)).toBe(true);
    expect(statusOf(cluster, 'node-1', 'node-3')).toBe('revoked');
  });
});

describe('two documents about suspensions of one generation', () => {
  it('raise an alarm, and whoever is in either is suspended until the next generation', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    for (const [node, out] of [
      ['node-1', 'node-8'],
      ['node-2', 'node-9'],
    ] as const)
      expect(await publish(cluster, node, suspending(cluster, authority, 1, [out]))).toMatchObject({ ok: true });
    await cluster.until('links break', () => linksOf(cluster, 'node-1').length === 0);
    cluster.heal();
    await cluster.until('all are one again', () => cluster.isWhole());
    for (const node of cluster.nodes) {
      const nodes = (suspensionsAt(cluster, node) as { node: string }[]).map((entry) => entry.node).sort();
      expect([node, nodes]).toEqual([node, ['node-8', 'node-9']]);
    }
    expect(
      eventsOf(cluster, 'notice.changed').filter((event) => 'change' in event && event.change === 'forked'),
    ).toHaveLength(3);
    await publish(cluster, 'node-3', suspending(cluster, authority, 2, ['node-9']));
    await cluster.advance(100);
    expect(cluster.nodes.map((node) => suspensionsAt(cluster, node))).toEqual(
      cluster.nodes.map(() => [{ node: 'node-9', at }]),
    );
  });
});
