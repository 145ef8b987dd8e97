import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { keyRotator } from '../../../../src/actors/cluster/gossip/key-rotator.ts';
import type { RotationStage } from '../../../../src/protocols/gossip-keys/stage.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

function rotating(stage: RotationStage = 'stable', nextMs: number | 'never' = 1_000) {
  const clock = new ManualClock();
  const log: string[] = [];
  const world = { stage, nextMs: nextMs === 'never' ? undefined : nextMs, made: () => {}, begun: 0 };
  const actor = createActor(keyRotator, {
    clock,
    input: {
      rotation: {
        get stage() {
          return world.stage;
        },
        make: () => {
          log.push('make');
          return new Promise<void>((resolve) => {
            world.made = resolve;
          });
        },
        begin: () => void world.begun++,
        nextInMs: () => world.nextMs,
        tick: () => void log.push(`tick ${clock.monotonic()}`),
      },
    },
  });
  actor.start();
  const goesTo = (to: RotationStage) => {
    world.stage = to;
    actor.send({ type: 'keys.changed', stage: to });
  };
  return { clock, log, world, actor, goesTo, value: () => actor.getSnapshot().value };
}

describe('the key rotator', () => {
  it('goes through the stages as the rules do', async () => {
    const { clock, log, world, goesTo, value } = rotating();
    expect(value()).toBe('stable');
    goesTo('proposing');
    expect([value(), log]).toEqual(['proposing', ['make']]);
    world.stage = 'distributing';
    world.made();
    await clock.advanceAsync(0);
    expect(value()).toBe('distributing');
    for (const stage of ['switching', 'retiring', 'stable'] as const) {
      goesTo(stage);
      expect(value()).toBe(stage);
    }
  });

  it('lets the rules look again when time alone can change something, and again after that', async () => {
    const { clock, log, world, goesTo } = rotating('distributing');
    await clock.advanceAsync(999);
    expect(log).toEqual([]);
    await clock.advanceAsync(1_001);
    expect(log).toEqual(['tick 1000', 'tick 2000']);
    world.nextMs = 5_000;
    goesTo('distributing');
    await clock.advanceAsync(4_999);
    expect(log).toHaveLength(2);
    await clock.advanceAsync(1);
    expect(log).toHaveLength(3);
  });

  it('waits long without a busy loop, and never less than a moment', async () => {
    const idle = rotating('stable', 'never');
    await idle.clock.advanceAsync(1_000_000_000);
    expect(idle.log).toEqual([]);
    const hasty = rotating('retiring', 0);
    await hasty.clock.advanceAsync(10);
    expect(hasty.log.length).toBeLessThanOrEqual(10);
  });

  it('begins where the rules are, after a crash in the middle of a proposal too', () => {
    expect(rotating('retiring').value()).toBe('retiring');
    const { log, value, world } = rotating('proposing');
    expect(world.begun).toBe(1);
    expect([value(), log]).toEqual(['proposing', ['make']]);
  });

  it('ends when it is told to', () => {
    const { actor } = rotating('distributing');
    actor.send({ type: 'kernel.shutdown' });
    expect(actor.getSnapshot().status).toBe('done');
  });
});
