import fc from 'fast-check';
import type { Case, Step } from './case.ts';

/** Seconds that one case may take: real ones for Erlang. */
const secondsMax = 6;

/**
 * Crashes at whole seconds under a supervisor that forgets them after one to three: what counts as too many within the
 * period. Whole seconds, because OTP’s clock for this has no finer ones.
 */
export const windowCases: fc.Arbitrary<Case> = fc
  .record({
    intensity: fc.nat(2),
    periodSeconds: fc.integer({ min: 1, max: 3 }),
    seconds: fc.array(fc.nat(secondsMax), { minLength: 2, maxLength: 7 }),
  })
  .map(({ intensity, periodSeconds, seconds }) => {
    const life = { restart: 'permanent', significant: false } as const;
    const crashes = seconds
      .toSorted((a, b) => a - b)
      .flatMap((second): Step[] => [
        { kind: 'at', second },
        { kind: 'fault', faults: [['/r/c0', 'crash']] },
      ]);
    return {
      tree: {
        ...life,
        kind: 'supervisor',
        id: 'r',
        strategy: 'one-for-one',
        intensity,
        periodSeconds,
        autoShutdown: 'never',
        children: [{ ...life, kind: 'worker', id: 'c0', shutdown: 5_000, manner: 'polite', chart: false }],
      },
      plans: [],
      steps: [{ kind: 'at', second: 0 }, ...crashes],
    };
  });
