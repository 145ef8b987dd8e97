import type { ChartShelf } from './chart-shelf.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import type { Occupant, Parent } from './occupant.ts';
import type { Place } from './place.ts';
import type { Clock, Metrics, Random, Tap, TapEvent } from './ports.ts';
import type { Registry } from './registry.ts';
import type { Turns } from './scheduler.ts';
import type { ChildSpec } from './spec.ts';
import type { Suspensions } from './suspensions.ts';
import { apart } from './turn.ts';

/** What all parts of one kernel share. */
export interface Runtime {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The jitter of restarts that are put off. */
  readonly random: Random;
  readonly scheduler: Turns;
  readonly registry: Registry;
  readonly deadLetters: DeadLetterOffice;
  /** The orders to suspend that are in force. */
  readonly suspensions: Suspensions;
  /** Where charts keep their state. */
  readonly shelf: ChartShelf;
  /** The tap of this moment; ask once a turn. */
  readonly tap: () => Tap | undefined;
  readonly restarted: (path: string, reason: string, error: unknown) => void;
  /** A child had not ended when its shutdown time was over. */
  readonly overran: (path: string, ms: number) => void;
  /** Makes a new life at a place. Here, so that supervisors and workers need not know each other. */
  readonly bear: (spec: ChildSpec, place: Place, incarnation: number, parent: Parent) => Occupant;
}

/**
 * Shows an event to the watcher. One that throws, at once or by a promise, must not stop what it watches; what it
 * begins is not a part of the actor that it is shown.
 */
export function show(tap: Tap, event: TapEvent): void {
  try {
    const outcome: unknown = apart(tap, event);
    if (outcome instanceof Promise) outcome.catch(() => {});
  } catch {
    // The watcher’s own trouble.
  }
}

/** Whoever is asked for the watcher must not be able to stop what asks. */
export function safely(tap: (() => Tap | undefined) | undefined): Runtime['tap'] {
  if (tap === undefined) return () => undefined;
  return () => {
    try {
      return tap();
    } catch {
      return undefined;
    }
  };
}
