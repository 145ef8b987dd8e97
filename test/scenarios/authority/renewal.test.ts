import { afterEach, describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/errors.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, operator, revocationOf, signNotice } from '../../actors/notice-lab.ts';

const minuteMs = 60_000;
const open: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

interface Entry {
  readonly type: string;
  readonly identity: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

const refreshesOf = async (cluster: TestCluster, node: string, agent: string): Promise<readonly Entry[]> =>
  (unwrap(await cluster.node(node).control.auditTail({ limit: 1_000 })) as readonly Entry[]).filter(
    ({ type, identity }) => type === 'TokenRefresh' && identity === agent,
  );

const viewOf = (cluster: TestCluster, at: string, agent: string) =>
  cluster
    .node(at)
    .control.agents()
    .find(({ agentId }) => agentId === agent);

/** An agent on each of two nodes that asks the one on the other, with capabilities of so many milliseconds. */
async function talkers(validForMs: number) {
  const cluster = await createTestCluster({ seed: 5, nodes: 2 });
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  const answering = {
    actions: ['request agent:default/*'],
    validForMs,
    policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request' as const] }] },
  };
  const [near, far] = [
    await cluster.deploy(
      'node-1',
      'default/near',
      (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
      answering,
    ),
    await cluster.deploy(
      'node-2',
      'default/far',
      (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
      answering,
    ),
  ];
  await cluster.until('both know both', () =>
    cluster.running.every((at) => cluster.node(at).control.agents().length >= 4),
  );
  const refused: unknown[] = [];
  cluster.on((event) => {
    if (event.type === 'message.refused') refused.push(event);
  });
  const ask = (from: typeof near.agent, to: 'default/near' | 'default/far') =>
    cluster.settled(from.ask({ to, performative: 'request', content: 'hi' }));
  return { cluster, near: near.agent, far: far.agent, ask, refused };
}

describe('agents whose capabilities hold for ten minutes', () => {
  it('converse for an hour across nodes, and no message is refused', async () => {
    const { cluster, near, far, ask, refused } = await talkers(10 * minuteMs);
    const first = viewOf(cluster, 'node-1', 'default/near')!;
    expect(first.tokenRenewed).toBe(true);
    for (let minute = 0; minute < 60; minute += 1) {
      expect(await ask(near, 'default/far')).toMatchObject({ ok: true });
      expect(await ask(far, 'default/near')).toMatchObject({ ok: true });
      await cluster.advance(minuteMs);
    }
    expect(refused).toEqual([]);
    const refreshes = await refreshesOf(cluster, 'node-1', 'default/near');
    // Each holds for eleven minutes, and is renewed after seven.
    expect(refreshes.length).toBeGreaterThanOrEqual(7);
    expect(refreshes.length).toBeLessThanOrEqual(10);
    const last = viewOf(cluster, 'node-1', 'default/near')!;
    expect(refreshes.at(-1)!.metadata).toMatchObject({ by: 'renewal', token: last.tokenId });
    // Whoever it talks to has the same, and the deployment is the one that it was.
    expect(viewOf(cluster, 'node-2', 'default/near')?.tokenId).toBe(last.tokenId);
    expect([last.deploymentId, last.generation]).toEqual([first.deploymentId, first.generation]);
    // An hour of the life of two nodes, each second of it with its probes: minutes on a machine that does much else.
  }, 180_000);
});

describe('an issuer that is revoked in the midst of a conversation', () => {
  it('has its agents stopped everywhere, and renews nothing any more', async () => {
    const { cluster, near, ask } = await talkers(1_000);
    // Of a minute; renewed in less.
    await cluster.advance(minuteMs);
    expect(await ask(near, 'default/far')).toMatchObject({ ok: true });
    const before = await refreshesOf(cluster, 'node-1', 'default/near');
    expect(before.length).toBeGreaterThan(0);
    const issuer = viewOf(cluster, 'node-1', 'default/near')!.deployer;
    const notice = signNotice(await authorityOf(cluster), {
      ...{ kind: 'revocations', generation: 1, clusterId: clusterIdOf(cluster) },
      body: { revocations: [revocationOf('key', issuer)] },
    });
    unwrap(await cluster.settled(cluster.node('node-2').control.publishNotice(notice, operator)));
    await cluster.until('they are gone on both', () =>
      cluster.running.every((at) => cluster.node(at).control.agents().length === 0),
    );
    await cluster.advance(2 * minuteMs);
    expect(await refreshesOf(cluster, 'node-1', 'default/near')).toHaveLength(before.length);
    expect(near.tell({ to: 'default/far', performative: 'request', content: 'still?' })).toMatchObject({ ok: false });
  }, 60_000);
});
