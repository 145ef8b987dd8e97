import { limits } from '../../limits.ts';
import type { Clock, Metrics } from './ports.ts';

/** A turn that kept everybody else waiting. */
export interface SlowTurnReport {
  readonly path: string;
  /** Milliseconds that the turn took. */
  readonly ms: number;
}

/**
 * Counts turns over `limits.slowTurnMs` and reports each actor’s first of a minute: one that is always slow would
 * otherwise slow the log as well.
 */
export class SlowTurns {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #report: ((report: SlowTurnReport) => void) | undefined;
  /** When each was last reported, in monotonic milliseconds; longest ago first. */
  readonly #reported = new Map<string, number>();

  constructor(clock: Clock, metrics: Metrics, report?: (report: SlowTurnReport) => void) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#report = report;
  }

  readonly add = (path: string, ms: number): void => {
    this.#metrics.count('caxton_slow_turns_total');
    const now = this.#clock.monotonic();
    const last = this.#reported.get(path);
    if (last !== undefined && now - last < limits.slowTurnReportMs) return;
    this.#reported.delete(path);
    if (this.#reported.size >= limits.slowTurnActorsMax) {
      for (const longestAgo of this.#reported.keys()) {
        this.#reported.delete(longestAgo);
        break;
      }
    }
    this.#reported.set(path, now);
    try {
      this.#report?.({ path, ms });
    } catch {
      // A listener that fails must not stop the scheduler.
    }
  };
}
