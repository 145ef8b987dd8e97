export interface HeartbeatConfig {
  readonly heartbeatMs: number;
  readonly silenceMsMax: number;
}

/** What an established link should do now; all times in milliseconds of one monotonic clock. */
export function heartbeat(
  lastHeardAt: number,
  lastSentAt: number,
  now: number,
  config: HeartbeatConfig,
): 'nothing' | 'ping' | 'close' {
  if (now - lastHeardAt >= config.silenceMsMax) return 'close';
  return now - Math.min(lastHeardAt, lastSentAt) >= config.heartbeatMs ? 'ping' : 'nothing';
}

/**
 * How many milliseconds until the next look, of two a heartbeat: all links of a node look at the same moments, so that an
 * idle process wakes once for them and not for each. The first look comes sooner or later for it, by a half at most.
 */
export function nextLookMs(now: number, heartbeatMs: number): number {
  const everyMs = heartbeatMs / 2;
  const leftMs = Math.ceil(everyMs - (now % everyMs));
  return leftMs < everyMs / 2 ? leftMs + everyMs : leftMs;
}
