import { beforeEach, describe, expect, it } from 'vitest';
import { AwakeTime } from '../../../../src/actors/cluster/gossip/awake-time.ts';
import { limits } from '../../../../src/limits.ts';
import { HostClock } from '../../../../src/testing/host-clock.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

let world: ManualClock;
let clock: HostClock;
/** The event loop: what waits for its next turn. */
let turns: (() => void)[];
let time: AwakeTime;
let fired: string[];

beforeEach(() => {
  world = new ManualClock();
  clock = new HostClock(world);
  turns = [];
  time = new AwakeTime(clock, (work) => void turns.push(work));
  fired = [];
});

const timer = (name: string, ms: number) => time.setTimeout(() => fired.push(name), ms);

/** The process stands still, and is back with all that fell due in one go. */
function stall(ms: number): void {
  clock.hold();
  world.advance(ms);
  clock.release();
}

/** One turn of the loop; `reads`: something was in a socket. */
function turn(reads = false): void {
  if (reads) time.heard();
  for (const work of turns.splice(0)) work();
}

function turnUntilIdle(): number {
  let count = 0;
  for (; turns.length > 0; count++) turn();
  return count;
}

describe('time that the process ran in', () => {
  it('is the monotonic clock’s while timers come when they are due', () => {
    timer('a', 100);
    timer('b', 250);
    world.advance(100);
    expect(fired).toEqual(['a']);
    world.advance(150);
    expect(fired).toEqual(['a', 'b']);
    expect(time.now()).toBe(250);
    expect(turns).toHaveLength(0);
  });

  it('leaves out what a late timer slept through, and fires nothing before the sockets were read', () => {
    timer('due', 100);
    stall(10_000);
    expect(fired).toEqual([]);
    expect(time.now()).toBe(100);
    turn(true);
    turn(true);
    expect(fired).toEqual([]);
    turn();
    expect(fired).toEqual(['due']);
  });

  it('gives the timers behind it the time that they still had', () => {
    timer('first', 100);
    timer('second', 600);
    timer('beyond the stall', 10_500);
    stall(10_000);
    turnUntilIdle();
    expect(fired).toEqual(['first']);
    world.advance(499);
    expect(fired).toEqual(['first']);
    world.advance(1);
    expect(fired).toEqual(['first', 'second']);
    world.advance(9_899);
    expect(fired).toEqual(['first', 'second']);
    world.advance(1);
    expect(fired).toEqual(['first', 'second', 'beyond the stall']);
  });

  it('judges at last though there is always more to read', () => {
    timer('due', 100);
    stall(10_000);
    for (let count = 0; count < limits.stallTurnsMax; count++) turn(true);
    expect(fired).toEqual(['due']);
  });

  it('is not starved by stalls that follow each other', () => {
    for (let round = 0; round < 20; round++) {
      timer(`round ${round}`, 10);
      stall(500);
      turnUntilIdle();
      expect(fired).toHaveLength(round + 1);
    }
  });

  it('holds what comes due while it reads behind what came late', () => {
    timer('late', 100);
    stall(10_000);
    timer('at once', 0);
    world.advance(0);
    expect(fired).toEqual([]);
    turnUntilIdle();
    expect(fired).toEqual(['late', 'at once']);
  });

  it('does not lose the timers behind one that throws', () => {
    time.setTimeout(() => {
      throw new Error('a bug');
    }, 100);
    timer('next', 100);
    stall(10_000);
    expect(() => turnUntilIdle()).toThrow('a bug');
    turnUntilIdle();
    expect(fired).toEqual(['next']);
  });

  it('forgets all timers when it is cleared, those that wait for the sockets too', () => {
    timer('late', 100);
    timer('later', 20_000);
    stall(10_000);
    time.clear();
    turnUntilIdle();
    world.advance(60_000);
    expect(fired).toEqual([]);
  });

  it('never fires what was cancelled, though it waits for the sockets already', () => {
    const early = time.setTimeout(() => fired.push('early'), 50);
    const late = time.setTimeout(() => fired.push('late'), 100);
    time.clearTimeout(early);
    stall(10_000);
    time.clearTimeout(late);
    turnUntilIdle();
    world.advance(60_000);
    expect(fired).toEqual([]);
    expect(world.pending).toBe(0);
  });

  it('takes a little lateness for what it is', () => {
    timer('due', 100);
    stall(100 + limits.stallMsMin - 1);
    expect(fired).toEqual(['due']);
    expect(time.now()).toBe(100 + limits.stallMsMin - 1);
  });

  it('is shown to others by the clock that they read', () => {
    timer('due', 100);
    stall(10_000);
    expect(time.dated({ sinceMs: time.now() }).sinceMs).toBe(clock.monotonic());
  });
});
