import { expect, it } from 'vitest';
import { HostClock } from '../../src/testing/host-clock.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

function lab() {
  const base = new ManualClock(1_000);
  const clock = new HostClock(base, 500);
  const log: string[] = [];
  const at = (name: string, ms: number) => clock.setTimeout(() => log.push(`${name} ${base.monotonic()}`), ms);
  return { base, clock, log, at };
}

it('shows its own wall time and the shared durations', () => {
  const { base, clock, log, at } = lab();
  at('a', 10);
  expect([clock.now(), clock.monotonic()]).toEqual([1_500, 0]);
  clock.jump(-1_000);
  base.advance(10);
  expect([clock.now(), clock.monotonic(), log]).toEqual([510, 10, ['a 10']]);
});

it('holds what falls due and fires it in order when released; what is cleared meanwhile never fires', () => {
  const { base, clock, log, at } = lab();
  at('b', 20);
  at('a', 10);
  const cleared = at('cleared', 15);
  clock.hold();
  base.advance(30);
  expect(log).toEqual([]);
  clock.clearTimeout(cleared);
  clock.release();
  expect(log).toEqual(['a 30', 'b 30']);
  at('c', 5);
  base.advance(5);
  expect(log.at(-1)).toBe('c 35');
});

it('fires nothing any more once it is stopped, and leaves no timer behind', () => {
  const { base, clock, log, at } = lab();
  at('a', 10);
  clock.hold();
  base.advance(10);
  at('b', 10);
  clock.stop();
  at('c', 10);
  clock.release();
  base.advance(100);
  expect([log, base.pending]).toEqual([[], 0]);
  clock.clearTimeout(undefined);
});
