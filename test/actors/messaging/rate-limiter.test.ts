import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import { RateLimiter, rateLimiterChart } from '../../../src/actors/messaging/rate-limiter.ts';
import { limits } from '../../../src/limits.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

const rate = { count: 1, periodMs: 1_000, burst: 1 };

function charted() {
  const clock = new ManualClock();
  const limiter = new RateLimiter(clock);
  const actor = createActor(rateLimiterChart, {
    input: { limiter, notify: (event) => actor.send(event) },
  });
  actor.start();
  const fill = () => {
    for (let i = 0; limiter.spend(`k${i}`, rate).allowed && i < limits.rateLimitKeysMax; i++);
  };
  return { clock, limiter, actor, fill };
}

describe('the rate limiter', () => {
  it('enforces a budget for each key', () => {
    const { limiter, clock } = charted();
    expect(limiter.spend('a', rate)).toMatchObject({ allowed: true });
    expect(limiter.spend('a', rate)).toMatchObject({ allowed: false, retryAfterMs: 1_000 });
    expect(limiter.spend('b', rate)).toMatchObject({ allowed: true });
    clock.advance(1_000);
    expect(limiter.spend('a', rate)).toMatchObject({ allowed: true });
  });

  it('refuses nobody in shadow, and counts all the same', () => {
    const { limiter, actor } = charted();
    actor.send({ type: 'limiter.shadow' });
    expect(limiter.mode).toBe('shadow');
    for (let i = 0; i < 3; i++) expect(limiter.spend('a', rate).allowed).toBe(true);
    actor.send({ type: 'limiter.enforce' });
    expect(limiter.spend('a', rate).allowed).toBe(false);
  });

  it('shows when its table is full and when there is room again', () => {
    const { limiter, actor, fill, clock } = charted();
    fill();
    expect([limiter.mode, actor.getSnapshot().value]).toEqual(['saturated', 'saturated']);
    expect(limiter.spend('newcomer', rate)).toMatchObject({ allowed: false, full: true });
    clock.advance(1_000);
    limiter.spend('k1', rate);
    expect(limiter.mode).toBe('enforcing');
  });

  it('knows that the table filled up while it was in shadow', () => {
    const { limiter, actor, fill } = charted();
    actor.send({ type: 'limiter.shadow' });
    fill();
    expect(limiter.mode).toBe('shadow');
    actor.send({ type: 'limiter.enforce' });
    expect(limiter.mode).toBe('saturated');
  });
});
