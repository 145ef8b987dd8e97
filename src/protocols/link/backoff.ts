export interface BackoffConfig {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
}

export const linkBackoff: BackoffConfig = { initialMs: 100, maxMs: 10_000, factor: 2 };

/** The shortest pause: full jitter may draw zero, and a refused dial must not become a busy loop. */
const leastMs = 20;

/**
 * How long to wait before the next attempt: exponential with full jitter, so that those who lost the same peer do not
 * come back together.
 *
 * @param attempt 1 for the first retry
 * @param random uniform in [0, 2^32)
 */
export function backoffMs(attempt: number, random: number, config: BackoffConfig = linkBackoff): number {
  const ceiling = Math.min(config.maxMs, config.initialMs * config.factor ** Math.min(attempt - 1, 30));
  return Math.max(leastMs, Math.floor((ceiling * random) / 0x1_0000_0000));
}
