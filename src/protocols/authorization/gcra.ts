import type { Rate } from './rate.ts';

export interface GcraStep {
  readonly allowed: boolean;
  /** The theoretical arrival time to remember: unchanged when refused. Past it, the key is as good as new. */
  readonly tat: number;
  /** Milliseconds until the same cost fits; 0 when allowed, Infinity when it exceeds the burst. */
  readonly retryAfterMs: number;
}

/**
 * The generic cell rate algorithm (ITU-T I.371, virtual scheduling): one number a key, the *theoretical arrival time*
 * at which the budget is whole again.
 *
 * `now` and `tat` are milliseconds of one monotonic clock; `tat` is `undefined` for a key never seen. `cost` is in
 * messages. Should the clock jump back all the same, a key waits for one full budget at most.
 */
export function gcra(tat: number | undefined, now: number, rate: Rate, cost = 1): GcraStep {
  const emissionMs = rate.periodMs / rate.count;
  const toleranceMs = emissionMs * rate.burst;
  const known = Math.min(Math.max(tat ?? now, now), now + toleranceMs);
  if (!(cost <= rate.burst)) return { allowed: false, tat: known, retryAfterMs: Number.POSITIVE_INFINITY };
  const next = known + emissionMs * cost;
  const waitMs = next - toleranceMs - now;
  // Sums of fractions drift by less than this; a whole message is at least a hundred times more, and whole
  // milliseconds against any rate in use differ by more.
  const driftMs = Math.min(emissionMs / 100, 0.001);
  if (waitMs > driftMs) return { allowed: false, tat: known, retryAfterMs: Math.ceil(waitMs) };
  return { allowed: true, tat: next, retryAfterMs: 0 };
}
