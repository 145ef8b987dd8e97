import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ChildExit,
  type ExitReason,
  judgeExit,
  noRestarts,
  type RestartChild,
  type RestartHistory,
  type RestartType,
} from '../../src/protocols/restart.ts';

const children = (...types: RestartType[]): RestartChild[] =>
  types.map((restart, index) => ({ id: 'abcdefgh'[index] ?? 'z', restart }));

const exitOf = (over: Partial<ChildExit>): ChildExit => ({
  history: noRestarts,
  now: 1_000,
  policy: { strategy: 'one-for-one', intensity: 1, periodMs: 5_000 },
  id: 'a',
  reason: 'crash',
  children: children('permanent', 'permanent', 'permanent'),
  ...over,
});

describe('whether a child is restarted at all', () => {
  const table: [RestartType, ExitReason, string][] = [
    ['permanent', 'normal', 'restart'],
    ['permanent', 'shutdown', 'restart'],
    ['permanent', 'crash', 'restart'],
    ['transient', 'normal', 'leave'],
    ['transient', 'shutdown', 'leave'],
    ['transient', 'crash', 'restart'],
    ['temporary', 'normal', 'forget'],
    ['temporary', 'shutdown', 'forget'],
    ['temporary', 'crash', 'forget'],
  ];
  test.each(table)('%s that ended with %s: %s', (restart, reason, kind) => {
    const judged = judgeExit(exitOf({ reason, children: children(restart, 'permanent') }));
    expect(judged.decision.kind).toBe(kind);
    expect(judged.history).toEqual(kind === 'restart' ? [1_000] : []);
  });
});

test('one-for-one restarts the one alone', () => {
  const { decision } = judgeExit(exitOf({ id: 'b' }));
  expect(decision).toEqual({ kind: 'restart', stop: [], forget: [], start: ['b'] });
});

test('rest-for-one takes down what came after it, right to left, and starts it again left to right', () => {
  const judged = judgeExit(
    exitOf({
      id: 'b',
      policy: { strategy: 'rest-for-one', intensity: 1, periodMs: 5_000 },
      children: children('permanent', 'permanent', 'transient', 'temporary', 'permanent'),
    }),
  );
  expect(judged.decision).toEqual({
    kind: 'restart',
    stop: ['e', 'd', 'c'],
    forget: ['d'],
    start: ['b', 'c', 'e'],
  });
});

test('a crash of an unknown child is a bug', () => {
  expect(() => judgeExit(exitOf({ id: 'nobody' }))).toThrow(/no child nobody/);
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
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat(2_000),
          fc.constantFrom('a', 'b', 'c', 'd'),
          fc.constantFrom<ExitReason>('normal', 'shutdown', 'crash'),
        ),
        {
          maxLength: 50,
        },
      ),
      fc.constantFrom('one-for-one' as const, 'rest-for-one' as const),
      fc.nat(6),
      (exits, strategy, intensity) => {
        let history: RestartHistory = noRestarts;
        let now = 0;
        const all = children('permanent', 'transient', 'temporary', 'permanent');
        for (const [gap, id, reason] of exits) {
          now += gap;
          const policy = { strategy, intensity, periodMs: 1_000 };
          const judged = judgeExit({ history, now, policy, id, reason, children: all });
          history = judged.history;
          expect(history.length).toBeLessThanOrEqual(intensity + 1);
          expect([...history].sort((a, b) => a - b)).toEqual(history);
          if (judged.decision.kind !== 'restart') continue;
          const { stop, start, forget } = judged.decision;
          expect(start).not.toContain('c');
          expect(stop).not.toContain(id);
          // Whoever goes down comes up again, unless its spec is dropped; nobody is in both lists.
          expect([...start, ...forget].sort()).toEqual([...stop, id].sort());
        }
      },
    ),
  );
});
