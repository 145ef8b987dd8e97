import type { DeadLetterOffice } from './dead-letters.ts';
import type { Occupant, Parent } from './occupant.ts';
import type { Place } from './place.ts';
import type { Clock, Metrics, Random, Tap, TapEvent } from './ports.ts';
import type { Registry } from './registry.ts';
import type { Turns } from './scheduler.ts';
import type { ChildSpec } from './spec.ts';

/** What all parts of one kernel share. */
export interface Runtime {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The jitter of restarts that are put off. */
  readonly random: Random;
  readonly scheduler: Turns;
  readonly registry: Registry;
  readonly deadLetters: DeadLetterOffice;
  /** The tap of this moment; ask once a turn. */
  readonly tap: () => Tap | undefined;
  readonly restarted: (path: string, reason: string, error: unknown) => void;
  /** Makes a new life at a place. Here, so that supervisors and workers need not know each other. */
  readonly bear: (spec: ChildSpec, place: Place, incarnation: number, parent: Parent) => Occupant;
}

/** Shows an event to the watcher. One that throws must not stop what it watches. */
export function show(tap: Tap, event: TapEvent): void {
  try {
    tap(event);
  } catch {
    // The watcher’s own trouble.
  }
}
