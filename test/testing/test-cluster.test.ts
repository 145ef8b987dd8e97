import { afterEach, describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../src/actors/operations/control.ts';
import { createTestCluster, type TestCluster, type TestClusterOptions } from '../../src/testing/test-cluster.ts';

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

const statusOf = (cluster: TestCluster, observer: string, subject: string): string | undefined =>
  cluster
    .node(observer)
    .control.members()
    .find(({ nodeId }) => nodeId === subject)?.status;

const partitionOf = (cluster: TestCluster, id: string): string => cluster.node(id).control.status().partition;

const eventsOf = <T extends NodeEvent['type']>(cluster: TestCluster, type: T): Extract<NodeEvent, { type: T }>[] =>
  cluster.events.flatMap(({ event }) => (event.type === type ? [event as Extract<NodeEvent, { type: T }>] : []));

describe('three nodes in virtual time', () => {
  /** Splits one node off, lets both sides judge the other dead, and heals. */
  async function partitionAndHeal(seed: number): Promise<TestCluster> {
    const conditions = { latencyMs: 2, jitterMs: 5, loss: 0.05, duplication: 0.05, reordering: 0.05 };
    const cluster = await whole({ seed, conditions });
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    const isDead = (observer: string, subject: string) => statusOf(cluster, observer, subject) === 'dead';
    await cluster.until('both sides give the other up', () => isDead('node-2', 'node-1') && isDead('node-3', 'node-1'));
    await cluster.until('node-1 knows that it is alone', () => partitionOf(cluster, 'node-1') !== 'majority');
    expect([partitionOf(cluster, 'node-2'), partitionOf(cluster, 'node-3')]).toEqual(['majority', 'majority']);
    cluster.heal();
    await cluster.until('all are one again', () => cluster.isWhole());
    expect(cluster.nodes.map((id) => partitionOf(cluster, id))).toEqual(['majority', 'majority', 'majority']);
    return cluster;
  }

  it('part, heal and converge, and one seed always tells the same story', async () => {
    const [first, again, other] = [await partitionAndHeal(7), await partitionAndHeal(7), await partitionAndHeal(8)];
    expect(first.trace().length).toBeGreaterThan(20);
    expect(again.trace()).toEqual(first.trace());
    expect(again.traceHash()).toBe(first.traceHash());
    expect(other.traceHash()).not.toBe(first.traceHash());
  });

  it('carry a request to an agent of another node, and its answer back', async () => {
    const cluster = await whole();
    await cluster.deploy(
      'node-2',
      'default/echo',
      (message, agent) => {
        agent.reply(message, { performative: 'inform', content: message.content });
      },
      { policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] } },
    );
    const asker = await cluster.deploy('node-1', 'default/asker', () => {}, { actions: ['request agent:default/*'] });
    const ask = () =>
      cluster.settled(asker.agent.ask({ to: 'default/echo', performative: 'request', content: 'hello' }));
    await cluster.until('node-1 knows echo', () =>
      cluster
        .node('node-1')
        .control.agents()
        .some(({ agentId, reachable }) => agentId === 'default/echo' && reachable),
    );
    const before = cluster.clock.monotonic();
    expect(await ask()).toMatchObject({ ok: true, value: { sender: 'default/echo', content: 'hello' } });
    expect(cluster.clock.monotonic() - before).toBe(2);
    cluster.crash('node-2');
    await cluster.until('the link is down', () => cluster.node('node-1').control.links().length === 1);
    expect(await ask()).toMatchObject({ ok: false, refusal: { code: 'UNREACHABLE' } });
  });

  it('lose one to a power cut, hear nothing of it, and take it back with a later boot', async () => {
    const cluster = await whole();
    const boot = cluster.node('node-3').control.status().bootEpoch;
    cluster.crash('node-3', { powerCut: true });
    expect(cluster.running).toEqual(['node-1', 'node-2']);
    await cluster.advance(1);
    expect(eventsOf(cluster, 'link.closed').filter(({ peer, reason }) => peer === 'node-3' && reason === '')).toEqual(
      [],
    );
    await cluster.until('the others give it up', () => statusOf(cluster, 'node-1', 'node-3') === 'dead');
    const back = await cluster.restart('node-3');
    await cluster.until('it is back', () => cluster.isWhole());
    expect(back.control.status().bootEpoch).toBeGreaterThan(boot);
    expect(await back.control.auditVerify()).toMatchObject({ ok: true, value: { valid: true } });
  });

  it('hear at once that a process was killed', async () => {
    const cluster = await whole();
    cluster.crash('node-3');
    await cluster.advance(2);
    expect(
      cluster
        .node('node-1')
        .control.links()
        .map(({ peer }) => peer),
    ).toEqual(['node-2']);
  });

  it('see one leave that stops', async () => {
    const cluster = await whole();
    await cluster.stop('node-2');
    await cluster.until('it has left', () => statusOf(cluster, 'node-1', 'node-2') === 'left');
    expect(() => cluster.node('node-2')).toThrow(/does not run/);
    await cluster.restart('node-2');
    await cluster.until('it is back', () => cluster.isWhole());
  });

  it('suspect one that is frozen, and trust it again when it goes on', async () => {
    const cluster = await whole();
    cluster.pause('node-2');
    await cluster.until('it is suspected', () => statusOf(cluster, 'node-1', 'node-2') !== 'alive');
    const frozen = cluster.events.length;
    await cluster.advance(1_000);
    expect(cluster.events.slice(frozen).filter(({ event }) => event.nodeId === 'node-2')).toEqual([]);
    cluster.resume('node-2');
    await cluster.until('it is believed again', () => cluster.isWhole());
  });

  it('refuse the certificate of the others when a clock is two hours behind', async () => {
    const cluster = await whole();
    cluster.crash('node-3');
    cluster.skew('node-3', -2 * 3_600_000);
    await expect(cluster.restart('node-3')).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' });
    cluster.skew('node-3', 2 * 3_600_000);
    await cluster.restart('node-3');
    await cluster.until('it is back', () => cluster.isWhole());
  });

  it('keep together over a network that loses every fifth datagram', async () => {
    const cluster = await whole({ conditions: { loss: 0.2, jitterMs: 20 } });
    const begun = cluster.events.length;
    await cluster.advance(60_000);
    const dead = cluster.events
      .slice(begun)
      .filter(({ event }) => event.type === 'member.changed' && event.member.status === 'dead');
    expect(dead).toEqual([]);
    expect(cluster.isWhole()).toBe(true);
  });
});

describe('a test cluster', () => {
  it('of five becomes whole, and its parts can be named', async () => {
    const cluster = await whole({ nodes: ['a', 'b', 'c', 'd', 'e'] });
    expect(cluster.nodes).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(cluster.machine('a').disk.paths()).toContain('/cluster/nodes/a/node.key');
    expect(() => cluster.machine('f')).toThrow(/has no f; it has a, b, c, d, e/);
  });

  it('says with its seed what did not come true', async () => {
    const cluster = await whole({ nodes: 1, seed: 5 });
    const waiting = cluster.until('pigs fly', () => false, 500);
    await expect(waiting).rejects.toMatchObject({
      code: 'TIMED_OUT',
      message: expect.stringMatching(/seed 5: pigs fly/),
    });
    expect(cluster.clock.monotonic()).toBeGreaterThanOrEqual(500);
  });

  it('is not made of names that are none', async () => {
    for (const nodes of [[], ['a', 'a'], ['A b']])
      await expect(createTestCluster({ nodes })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
