import { type BackoffConfig, backoffMs as pauseMs } from '../backoff.ts';

/** How long a node waits before it dials a peer again. */
export const linkBackoff: BackoffConfig = { initialMs: 100, maxMs: 10_000, factor: 2 };

/**
 * The pause before the next dial; see the general rule.
 *
 * @param attempt 1 for the first retry
 * @param random uniform in [0, 2^32)
 */
export function backoffMs(attempt: number, random: number, config: BackoffConfig = linkBackoff): number {
  return pauseMs(attempt, random, config);
}
