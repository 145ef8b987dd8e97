import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { Inbox } from './inbox.ts';
import { type Occupant, shutdownMessage } from './occupant.ts';
import type { Lane } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { TurnTaker } from './scheduler.ts';
import type { ChildSpec } from './spec.ts';
import { inTurnOf } from './turn.ts';

const accepted: Result<void> = Object.freeze(ok(undefined));

/** How many messages are handled between two looks at the clock. */
const clockEvery = 16;

/**
 * A place in the tree with its inbox. It outlives its occupants: while one is being restarted, messages wait here and
 * the next one gets them; only the message that crashed its predecessor is gone.
 */
export class Place implements TurnTaker {
  readonly path: string;
  readonly kind: 'worker' | 'supervisor';
  readonly inbox: Inbox;
  queued = false;
  /** Closed: nobody lives here and nobody is about to; messages become dead letters. */
  #open = true;
  #occupant: Occupant | undefined;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, path: string, spec: ChildSpec) {
    this.#runtime = runtime;
    this.path = path;
    this.kind = spec.kind;
    this.inbox = new Inbox((spec.kind === 'worker' ? spec.inboxMessagesMax : undefined) ?? limits.inboxMessagesMax);
  }

  get open(): boolean {
    return this.#open;
  }

  get occupied(): boolean {
    return this.#occupant !== undefined;
  }

  /** Puts a message into the inbox. Refused with INBOX_FULL (nothing recorded) or STOPPED (a dead letter). */
  put(message: object, lane: Lane): Result<void> {
    if (!this.#open) {
      this.#runtime.deadLetters.add(this.path, message, 'stopped');
      return refuse('STOPPED', `${this.path} has stopped.`);
    }
    if (!this.inbox.push(message, lane)) {
      this.#runtime.metrics.count('caxton_inbox_full_total');
      return refuse('INBOX_FULL', `The inbox of ${this.path} is full.`);
    }
    if (!this.queued && this.#occupant !== undefined) this.#runtime.scheduler.ready(this);
    return accepted;
  }

  /** A new life moves in. */
  admit(occupant: Occupant): void {
    this.#open = true;
    // An order to shut down was meant for the life before, and may even have come after its end.
    this.inbox.withdraw(shutdownMessage);
    this.#occupant = occupant;
    if (this.inbox.waiting > 0) this.#runtime.scheduler.ready(this);
  }

  /** This life is over. Nothing happens when another has moved in since. */
  vacate(occupant: Occupant): void {
    if (this.#occupant === occupant) this.#occupant = undefined;
  }

  /** Nobody will live here for now: what waits becomes dead letters. */
  close(): void {
    this.#open = false;
    for (let message = this.inbox.shift(); message !== undefined; message = this.inbox.shift()) {
      // The kernel’s own orders and notices are nobody’s loss; a supervisor hears nothing else.
      if (this.kind === 'worker' && message !== shutdownMessage)
        this.#runtime.deadLetters.add(this.path, message, 'stopped');
    }
  }

  takeTurn(deadline: number): void {
    const occupant = this.#occupant;
    if (occupant !== undefined) inTurnOf(occupant, Place.#drain, this, occupant, deadline);
  }

  static #drain(place: Place, occupant: Occupant, deadline: number): void {
    const tap = place.kind === 'worker' ? place.#runtime.tap() : undefined;
    for (let handled = 1; handled <= limits.turnMessagesMax; handled += 1) {
      const message = place.inbox.shift();
      if (message === undefined) return;
      if (tap !== undefined) show(tap, { type: 'actor.message', path: place.path, message });
      try {
        occupant.receive(message);
      } catch (error) {
        occupant.crash(error);
      }
      if (place.#occupant !== occupant) return;
      if (handled % clockEvery === 0 && place.#runtime.clock.monotonic() >= deadline) return;
    }
  }
}
