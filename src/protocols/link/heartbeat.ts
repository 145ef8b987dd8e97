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
