import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { holds, Inbox } from './inbox.ts';
import { isDown } from './monitors.ts';
import { type Exit, type Occupant, resumeMessage, shutdownMessage } from './occupant.ts';
import { type Lane, type Overflow, type SendOptions, type Undelivered, undelivered } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { TurnGroup, TurnTaker } from './scheduler.ts';
import type { ChildSpec } from './spec.ts';
import { inTurnOf } from './turn.ts';
import { accepted, WaitingSenders } from './waiting-senders.ts';

/** Who hears that a life has ended, once. Called on the stack where it happens, so it must only take note. */
export interface LifeWatcher {
  lifeEnded(place: Place, exit: Exit): void;
}

/**
 * A place in the tree with its inbox. It outlives its occupants: while one is being restarted, messages wait here and
 * the next one gets them; only the message that crashed its predecessor is gone.
 */
export class Place implements TurnTaker {
  readonly path: string;
  readonly kind: 'worker' | 'supervisor';
  readonly inbox: Inbox;
  readonly group: TurnGroup;
  queued = false;
  /** Closed: nobody lives here and nobody is about to; messages become dead letters. */
  #open = true;
  #occupant: Occupant | undefined;
  readonly #runtime: Runtime;
  readonly #overflow: Overflow;
  #suspended = false;
  #senders: WaitingSenders | undefined;
  #watchers: Set<LifeWatcher> | undefined;
  #fullReasons: readonly [string] | undefined;

  constructor(runtime: Runtime, path: string, spec: ChildSpec) {
    this.#runtime = runtime;
    this.path = path;
    this.kind = spec.kind;
    const limited = spec.kind === 'worker' ? spec : undefined;
    this.inbox = new Inbox(limited?.inboxMessagesMax ?? limits.inboxMessagesMax);
    this.#overflow = limited?.overflow ?? 'refuse';
    this.group = runtime.registry.groupFor(path, spec.group);
    if (runtime.suspensions.cover(path)) this.suspend(true);
  }

  /** Whether an order to suspend covers it. */
  get suspended(): boolean {
    return this.#suspended;
  }

  /** Suspends it, or lets it go on: never on the caller’s stack. A supervisor has nothing that could wait. */
  suspend(suspended: boolean): void {
    if (this.#suspended === suspended) return;
    this.#suspended = suspended;
    if (this.kind === 'supervisor') return;
    if (suspended && this.#occupant?.departing === true) return;
    if (this.inbox.hold !== holds.all) this.inbox.hold = suspended ? holds.user : holds.nothing;
    if (suspended) this.#occupant?.hold?.();
    else if (this.#occupant !== undefined) this.put(resumeMessage, 'control');
  }

  /** Whoever lives here is not ready to hear anything but the order to shut down. */
  keepAll(): void {
    this.inbox.hold = holds.all;
  }

  /** It hears now what has come since `keepAll`. */
  letIn(): void {
    this.inbox.hold = this.#suspended ? holds.user : holds.nothing;
    if (!this.queued && this.inbox.ready) this.#runtime.scheduler.ready(this);
  }

  get open(): boolean {
    return this.#open;
  }

  get occupied(): boolean {
    return this.#occupant !== undefined;
  }

  /** Who lives here now. */
  get occupant(): Occupant | undefined {
    return this.#occupant;
  }

  /** For the kernel itself: nothing but a closed place keeps the message out. STOPPED: a dead letter. */
  put(message: object, lane: 'control' | 'supervision'): Result<void> {
    if (!this.#open) return this.#stopped(message);
    this.inbox.push(message, lane);
    // A supervisor that restarts in vain must not keep its own orders to stop from being given.
    if (!this.queued && this.#occupant !== undefined) this.#runtime.scheduler.ready(this, this.kind === 'supervisor');
    return accepted;
  }

  /** For actors. Refused with INBOX_FULL (by the inbox’s overflow) or STOPPED (a dead letter). */
  tell(message: object, lane: Lane): Result<void, Undelivered> {
    if (!this.#open) return this.#stopped(message);
    if (!this.inbox.offer(message, lane)) return this.#full(message, lane);
    if (!this.queued && this.#occupant !== undefined) this.#runtime.scheduler.ready(this);
    return accepted;
  }

  /** As `tell`, and waits for room when the inbox’s overflow says so. */
  send(message: object, options: SendOptions): Promise<Result<void, Undelivered>> {
    if (!this.#open || this.#overflow !== 'wait' || this.inbox.hasRoom)
      return Promise.resolve(this.tell(message, 'user'));
    this.#senders ??= new WaitingSenders(this.path);
    return this.#senders.wait(message, options);
  }

  /** A new life moves in. */
  admit(occupant: Occupant): void {
    this.#open = true;
    // An order to shut down was meant for the life before, and may even have come after its end; so was its news.
    this.inbox.withdraw((message) => message === shutdownMessage, 'control');
    this.inbox.withdraw(isDown, 'supervision');
    this.inbox.hold = this.#suspended && this.kind === 'worker' ? holds.user : holds.nothing;
    this.#occupant = occupant;
    if (this.inbox.ready) this.#runtime.scheduler.ready(this);
  }

  /** This life is over. Nothing happens when another has moved in since. */
  vacate(occupant: Occupant): void {
    if (this.#occupant !== occupant) return;
    this.#occupant = undefined;
    const watchers = this.#watchers;
    if (watchers === undefined) return;
    this.#watchers = undefined;
    for (const watcher of watchers) watcher.lifeEnded(this, occupant.exit ?? { reason: 'shutdown' });
  }

  /** Tells the watcher when the present life ends; false when nobody lives here. */
  watch(watcher: LifeWatcher): boolean {
    if (this.#occupant === undefined) return false;
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
    return true;
  }

  unwatch(watcher: LifeWatcher): void {
    this.#watchers?.delete(watcher);
    if (this.#watchers?.size === 0) this.#watchers = undefined;
  }

  /** Nobody will live here for now: what waits becomes dead letters. */
  close(): void {
    this.#open = false;
    for (let message = this.inbox.shiftAny(); message !== undefined; message = this.inbox.shiftAny()) {
      // The kernel’s own orders and notices are nobody’s loss; a supervisor hears nothing else.
      if (this.kind === 'worker' && message !== shutdownMessage && message !== resumeMessage)
        this.#lose(message, 'stopped');
    }
    this.#senders?.dismiss((message) => this.#lose(message, 'stopped'));
    this.#senders = undefined;
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
      if (place.#senders !== undefined) place.#letSendersIn();
      if (tap !== undefined && message !== resumeMessage) {
        show(tap, { type: 'actor.message', path: place.path, message });
        if (place.#occupant !== occupant) return;
      }
      try {
        occupant.receive(message);
      } catch (error) {
        occupant.crash(error);
      }
      if (place.#occupant !== occupant) return;
      // After 1, 2, 4, 8 … messages: slow ones are noticed soon, quick ones do not pay for it.
      if ((handled & (handled - 1)) === 0 && place.#runtime.clock.monotonic() >= deadline) return;
    }
  }

  #letSendersIn(): void {
    while (this.#senders !== undefined && this.inbox.hasRoom) {
      this.#senders.admit((message) => this.inbox.offer(message, 'user'));
      if (this.#senders.size === 0) this.#senders = undefined;
    }
  }

  #full(message: object, lane: Lane): Result<void, Undelivered> {
    const { metrics } = this.#runtime;
    metrics.count('caxton_inbox_full_total');
    if (lane === 'user' && this.#overflow === 'drop-newest') {
      this.#lose(message, 'dropped');
      return accepted;
    }
    if (lane === 'user' && this.#overflow === 'drop-oldest') {
      const oldest = this.inbox.shiftUser();
      if (oldest !== undefined) this.#lose(oldest, 'dropped');
      this.inbox.offer(message, 'user');
      return accepted;
    }
    // Made once: under overload this is said a million times a second.
    this.#fullReasons ??= [`The inbox of ${this.path} is full.`];
    return { ok: false, refusal: { code: 'INBOX_FULL', reasons: this.#fullReasons, message } };
  }

  #stopped(message: object): { readonly ok: false; readonly refusal: Undelivered } {
    this.#lose(message, 'stopped');
    return undelivered('STOPPED', `${this.path} has stopped.`, message);
  }

  #lose(message: object, reason: 'stopped' | 'dropped'): void {
    this.#runtime.deadLetters.add(this.path, message, reason);
  }
}
