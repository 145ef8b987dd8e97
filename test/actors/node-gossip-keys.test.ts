import { afterEach, describe, expect, it } from 'vitest';
import { askAsNewcomer } from '../../src/actors/cluster/identity/join-link.ts';
import type { GossipKeysView } from '../../src/actors/operations/gossip-key-view.ts';
import { keyringFromText } from '../../src/crypto/keyring.ts';
import { unwrap } from '../../src/errors.ts';
import { createTestCluster, type TestCluster, type TestClusterOptions } from '../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, operator, revocationOf, signNotice } from './notice-lab.ts';

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

const keysOf = (cluster: TestCluster, node: string): GossipKeysView => cluster.node(node).control.gossipKeys();
const epochs = (cluster: TestCluster): number[] => cluster.running.map((node) => keysOf(cluster, node).sealing.epoch);
const hashes = (cluster: TestCluster, nodes: readonly string[] = cluster.running): Set<string> =>
  new Set(nodes.map((node) => keysOf(cluster, node).sealing.hash));
const rotate = (cluster: TestCluster, node: string) =>
  cluster.settled(cluster.node(node).control.rotateGossipKey(operator));
const areOn =
  (cluster: TestCluster, epoch: number, nodes: readonly string[] = cluster.running) =>
  (): boolean =>
    nodes.every((node) => keysOf(cluster, node).sealing.epoch === epoch) && hashes(cluster, nodes).size === 1;
const areStable =
  (cluster: TestCluster, nodes: readonly string[] = cluster.running) =>
  (): boolean =>
    nodes.every((node) => keysOf(cluster, node).stage === 'stable');
/** Everybody that somebody did not see alive since the event of this number. */
const lost = (cluster: TestCluster, since: number): string[] =>
  cluster.events
    .slice(since)
    .flatMap(({ event }) =>
      event.type === 'member.changed' && event.member.status !== 'alive'
        ? [`${event.nodeId} saw ${event.member.nodeId} ${event.member.status}`]
        : [],
    );
const recordsOf = async (cluster: TestCluster, node: string): Promise<Record<string, unknown>[]> => {
  const tail = await cluster.settled(cluster.node(node).control.auditTail({ limit: 500 }));
  return tail.ok ? (tail.value as Record<string, unknown>[]).filter(({ type }) => type === 'GossipKeyRotated') : [];
};
const refusedDatagrams = (cluster: TestCluster, node: string): number =>
  cluster
    .node(node)
    .control.metrics()
    .filter(({ name }) => name === 'gossip_refused')
    .reduce((sum, { value }) => sum + value, 0);

describe('a rotation', () => {
  it('that an operator asks for is proposed, held, switched to and retired everywhere, and nobody is lost', async () => {
    const cluster = await whole();
    const begun = cluster.events.length;
    const before = hashes(cluster);
    expect([epochs(cluster), before.size]).toEqual([[1, 1, 1], 1]);
    const asked = await rotate(cluster, 'node-2');
    expect(asked).toMatchObject({ ok: true, value: { candidate: { epoch: 2, proposer: 'node-2' } } });
    await cluster.until('all seal with it', areOn(cluster, 2), 1_000);
    expect(keysOf(cluster, 'node-1').retiring.map(({ hash }) => hash)).toEqual([...before]);
    await cluster.until('the old one opens nothing any more', areStable(cluster), 120_000);
    await cluster.advance(10_000);
    expect(lost(cluster, begun)).toEqual([]);
    expect(cluster.running.map((node) => refusedDatagrams(cluster, node))).toEqual([0, 0, 0]);
    const told = (await recordsOf(cluster, 'node-2')).map(({ identity, metadata }) => [
      identity,
      (metadata as { change: string }).change,
    ]);
    expect(told).toEqual([
      ['apikey:ops', 'asked'],
      ['node-2', 'proposed'],
      ['node-2', 'switched'],
      ['node-2', 'retired'],
    ]);
    const others = (await recordsOf(cluster, 'node-3')).map(({ metadata }) => (metadata as { change: string }).change);
    expect(others).toEqual(['held', 'switched', 'retired']);
    const { members } = keysOf(cluster, 'node-1');
    expect(members.map(({ nodeId, sealing }) => [nodeId, sealing?.epoch])).toEqual([
      ['node-1', 2],
      ['node-2', 2],
      ['node-3', 2],
    ]);
  });

  it('comes by itself when the interval is over, once, and by the member whose turn it is', async () => {
    const cluster = await whole();
    // A day is long in probes, so it passes while nobody runs.
    for (const node of cluster.running) {
      await cluster.stop(node);
      cluster.skew(node, 24 * 3_600_000);
    }
    for (const node of cluster.nodes) await cluster.restart(node);
    await cluster.until('all seal with the next key', areOn(cluster, 2));
    expect(keysOf(cluster, 'node-3').sealing.proposer).toBe('node-1');
    await cluster.advance(60_000);
    expect(epochs(cluster)).toEqual([2, 2, 2]);
  });

  it('of a node that is a cluster of its own is done at once', async () => {
    const cluster = await createTestCluster({ nodes: 1 });
    open.push(cluster);
    expect(await rotate(cluster, 'node-1')).toMatchObject({ ok: true, value: { sealing: { epoch: 2 } } });
  });

  it('that two begin at once ends with one key', async () => {
    const cluster = await whole();
    const begun = cluster.events.length;
    const both = ['node-1', 'node-3'].map((node) => cluster.node(node).control.rotateGossipKey(operator));
    await cluster.settled(Promise.all(both));
    await cluster.until('all seal with one', areOn(cluster, 2));
    expect(lost(cluster, begun)).toEqual([]);
  });

  it.each([false, true])('goes on when its proposer is lost midway (power cut: %s)', async (powerCut) => {
    const cluster = await whole();
    await rotate(cluster, 'node-1');
    cluster.crash('node-1', { powerCut });
    await cluster.advance(60_000);
    const rest = epochs(cluster);
    expect(rest).toEqual([rest[0], rest[0]]);
    expect(hashes(cluster).size).toBe(1);
    await cluster.restart('node-1');
    await cluster.until('it is back', () => cluster.isWhole());
    await cluster.until('all seal with one', areOn(cluster, 2), 120_000);
  });

  it('is not begun by a minority, and one that was away for two of them catches up over its links', async () => {
    const cluster = await whole();
    cluster.partition(['node-3'], ['node-1', 'node-2']);
    await cluster.until('it is alone', () => cluster.node('node-3').control.status().partition !== 'majority');
    await cluster.until('the others know', () =>
      cluster
        .node('node-1')
        .control.members()
        .some(({ nodeId, status }) => nodeId === 'node-3' && status !== 'alive'),
    );
    expect(await rotate(cluster, 'node-3')).toMatchObject({ ok: false, refusal: { code: 'PARTITION_MINORITY' } });
    for (const epoch of [2, 3]) {
      await rotate(cluster, 'node-1');
      await cluster.until('the majority rotates', areOn(cluster, epoch, ['node-1', 'node-2']), 120_000);
    }
    expect(epochs(cluster)).toEqual([3, 3, 1]);
    cluster.heal();
    await cluster.until('all seal with one', areOn(cluster, 3), 120_000);
    await cluster.until('all are alive', () => cluster.isWhole(), 120_000);
  }, 20_000);

  it('outlives restarts: none goes back, whoever lost the database asks the others, and what is kept is sealed', async () => {
    const cluster = await whole();
    await rotate(cluster, 'node-2');
    await cluster.until('all seal with it', areOn(cluster, 2));
    const bytes = await cluster.machine('node-1').store.get('gossip-keys', 'ring');
    expect(Buffer.from(bytes!).toString()).toContain('vault_key');
    for (const node of ['node-1', 'node-2', 'node-3']) await cluster.stop(node);
    await cluster.machine('node-3').store.delete('gossip-keys', 'ring');
    await cluster.restart('node-1');
    await cluster.restart('node-3');
    expect(epochs(cluster)).toEqual([2, 1]);
    await cluster.until('all seal with one', areOn(cluster, 2));
    await cluster.restart('node-2');
    await cluster.until('they find each other', () => cluster.isWhole());
    expect(epochs(cluster)).toEqual([2, 2, 2]);
  });

  it('that goes on when the rotator crashes, in any of its stages', async () => {
    const cluster = await whole();
    for (const epoch of [2, 3]) {
      await rotate(cluster, 'node-1');
      cluster.machine('node-1').faults.crash('/node/cluster/key-rotator');
      await cluster.until('all seal with it', areOn(cluster, epoch));
    }
  });
});

describe('a newcomer', () => {
  it('that comes in the middle of a rotation is told the key that seals, and gets the next one like all others', async () => {
    const cluster = await whole({ caNodes: ['node-1'] });
    await rotate(cluster, 'node-3');
    await cluster.until('all seal with it', areOn(cluster, 2));
    cluster.crash('node-2');
    const { disk, config } = cluster.machine('node-2');
    const textOf = async (path: string): Promise<string> => Buffer.from((await disk.readFile(path))!).toString();
    const asked = askAsNewcomer({
      clock: cluster.clock,
      network: cluster.network.host('newcomer', { clock: cluster.clock }),
      identity: {
        certPem: await textOf(config.node.certificatePath),
        keyPem: await textOf(config.node.privateKeyPath),
        caPem: await textOf(config.node.caCertificatePath),
      },
      nodeId: config.node.id,
      issuer: cluster.machine('node-1').config.node.id,
      address: cluster.machine('node-1').config.cluster.advertise,
      trustDomain: config.cluster.trustDomain,
      clusterId: config.cluster.id,
    });
    // One is under way: the dead member holds it up, for as long as it is not known to be dead.
    await rotate(cluster, 'node-1');
    const facts = unwrap(await cluster.settled(asked));
    const { keys, sealing } = unwrap(keyringFromText(facts.gossipKeys));
    expect(keys).toHaveLength(1);
    expect(sealing.id).toMatchObject({ epoch: 2, proposer: 'node-3', hash: keysOf(cluster, 'node-1').sealing.hash });
    // Its files are those of a member that has nothing but this.
    disk.put(config.security.gossip.keyPath, Buffer.from(facts.gossipKeys), 0o600);
    await cluster.machine('node-2').store.delete('gossip-keys', 'ring');
    await cluster.restart('node-2');
    expect(keysOf(cluster, 'node-2').sealing.epoch).toBe(2);
    await cluster.until('all seal with the next one', areOn(cluster, 3), 120_000);
    expect(cluster.isWhole()).toBe(true);
  });
});

describe('a member that is revoked', () => {
  it('is left with the old key: the others rotate at once, and never give it the new one', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const text = signNotice(authority, {
      kind: 'revocations',
      generation: 1,
      clusterId: clusterIdOf(cluster),
      body: { revocations: [revocationOf('node', 'node-3')] },
    });
    const [old] = hashes(cluster);
    await cluster.settled(cluster.node('node-2').control.publishNotice(text, operator));
    await cluster.until('the others rotate', areOn(cluster, 2, ['node-1', 'node-2']), 1_000);
    expect(keysOf(cluster, 'node-1').sealing.proposer).toBe('node-1');
    await cluster.until('and have done with it', areStable(cluster, ['node-1', 'node-2']), 70_000);
    await cluster.advance(60_000);
    expect(keysOf(cluster, 'node-3').sealing).toMatchObject({ epoch: 1, hash: old });
    expect(keysOf(cluster, 'node-3').candidate).toBe(undefined);
    expect(keysOf(cluster, 'node-3').members).toHaveLength(1);
    expect((await recordsOf(cluster, 'node-1')).at(0)).toMatchObject({
      reasons: ['Something was revoked or suspended since the last key was made.'],
    });
  });

  it('is another matter than one that is dead: a death alone rotates nothing', async () => {
    const cluster = await whole();
    cluster.crash('node-3');
    await cluster.advance(60_000);
    expect(epochs(cluster)).toEqual([1, 1]);
  });
});
