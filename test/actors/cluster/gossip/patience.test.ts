import { expect, it } from 'vitest';
import { Patience } from '../../../../src/actors/cluster/gossip/patience.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

const one = 'node-1' as NodeId;
const two = 'node-2' as NodeId;

it('has patience with a peer for a burst, and again with time; with others meanwhile', () => {
  const clock = new ManualClock(0);
  const patience = new Patience(clock, { count: 10, periodMs: 1_000, burst: 3 });
  for (let i = 0; i < 3; i++) {
    expect(patience.with(one)).toBe(true);
    patience.spend(one);
  }
  expect([patience.with(one), patience.with(two)]).toEqual([false, true]);
  clock.advance(100);
  expect(patience.with(one)).toBe(true);
});

it('may be overdrawn once, and the debt is waited for', () => {
  const clock = new ManualClock(0);
  const patience = new Patience(clock, { count: 10, periodMs: 1_000, burst: 3 });
  patience.spend(one, 13);
  clock.advance(1_000);
  expect(patience.with(one)).toBe(false);
  clock.advance(1);
  expect(patience.with(one)).toBe(true);
  patience.spend(one, 0);
  expect(patience.with(one)).toBe(true);
});
