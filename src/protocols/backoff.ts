/** Pauses between attempts, in milliseconds. */
export interface BackoffConfig {
  /** The longest that the first pause may be. */
  readonly initialMs: number;
  /** No pause is longer. */
  readonly maxMs: number;
  /** How much longer each pause may be than the one before. */
  readonly factor: number;
  /** No pause is shorter: full jitter may draw zero, and attempts must not become a busy loop. Default 20. */
  readonly leastMs?: number;
}

const leastMsDefault = 20;

/**
 * How long to wait before the next attempt: exponential with full jitter, so that those who failed together do not
 * come back together.
 *
 * @param attempt 1 for the first retry
 * @param random uniform in [0, 2^32)
 */
export function backoffMs(attempt: number, random: number, config: BackoffConfig): number {
  const { initialMs, maxMs, factor, leastMs = leastMsDefault } = config;
  const ceiling = Math.min(maxMs, initialMs * factor ** Math.min(attempt - 1, 30));
  return Math.max(Math.min(leastMs, maxMs), Math.floor((ceiling * random) / 0x1_0000_0000));
}
