/** From when to when a certificate holds, in milliseconds since 1970. */
export interface Period {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Which of two came later: the one that began later, however long it holds. What began with its CA is told by its end. */
export const isLater = (one: Period, than: Period): boolean =>
  one.notBefore > than.notBefore || (one.notBefore === than.notBefore && one.notAfter > than.notAfter);

/** The part of its life after which a certificate is renewed, where no threshold is set; SPIRE takes half of it. */
const usedPart = 2 / 3;
/** Nodes whose certificates were issued together must not all come back in one moment. */
const jitterPart = 1 / 20;

/**
 * When a certificate is to be renewed: `thresholdMs` before its end, or without one after two thirds of its life, a
 * little earlier by `jitter` in [0, 1). A threshold that is not shorter than the life would ask for renewals without
 * end, so it does not count.
 */
export function renewalAt({ notBefore, notAfter }: Period, thresholdMs: number | undefined, jitter: number): number {
  const lifeMs = notAfter - notBefore;
  if (thresholdMs !== undefined && thresholdMs < lifeMs) return notAfter - thresholdMs;
  return notBefore + Math.round(lifeMs * (usedPart - jitterPart * jitter));
}

/** How near the end of a certificate is whose renewal fails: `half` of the time that there was for it, a `tenth`, none. */
export const urgencies = ['none', 'half', 'tenth', 'over'] as const;
export type Urgency = (typeof urgencies)[number];

/** How urgent it is at `now` that a renewal, which was due at `dueAt`, succeeds. */
export function urgencyAt(dueAt: number, notAfter: number, now: number): Urgency {
  const left = notAfter - now;
  const window = Math.max(0, notAfter - dueAt);
  if (left <= 0) return 'over';
  if (left * 10 <= window) return 'tenth';
  return left * 2 <= window ? 'half' : 'none';
}

const pauses = { firstMs: 10_000, maxMs: 3_600_000 } as const;

/**
 * The pause before the next attempt: twice as long each time up to an hour, but never more than an eighth of what is
 * left of the certificate, so that there are attempts until its end; less by up to half, by `jitter` in [0, 1).
 *
 * @param attempt 1 after the first failure
 */
export function retryInMs(attempt: number, leftMs: number, jitter: number): number {
  const pause = Math.min(pauses.maxMs, pauses.firstMs * 2 ** Math.min(attempt - 1, 30));
  const bound = leftMs > 0 ? Math.max(pauses.firstMs, leftMs / 8) : pauses.maxMs;
  return Math.ceil(Math.min(pause, bound) * (1 - jitter / 2));
}
