import { afterEach, describe, expect, it } from 'vitest';
import type { AgentContext } from '../../../src/actors/agents/behaviour.ts';
import type { AgentRef } from '../../../src/actors/agents/contract.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';

const open: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

async function whole(): Promise<TestCluster> {
  const cluster = await createTestCluster({ seed: 3 });
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  return cluster;
}

/** Deploys an agent that answers with the node that it runs on; `contexts` has its own voice once it was asked. */
async function deployEcho(cluster: TestCluster, node: string, name = 'echo'): Promise<AgentRef> {
  return cluster.deploy(
    node,
    `default/${name}`,
    (message, agent) => {
      contexts.set(`${node} ${name}`, agent);
      if (message.performative === 'request') agent.reply(message, { performative: 'inform', content: node });
    },
    {
      services: ['echo'],
      actions: ['request agent:default/*'],
      policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] },
    },
  );
}
const contexts = new Map<string, AgentContext>();

const view = (cluster: TestCluster, at: string) =>
  cluster
    .node(at)
    .control.agents()
    .find(({ agentId }) => agentId === 'default/echo');

const hosts = (cluster: TestCluster) => cluster.running.map((at) => view(cluster, at)?.node);

const conflicts = async (cluster: TestCluster, at: string) => {
  const tail = await cluster.node(at).control.auditTail({ limit: 1_000 });
  return tail.ok ? (tail.value as { type?: string }[]).filter(({ type }) => type === 'AgentConflict') : [];
};

const suspended = (cluster: TestCluster, at: string) =>
  cluster
    .node(at)
    .control.actors()
    .find(({ path }) => path === '/node/agents/default/echo')?.suspended;

describe('one name that both sides of a partition gave away', () => {
  it('is one agent again when they are one: everybody decides alike, the other is suspended until it may be again', async () => {
    const cluster = await whole();
    const asker = await cluster.deploy('node-3', 'default/asker', () => {}, { actions: ['request agent:default/*'] });
    const ask = () => cluster.settled(asker.agent.ask({ to: 'default/echo', performative: 'request', content: 'who' }));
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await deployEcho(cluster, 'node-1');
    expect(contexts.get('node-1 echo')).toBeUndefined();
    const local = await cluster.deploy('node-1', 'default/local', () => {}, { actions: ['request agent:default/*'] });
    await cluster.settled(local.agent.ask({ to: 'default/echo', performative: 'request', content: 'who' }));
    await cluster.advance(1_000);
    await deployEcho(cluster, 'node-2');
    await cluster.until('each side has its own', () => hosts(cluster).join() === 'node-1,node-2,node-2');
    cluster.heal();
    await cluster.until('all say the same', () => hosts(cluster).every((host) => host === 'node-2'));
    await cluster.until('they are whole', () => cluster.isWhole());
    expect(cluster.running.map((at) => view(cluster, at)?.rivals)).toEqual([['node-1'], ['node-1'], ['node-1']]);
    for (const at of cluster.running)
      expect(await conflicts(cluster, at)).toMatchObject([
        { identity: 'default/echo', metadata: { host: 'node-2', rivals: 'node-1' } },
      ]);
    expect([suspended(cluster, 'node-1'), suspended(cluster, 'node-2')]).toEqual([true, false]);
    expect(await ask()).toMatchObject({ ok: true, value: { content: 'node-2' } });
    const loser = contexts.get('node-1 echo')!;
    expect(loser.tell({ to: 'default/asker', performative: 'request', content: 'hi' })).toMatchObject({
      ok: false,
      refusal: { code: 'UNAUTHORIZED' },
    });
    expect((await cluster.node('node-2').control.remove('default/echo' as never, caller)).ok).toBe(true);
    await cluster.until('the other counts now', () => hosts(cluster).every((host) => host === 'node-1'));
    expect([suspended(cluster, 'node-1'), view(cluster, 'node-3')?.rivals]).toEqual([false, undefined]);
    expect(await ask()).toMatchObject({ ok: true, value: { content: 'node-1' } });
  });

  it('can be taken from the one that lost, which ends suspended', async () => {
    const cluster = await whole();
    await deployEcho(cluster, 'node-1');
    await cluster.advance(10);
    await deployEcho(cluster, 'node-2');
    await cluster.until('node-1 knows', () => suspended(cluster, 'node-1') === true);
    expect(await cluster.settled(cluster.node('node-1').control.remove('default/echo' as never, caller))).toMatchObject(
      {
        ok: true,
      },
    );
    await cluster.until('nobody rivals', () => cluster.running.every((at) => view(cluster, at)?.rivals === undefined));
    expect(hosts(cluster)).toEqual(['node-2', 'node-2', 'node-2']);
  });
});

describe('an agent that is deployed anew by its program', () => {
  const clockBehindMs = 20_000;

  it('counts instead of one that another node has claimed, though its own node’s clock is behind', async () => {
    const cluster = await whole();
    const asker = await cluster.deploy('node-3', 'default/asker', () => {}, { actions: ['request agent:default/*'] });
    await deployEcho(cluster, 'node-2');
    await cluster.until('all know it', () => hosts(cluster).every((host) => host === 'node-2'));
    cluster.crash('node-2');
    cluster.skew('node-1', -clockBehindMs);
    await deployEcho(cluster, 'node-1');
    await cluster.until('all know it', () => hosts(cluster).every((host) => host === 'node-1'));
    expect(
      await cluster.settled(asker.agent.ask({ to: 'default/echo', performative: 'request', content: 'who' })),
    ).toMatchObject({ ok: true, value: { content: 'node-1' } });
  });

  it('runs again after a start of its node with a clock that was set back', async () => {
    const cluster = await whole();
    await deployEcho(cluster, 'node-1');
    cluster.crash('node-1');
    cluster.skew('node-1', -clockBehindMs);
    await cluster.restart('node-1');
    await deployEcho(cluster, 'node-1');
    await cluster.until('all know it', () => hosts(cluster).every((host) => host === 'node-1'));
  });
});

describe('a message to a service', () => {
  const request = { to: 'service:default/echo', performative: 'request', content: 'who' } as const;

  it('reaches who offers it: here first, in turn, or all of them; nobody whose node is cut off', async () => {
    const cluster = await whole();
    for (const node of ['node-1', 'node-2', 'node-3']) await deployEcho(cluster, node, `on-${node}`);
    const heard: unknown[] = [];
    const asker = await cluster.deploy('node-2', 'default/asker', ({ content }) => void heard.push(content), {
      actions: ['request agent:default/*'],
    });
    await cluster.advance(100);
    const ask = async (query = '') => {
      const answer = await cluster.settled(asker.agent.ask({ ...request, to: `${request.to}${query}` }));
      return answer.ok ? answer.value.content : answer.refusal.code;
    };
    expect([await ask(), await ask()]).toEqual(['node-2', 'node-2']);
    expect([await ask('?pick=rr'), await ask('?pick=rr'), await ask('?pick=rr')].sort()).toEqual([
      'node-1',
      'node-2',
      'node-3',
    ]);
    expect([await ask('?pick=all'), await ask('?pick=any'), await ask('/../x')]).toEqual(Array(3).fill('MALFORMED'));
    expect(asker.agent.tell({ ...request, to: 'service:default/echo?pick=all' }).ok).toBe(true);
    await cluster.until('all answer', () => heard.length === 3);
    cluster.partition(['node-3'], ['node-1', 'node-2']);
    await cluster.until('the link is down', () => cluster.node('node-2').control.links().length === 1);
    expect(asker.agent.find('echo')).toEqual(['default/on-node-2', 'default/on-node-1']);
    await cluster.settled(cluster.node('node-2').control.remove('default/on-node-2' as never, caller));
    expect(await ask()).toBe('node-1');
    expect(await ask('?pick=rr')).toBe('node-1');
  });

  it('reaches nobody who is suspended while another can answer, wherever the suspension was ordered', async () => {
    const cluster = await whole();
    for (const node of ['node-1', 'node-2']) await deployEcho(cluster, node, `on-${node}`);
    const asker = await cluster.deploy('node-1', 'default/asker', () => {}, { actions: ['request agent:default/*'] });
    await cluster.advance(100);
    const ask = async (query = '') => {
      const answer = await cluster.settled(asker.agent.ask({ ...request, to: `${request.to}${query}` }));
      return answer.ok ? answer.value.content : answer.refusal.code;
    };
    expect(cluster.node('node-1').kernel.suspend('/node/agents/default/on-node-1').ok).toBe(true);
    expect([await ask(), await ask('?pick=rr'), await ask('?pick=rr')]).toEqual(['node-2', 'node-2', 'node-2']);
    expect(asker.agent.find('echo')).toEqual(['default/on-node-2']);
    cluster.node('node-1').kernel.resume('/node/agents/default/on-node-1');
    expect(await ask()).toBe('node-1');
    // A whole tenant of the other node: what is told of it is that they are suspended, and not what they are.
    cluster.node('node-2').kernel.suspend('/node/agents/default');
    await cluster.advance(100);
    expect(cluster.node('node-1').lookup('default/on-node-2')).toMatchObject({ state: 'suspended', reachable: true });
    expect([await ask('?pick=rr'), await ask('?pick=rr')]).toEqual(['node-1', 'node-1']);
    // With nobody else there it is sent to all the same, and waits.
    await cluster.settled(cluster.node('node-1').control.remove('default/on-node-1' as never, caller));
    expect(asker.agent.find('echo')).toEqual(['default/on-node-2']);
    const waiting = asker.agent.ask(request);
    await cluster.advance(1_000);
    cluster.node('node-2').kernel.resume('/node/agents/default');
    expect(await cluster.settled(waiting)).toMatchObject({ ok: true, value: { content: 'node-2' } });
    await cluster.until(
      'it is known to go on',
      () => cluster.node('node-1').lookup('default/on-node-2')?.state === 'remote',
    );
    expect(cluster.node('node-3').agents({ service: 'echo', node: 'node-2' as never })).toMatchObject([
      { agentId: 'default/on-node-2' },
    ]);
    expect(cluster.node('node-3').agents({ service: 'other/echo' })).toEqual([]);
  });

  it('is authorised for the agent that it goes to', async () => {
    const cluster = await whole();
    await deployEcho(cluster, 'node-1');
    const asker = await cluster.deploy('node-1', 'default/asker', () => {}, {
      actions: ['request agent:default/other'],
    });
    expect(await cluster.settled(asker.agent.ask(request))).toMatchObject({
      ok: false,
      refusal: { code: 'UNAUTHORIZED' },
    });
    expect(asker.agent.tell({ ...request, to: 'service:default/nothing' })).toMatchObject({
      refusal: { code: 'UNKNOWN_AGENT' },
    });
  });
});

const caller = { identity: 'apikey:test', sourceIp: '127.0.0.1', requestId: 'r1' };
