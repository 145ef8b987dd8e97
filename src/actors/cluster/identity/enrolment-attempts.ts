import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { RateTable } from '../../../protocols/authorization/rate-table.ts';
import type { Clock } from '../../kernel/ports.ts';

const attempts = { count: 6, periodMs: 60_000, burst: 6 };

/**
 * Counts the attempts of each source to enrol, of whatever kind, before anything else is done for them. `sourceOf`: the
 * source as rates count it.
 */
export function enrolmentAttempts(clock: Clock, sourceOf: (ip: string) => string): (ip: string) => Result<void> {
  const budgets = new RateTable(limits.enrolmentSourcesMax);
  return (ip) => {
    const spent = budgets.spend(sourceOf(ip), attempts, clock.monotonic());
    if (spent.allowed) return ok(undefined);
    const { refusal } = refuse('RATE_LIMIT_EXCEEDED', 'Too many attempts to enrol came from this source.');
    return { ok: false, refusal: { ...refusal, retryAfterMs: spent.retryAfterMs } };
  };
}
