import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { messageRouter } from '../../../src/actors/messaging/message-router.ts';
import { PendingAsks } from '../../../src/actors/messaging/pending-asks.ts';
import type { Routing } from '../../../src/actors/messaging/routing.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { alice, bob } from './messaging-lab.ts';

function charted(departs = () => true) {
  const clock = new ManualClock();
  const asks = new PendingAsks(clock);
  const routing = { mode: 'starting' } as Routing;
  const actor = createActor(messageRouter, { clock, input: { routing, asks, drainMs: 2_000, departs } });
  asks.onSettled = () => actor.send({ type: 'router.settled' });
  actor.start();
  return { clock, asks, routing, actor };
}

describe('the message router', () => {
  it('routes from its start on, degraded or not', () => {
    const { routing, actor } = charted();
    expect(routing.mode).toBe('routing');
    actor.send({ type: 'router.degraded' });
    expect([routing.mode, actor.getSnapshot().value]).toEqual(['routing', { routing: 'degraded' }]);
    actor.send({ type: 'router.recovered' });
    expect(actor.getSnapshot().value).toEqual({ routing: 'normal' });
  });

  it('stops at once when nobody waits for an answer', () => {
    const { routing, actor } = charted();
    actor.send({ type: 'kernel.shutdown' });
    expect([routing.mode, actor.getSnapshot().status]).toEqual(['stopped', 'done']);
  });

  it('that is restarted with a sibling refuses nothing and ends no ask', () => {
    const { routing, actor, asks } = charted(() => false);
    void asks.wait('m1', alice, bob, 60_000, undefined);
    actor.send({ type: 'kernel.shutdown' });
    expect([routing.mode, asks.size, actor.getSnapshot().status]).toEqual(['routing', 1, 'done']);
  });

  it('drains until the last answer came', () => {
    const { routing, actor, asks } = charted();
    void asks.wait('m1', alice, bob, 60_000, undefined);
    actor.send({ type: 'kernel.shutdown' });
    expect(routing.mode).toBe('draining');
    asks.refused('m1', { code: 'UNAUTHORIZED', reasons: ['No.'] });
    expect([routing.mode, actor.getSnapshot().status]).toEqual(['stopped', 'done']);
  });

  it('gives up on answers after the time to drain, and tells whoever waits', async () => {
    const { routing, actor, asks, clock } = charted();
    const answer = asks.wait('m1', alice, bob, 60_000, undefined);
    actor.send({ type: 'kernel.shutdown' });
    clock.advance(1_999);
    expect(routing.mode).toBe('draining');
    clock.advance(1);
    expect(routing.mode).toBe('stopped');
    expect(await answer).toMatchObject({ refusal: { code: 'STOPPED' } });
  });
});
