import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AutoShutdown,
  type ChildExit,
  type ExitReason,
  judgeExit,
  noRestarts,
  type RestartChild,
  type RestartHistory,
  type RestartStrategy,
  type RestartType,
  restartPlan,
} from '../../src/protocols/restart.ts';

const children = (...types: RestartType[]): RestartChild[] =>
  types.map((restart, index) => ({ id: 'abcdefgh'[index] ?? 'z', restart }));

const exitOf = (over: Partial<ChildExit>): ChildExit => ({
  history: noRestarts,
  now: 1_000,
  policy: { strategy: 'one-for-one', intensity: 1, periodMs: 5_000 },
  child: { id: 'a', restart: 'permanent' },
  reason: 'crash',
  ...over,
});

const strategies: readonly RestartStrategy[] = ['one-for-one', 'one-for-all', 'rest-for-one', 'simple-one-for-one'];

describe('whether a child is restarted at all', () => {
  const table: [RestartType, ChildExit['reason'], string][] = [
    ['permanent', 'normal', 'restart'],
    ['permanent', 'shutdown', 'restart'],
    ['permanent', 'killed', 'restart'],
    ['permanent', 'crash', 'restart'],
    ['permanent', 'failed-restart', 'restart'],
    ['transient', 'normal', 'leave'],
    ['transient', 'shutdown', 'leave'],
    ['transient', 'killed', 'restart'],
    ['transient', 'crash', 'restart'],
    ['transient', 'failed-restart', 'restart'],
    ['temporary', 'normal', 'forget'],
    ['temporary', 'shutdown', 'forget'],
    ['temporary', 'killed', 'forget'],
    ['temporary', 'crash', 'forget'],
  ];
  test.each(table)('%s that ended with %s: %s', (restart, reason, kind) => {
    const judged = judgeExit(exitOf({ reason, child: { id: 'a', restart } }));
    expect(judged.decision.kind).toBe(kind);
    expect(judged.history).toEqual(kind === 'restart' ? [1_000] : []);
  });

  test('an instance of a template that ended well has no spec of its own to keep', () => {
    const policy = { strategy: 'simple-one-for-one', intensity: 1, periodMs: 5_000 } as const;
    const { decision } = judgeExit(exitOf({ policy, reason: 'normal', child: { id: 'a', restart: 'transient' } }));
    expect(decision).toEqual({ kind: 'forget' });
  });
});

describe('who goes down and comes up with it', () => {
  const five = children('permanent', 'permanent', 'transient', 'temporary', 'permanent');

  test.each(['one-for-one', 'simple-one-for-one'] as const)('%s: nobody', (strategy) => {
    expect(restartPlan(strategy, 'b', five)).toEqual({ stop: [], forget: [], start: ['b'] });
  });

  test('rest-for-one: what came after it goes down right to left and comes up left to right, temporary ones excepted', () => {
    expect(restartPlan('rest-for-one', 'b', five)).toEqual({
      stop: ['e', 'd', 'c'],
      forget: ['d'],
      start: ['b', 'c', 'e'],
    });
  });

  test('one-for-all: everybody', () => {
    expect(restartPlan('one-for-all', 'b', five)).toEqual({
      stop: ['e', 'd', 'c', 'a'],
      forget: ['d'],
      start: ['a', 'b', 'c', 'e'],
    });
  });

  test('an unknown child is a bug', () => {
    expect(() => restartPlan('one-for-all', 'nobody', five)).toThrow(/no child nobody/);
  });

  test('whoever goes down comes up again or is forgotten; nobody is in two lists', () => {
    const types = fc.array(fc.constantFrom<RestartType>('permanent', 'transient', 'temporary'), { maxLength: 7 });
    fc.assert(
      fc.property(types, fc.constantFrom(...strategies), fc.nat(7), (others, strategy, at) => {
        const all = children(...others.slice(0, at), 'permanent', ...others.slice(at));
        const id = all[Math.min(at, others.length)]?.id ?? '';
        const { stop, forget, start } = restartPlan(strategy, id, all);
        expect([...start, ...forget].sort()).toEqual([...stop, id].sort());
        expect(start.every((one) => all.find((child) => child.id === one)?.restart !== 'temporary')).toBe(true);
        expect([...start].sort()).toEqual(start);
        expect([...stop].sort().reverse()).toEqual(stop);
      }),
    );
  });
});

describe('auto-shutdown', () => {
  const judge = (autoShutdown: AutoShutdown, over: Partial<ChildExit>) =>
    judgeExit(
      exitOf({
        policy: { strategy: 'one-for-one', intensity: 1, periodMs: 5_000, autoShutdown },
        child: { id: 'a', restart: 'transient', significant: true },
        reason: 'normal',
        ...over,
      }),
    ).decision.kind;

  test('any-significant: the first that ends for good', () => {
    expect(judge('any-significant', { othersSignificant: true })).toBe('auto-shutdown');
    expect(
      judge('any-significant', { child: { id: 'a', restart: 'temporary', significant: true }, reason: 'crash' }),
    ).toBe('auto-shutdown');
  });
  test('all-significant: only the last', () => {
    expect(judge('all-significant', { othersSignificant: true })).toBe('leave');
    expect(judge('all-significant', { othersSignificant: false })).toBe('auto-shutdown');
  });
  test('never, or by one that is not significant: not at all', () => {
    expect(judge('never', {})).toBe('leave');
    expect(judge('any-significant', { child: { id: 'a', restart: 'transient' } })).toBe('leave');
  });
  test('one that is restarted has not ended for good', () => {
    expect(judge('any-significant', { reason: 'crash' })).toBe('restart');
  });
});

describe('backoff', () => {
  const backoff = { initialMs: 100, maxMs: 1_000, factor: 2 };
  const delays = (random: number, count: number) => {
    let history: RestartHistory = noRestarts;
    return Array.from({ length: count }, (_, now) => {
      const policy = { strategy: 'one-for-one', intensity: 9, periodMs: 5_000, backoff } as const;
      const judged = judgeExit(exitOf({ now, history, policy, random }));
      history = judged.history;
      return judged.decision.kind === 'restart' ? judged.decision.delayMs : judged.decision.kind;
    });
  };

  test('off by default', () => {
    expect(judgeExit(exitOf({ random: 0xffff_ffff })).decision).toEqual({ kind: 'restart', delayMs: 0 });
  });
  test('grows with each restart of the period, up to the longest', () => {
    expect(delays(0xffff_ffff, 6)).toEqual([99, 199, 399, 799, 999, 999]);
  });
  test('is jittered, but never nothing', () => {
    expect(delays(0x8000_0000, 3)).toEqual([50, 100, 200]);
    expect(delays(0, 2)).toEqual([20, 20]);
  });
  test('changes nothing about giving up', () => {
    expect(delays(0, 11).slice(9)).toEqual(['give-up', 'give-up']);
  });
});

describe('intensity', () => {
  const crashesAt = (times: number[], intensity: number, periodMs: number): string[] => {
    let history: RestartHistory = noRestarts;
    return times.map((now) => {
      const judged = judgeExit(exitOf({ now, history, policy: { strategy: 'one-for-one', intensity, periodMs } }));
      history = judged.history;
      return judged.decision.kind;
    });
  };

  test('none allowed: the first crash is one too many', () => {
    expect(crashesAt([0], 0, 5_000)).toEqual(['give-up']);
  });
  test('the one after the last allowed gives up', () => {
    expect(crashesAt([0, 1, 2, 3], 3, 5_000)).toEqual(['restart', 'restart', 'restart', 'give-up']);
  });
  test('a restart exactly one period old still counts, as in OTP', () => {
    expect(crashesAt([0, 5_000], 1, 5_000)).toEqual(['restart', 'give-up']);
  });
  test('an older one does not', () => {
    expect(crashesAt([0, 5_001, 10_002], 1, 5_000)).toEqual(['restart', 'restart', 'restart']);
  });

  test('gives up exactly when a window of one period holds more crashes than allowed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(3_000), { maxLength: 30 }),
        fc.nat(5),
        fc.integer({ min: 1, max: 8_000 }),
        (gaps, intensity, periodMs) => {
          const times: number[] = [];
          for (const gap of gaps) times.push((times.at(-1) ?? 0) + gap);
          const kinds = crashesAt(times, intensity, periodMs);
          const firstGiveUp = kinds.indexOf('give-up');
          const expected = times.findIndex((now) => {
            const inWindow = times.filter(
              (at, index) => index <= times.lastIndexOf(now) && at <= now && at >= now - periodMs,
            );
            return inWindow.length > intensity;
          });
          // Equal times are the same instant: the model above sees all of them at the first, the fold one by one.
          if (firstGiveUp === -1 || expected === -1) return firstGiveUp === expected;
          return times[firstGiveUp] === times[expected];
        },
      ),
    );
  });
});

test('under any sequence of exits the history stays within intensity + 1 and in order', () => {
  const all = children('permanent', 'transient', 'temporary', 'permanent');
  const exits = fc.array(
    fc.tuple(
      fc.nat(2_000),
      fc.constantFrom(...all),
      fc.constantFrom<ExitReason>('normal', 'shutdown', 'killed', 'crash'),
    ),
    { maxLength: 50 },
  );
  fc.assert(
    fc.property(exits, fc.constantFrom(...strategies), fc.nat(6), (sequence, strategy, intensity) => {
      let history: RestartHistory = noRestarts;
      let now = 0;
      for (const [gap, child, reason] of sequence) {
        now += gap;
        const judged = judgeExit({ history, now, policy: { strategy, intensity, periodMs: 1_000 }, child, reason });
        history = judged.history;
        expect(history.length).toBeLessThanOrEqual(intensity + 1);
        expect([...history].sort((a, b) => a - b)).toEqual(history);
        if (child.restart === 'temporary') expect(judged.decision.kind).toBe('forget');
      }
    }),
  );
});
