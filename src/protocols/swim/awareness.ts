/**
 * Local health (Lifeguard, arXiv 1707.00788 §IV.A): a node that misses answers suspects itself first. The score rises
 * with signs of own slowness and stretches both the probe interval and the probe timeout.
 */
export interface Awareness {
  score: number;
  /** Where the score saturates. */
  readonly max: number;
}

/** A healthy start. */
export const createAwareness = (max: number): Awareness => ({ score: 0, max });

/** Adds to the score, within 0 and its maximum. */
export function adjustAwareness(awareness: Awareness, delta: number): void {
  awareness.score = Math.min(awareness.max, Math.max(0, awareness.score + delta));
}

/** A time stretched by the score: `timeMs · (score + 1)`. */
export const stretched = (awareness: Awareness, timeMs: number): number => timeMs * (awareness.score + 1);

/**
 * What a failed probe says about ourselves: each middleman that did not even send a nack counts one; when there was
 * nobody to ask, the failure itself counts one.
 */
export const failedProbePenalty = (expectedNacks: number, receivedNacks: number): number =>
  expectedNacks === 0 ? 1 : expectedNacks - receivedNacks;
