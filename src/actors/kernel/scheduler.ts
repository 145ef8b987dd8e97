import { limits } from '../../limits.ts';
import type { Inbox } from './inbox.ts';
import type { Clock } from './ports.ts';
import { Ring } from './ring.ts';

/** Something with an inbox that takes turns. */
export interface TurnTaker {
  readonly inbox: Inbox;
  /** In the ready queue, or taking its turn. Set by the scheduler only. */
  queued: boolean;
  /** Handles some messages; must not throw. `deadline` in milliseconds of the monotonic clock. */
  takeTurn(deadline: number): void;
  /** Whether somebody is there to handle what waits. */
  readonly occupied: boolean;
}

/** How the next slice is put off; Node’s `setImmediate` lets timers and sockets run between two slices. */
export type Defer = (slice: () => void) => void;

/**
 * Gives turns round robin. A slice ends after `sliceMsMax` or `sliceTurnsMax` turns, whichever is first, and the
 * event loop goes round before the next; so neither a busy actor starves others, nor busy actors starve timers.
 */
export class Scheduler {
  readonly #clock: Clock;
  readonly #defer: Defer;
  readonly #ready = new Ring<TurnTaker>();
  #armed = false;

  constructor(clock: Clock, defer: Defer) {
    this.#clock = clock;
    this.#defer = defer;
  }

  /** Queues a turn unless one is queued. Never runs anything on the caller’s stack. */
  ready(taker: TurnTaker): void {
    if (taker.queued) return;
    taker.queued = true;
    this.#ready.push(taker);
    this.#arm();
  }

  #arm(): void {
    if (this.#armed) return;
    this.#armed = true;
    this.#defer(this.#slice);
  }

  readonly #slice = (): void => {
    const deadline = this.#clock.monotonic() + limits.sliceMsMax;
    try {
      // The clock may be a test’s and stand still: hence the count as well.
      for (let turns = 0; turns < limits.sliceTurnsMax; turns += 1) {
        const taker = this.#ready.shift();
        if (taker === undefined) break;
        this.#turn(taker, deadline);
        if (this.#clock.monotonic() >= deadline) break;
      }
    } finally {
      // Whatever happened in a turn, the others still get theirs.
      this.#armed = false;
      if (this.#ready.length > 0) this.#arm();
    }
  };

  #turn(taker: TurnTaker, deadline: number): void {
    try {
      taker.takeTurn(deadline);
    } finally {
      if (taker.occupied && taker.inbox.waiting > 0) this.#ready.push(taker);
      else taker.queued = false;
    }
  }
}
