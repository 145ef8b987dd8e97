import { afterEach, describe, expect, it } from 'vitest';
import type { AgentContext } from '../../../src/actors/agents/behaviour.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/test-cluster.ts';

const open: TestCluster[] = [];
afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

/** A planner that may delegate, a worker that may do nothing by itself, and an echo for whom the policy asks a token. */
async function team(): Promise<{ cluster: TestCluster; planner: AgentContext; worker: AgentContext }> {
  const cluster = await createTestCluster({ seed: 11 });
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  await cluster.deploy(
    'node-3',
    'default/echo',
    (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
    { policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request', 'query-ref'] }] } },
  );
  const planner = await cluster.deploy('node-1', 'default/planner', () => {}, {
    actions: ['request agent:default/*'],
    delegations: 1,
  });
  const worker = await cluster.deploy('node-2', 'default/worker', () => {});
  await cluster.until('all know all', () =>
    cluster.running.every((at) => cluster.node(at).control.agents().length >= 3),
  );
  return { cluster, planner: planner.agent, worker: worker.agent };
}

describe('authority that one agent gives another', () => {
  it('lets it do on another node what it may not do by itself, and nothing more', async () => {
    const { cluster, planner, worker } = await team();
    const ask = (performative: 'request' | 'query-ref', token?: string) =>
      cluster.settled(
        worker.ask({ to: 'default/echo', performative, content: 'hi', ...(token === undefined ? {} : { token }) }),
      );
    expect(await ask('request')).toMatchObject({ ok: false, refusal: { code: 'UNAUTHORIZED' } });
    const token = unwrap(planner.delegate({ to: 'default/worker', actions: ['request agent:default/echo'] }));
    expect(await ask('request', token)).toMatchObject({ ok: true, value: { content: 'hi' } });
    expect(await ask('query-ref', token)).toMatchObject({ ok: false, refusal: { code: 'UNAUTHORIZED' } });
    expect(worker.delegate({ to: 'default/planner', token })).toMatchObject({ ok: false });
  });

  it('ends when it says, though the one who gave it goes on', async () => {
    const { cluster, planner, worker } = await team();
    const expires = Math.floor(cluster.clock.now()) + 1_000;
    const token = unwrap(planner.delegate({ to: 'default/worker', expires }));
    const ask = (agent: AgentContext, by?: string) =>
      cluster.settled(
        agent.ask({
          to: 'default/echo',
          performative: 'request',
          content: 1,
          ...(by === undefined ? {} : { token: by }),
        }),
      );
    expect(await ask(worker, token)).toMatchObject({ ok: true });
    // Past the end and the difference of clocks that is forgiven.
    await cluster.advance(1_000 + limits.clockSkewMsMax);
    expect(await ask(worker, token)).toMatchObject({ ok: false, refusal: { code: 'UNAUTHORIZED' } });
    expect(await ask(planner)).toMatchObject({ ok: true });
  });
});
