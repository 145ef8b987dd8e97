import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import type { Gossip } from '../../../../src/actors/cluster/gossip/gossip.ts';
import { gossipMember } from '../../../../src/actors/cluster/gossip/gossip-member.ts';
import type { Address } from '../../../../src/actors/kernel/ports.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';

async function started(seeds: readonly Address[], mode = 'isolated', departs = () => true) {
  const clock = new ManualClock();
  const log: string[] = [];
  const note = (what: string) => async () => void log.push(what);
  const gossip = {
    seeds,
    partition: () => mode,
    open: note('open'),
    close: note('close'),
    join: () => void log.push('join'),
    leave: () => void log.push('leave'),
  } as unknown as Gossip;
  const actor = createActor(gossipMember, { clock, input: { gossip, leaveMs: 300, departs } });
  actor.start();
  await settle();
  return { clock, log, actor, state: () => actor.getSnapshot().value };
}

const seed = { host: '127.0.0.1', port: 1 };

describe('the chart of a member', () => {
  it('joins through its seeds and is active once somebody answered', async () => {
    const { actor, log, state } = await started([seed], 'majority');
    expect([log, state()]).toEqual([['open', 'join'], 'joining']);
    actor.send({ type: 'gossip.joined' });
    expect(state()).toEqual({ active: 'majority' });
  });

  it('is active at once when it is the first of its cluster', async () => {
    expect((await started([])).state()).toEqual({ active: 'isolated' });
  });

  it('follows the partition', async () => {
    const { actor, state } = await started([]);
    for (const mode of ['minority', 'majority', 'isolated'] as const) {
      actor.send({ type: 'gossip.partition', mode });
      expect(state()).toEqual({ active: mode });
    }
  });

  it('that is restarted with a sibling does not leave', async () => {
    for (const act of [
      () => {},
      (actor: { send(event: { type: 'gossip.joined' }): void }) => actor.send({ type: 'gossip.joined' }),
    ]) {
      const { actor, log } = await started([seed], 'majority', () => false);
      act(actor);
      actor.send({ type: 'kernel.shutdown' });
      await settle();
      expect([log, actor.getSnapshot().status]).toEqual([['open', 'join'], 'done']);
    }
  });

  it.each([
    ['when its leave has spread', 'gossip.left', 0],
    ['after its time to leave', undefined, 300],
  ] as const)('leaves before it closes: %s', async (_, event, ms) => {
    const { actor, clock, log } = await started([]);
    actor.send({ type: 'kernel.shutdown' });
    await settle();
    expect(log.slice(2)).toEqual(['leave']);
    if (event) actor.send({ type: event });
    await clock.advanceAsync(ms);
    expect(log.slice(2)).toEqual(['leave', 'close']);
    expect(actor.getSnapshot().status).toBe('done');
  });
});
