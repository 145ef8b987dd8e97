import { limits } from '../../limits.ts';
import type { EventLoop } from './event-loop.ts';
import type { Inbox } from './inbox.ts';
import type { Clock } from './ports.ts';
import { Ring } from './ring.ts';
import { outsideTurns } from './turn.ts';

/** Something with an inbox that takes turns. */
export interface TurnTaker {
  readonly path: string;
  readonly inbox: Inbox;
  /** Whom it shares its turns with. */
  readonly group: TurnGroup;
  /** In the ready queue, or taking its turn. Set by the scheduler only. */
  queued: boolean;
  /** Handles some messages; must not throw. `deadline` in milliseconds of the monotonic clock. */
  takeTurn(deadline: number): void;
  /** Whether somebody is there to handle what waits. */
  readonly occupied: boolean;
}

/** Hears of a turn that took too long; `ms` of the monotonic clock. */
export type SlowTurn = (path: string, ms: number) => void;

/** Actors that share turns, such as those of one tenant. */
export class TurnGroup {
  readonly name: string;
  /** Turns in a row before the next group; a whole number ≥ 1. */
  readonly weight: number;
  /** Members with something to do, longest waiting first. */
  readonly ready: Ring<TurnTaker> = new Ring();
  /** Places that belong to it; without any it is forgotten. */
  places = 0;
  /** In the queue of groups, or having its turns. Set by the scheduler only. */
  queued = false;

  constructor(name: string, weight: number) {
    this.name = name;
    this.weight = weight;
  }
}

/** Whoever gives turns: the scheduler, or the testing kit’s, which gives them when it is told to. */
export interface Turns {
  /**
   * Queues a turn unless one is queued. Never runs anything on the caller’s stack. `patient`: it may wait for the next
   * round of the event loop, such as what may go on and on by itself.
   */
  ready(taker: TurnTaker, patient?: boolean): void;
  /** Monotonic milliseconds, at most one round of the event loop old: for what is done a million times a second. */
  readonly roundTime: number;
  /**
   * Calls `tidy` once this round’s turns and promises have all been run; false when there is no round under way, and
   * nothing is called. For what would be undone and done again with every message.
   */
  afterRound(tidy: () => void): boolean;
}

/**
 * Gives turns: round robin between the groups that have something to do, each as many turns in a row as its weight,
 * and round robin within a group. So a tenant of 10,000 busy actors gets no more turns than one with a single actor.
 *
 * All turns of one round of the event loop together take `sliceMsMax` or `sliceTurnsMax` turns, whichever is first, and
 * timers and sockets have theirs before the next; so neither a busy actor starves others, nor busy actors starve
 * timers. What is asked of actors while a round still has time (by the promise of an answer, say) is done in the same
 * round: going round once for each question would cost more than the question.
 */
export class Scheduler implements Turns {
  readonly #clock: Clock;
  readonly #loop: EventLoop;
  readonly #slow: SlowTurn;
  readonly #groups = new Ring<TurnGroup>();
  #armed = false;
  #slicing = false;
  #tidy: (() => void)[] = [];
  /** This round has time left, and its promises are still being run. */
  #roundOpen = false;
  /** Monotonic milliseconds; when this round’s time is over. */
  #deadline = 0;
  #turnsLeft = 0;
  /** When the last turn ended. */
  #now = 0;

  constructor(clock: Clock, loop: EventLoop, slow: SlowTurn = () => {}) {
    this.#clock = clock;
    this.#loop = loop;
    this.#slow = slow;
  }

  ready(taker: TurnTaker, patient = false): void {
    if (taker.queued) return;
    taker.queued = true;
    const { group } = taker;
    group.ready.push(taker);
    if (group.queued) return;
    group.queued = true;
    this.#groups.push(group);
    this.#arm(patient);
  }

  get roundTime(): number {
    return this.#roundOpen ? this.#now : this.#clock.monotonic();
  }

  afterRound(tidy: () => void): boolean {
    if (this.#loop.settled === undefined || !(this.#slicing || this.#roundOpen)) return false;
    this.#tidy.push(tidy);
    return true;
  }

  // Of no actor, even when an actor’s message wakes the scheduler.
  #arm(patient: boolean): void {
    if (this.#armed) return;
    this.#armed = true;
    outsideTurns(this.#roundOpen && !patient ? this.#soon : this.#later);
  }

  readonly #soon = (): void => {
    const { soon, later } = this.#loop;
    (soon ?? later)(this.#slice);
  };

  readonly #later = (): void => this.#loop.later(this.#slice);

  readonly #slice = (): void => {
    let now = this.#clock.monotonic();
    if (!this.#roundOpen) {
      this.#deadline = now + limits.sliceMsMax;
      // The clock may be a test’s and stand still: hence the count as well.
      this.#turnsLeft = limits.sliceTurnsMax;
    }
    let over = false;
    this.#slicing = true;
    try {
      for (let group = this.#groups.shift(); group !== undefined; group = this.#groups.shift()) {
        try {
          for (let left = group.weight; left > 0 && !over; left -= 1) {
            const taker = group.ready.shift();
            if (taker === undefined) break;
            this.#turn(taker);
            const after = this.#clock.monotonic();
            if (after - now >= limits.slowTurnMs) this.#slow(taker.path, after - now);
            now = after;
            this.#now = after;
            this.#turnsLeft -= 1;
            over = now >= this.#deadline || this.#turnsLeft <= 0;
          }
        } finally {
          if (group.ready.length > 0) this.#groups.push(group);
          else group.queued = false;
        }
        if (over) break;
      }
    } finally {
      this.#endSlice(over);
    }
  };

  /** Whatever happened in a turn, the others still get theirs. */
  #endSlice(over: boolean): void {
    const wasOpen = this.#roundOpen;
    this.#armed = false;
    this.#slicing = false;
    this.#roundOpen = !over && this.#loop.soon !== undefined;
    if (this.#groups.length > 0) this.#arm(false);
    if (!wasOpen) this.#loop.settled?.(this.#closeRound);
  }

  readonly #closeRound = (): void => {
    this.#roundOpen = false;
    const tidy = this.#tidy;
    if (tidy.length === 0) return;
    this.#tidy = [];
    for (const each of tidy) each();
  };

  #turn(taker: TurnTaker): void {
    try {
      taker.takeTurn(this.#deadline);
    } finally {
      if (taker.occupied && taker.inbox.ready) taker.group.ready.push(taker);
      else taker.queued = false;
    }
  }
}
