import { type Exit, type Occupant, type Parent, shutdownMessage } from './occupant.ts';
import { Place } from './place.ts';
import type { Runtime } from './runtime.ts';
import type { ChildSpec } from './spec.ts';

/** Milliseconds that a worker may take to stop by default (OTP’s). A supervisor by default takes what it needs. */
const workerShutdownMs = 5_000;

/** What a child’s life tells the supervisor, by way of its inbox. */
export type Notice =
  | { readonly type: 'kernel.child-started'; readonly child: Child; readonly occupant: Occupant }
  | { readonly type: 'kernel.child-ended'; readonly child: Child; readonly occupant: Occupant; readonly exit: Exit }
  /** A restart that failed, to be tried again once everything that came before it has been heard. */
  | { readonly type: 'kernel.start-failed'; readonly child: Child }
  /** The pause before a restart is over. */
  | { readonly type: 'kernel.restart-due'; readonly child: Child };

/**
 * What a child is doing. `down`: it has a spec and no life, because it ended well, was terminated, or waits for a
 * sibling that could not start yet. `restarting`: its restart failed or is put off, and will be tried again.
 */
export type ChildStatus = 'starting' | 'running' | 'restarting' | 'down';

/** Who owns children. `notice` must only take note: it is called on the stack where a child ends. */
export interface Owner {
  notice(notice: Notice): void;
}

/**
 * One child of a supervisor: its spec, its place, and at most one life at a time. Knows how to start and stop one;
 * what to do when one ends is the supervisor’s business.
 */
export class Child implements Parent {
  readonly spec: ChildSpec;
  readonly place: Place;
  /** Lives so far. */
  incarnation = 0;
  occupant: Occupant | undefined;
  /** How the last life ended; `undefined` while one is there. */
  exit: Exit | undefined;
  /** Its restart is put off, or has failed and will be tried again. */
  restarting = false;
  /** Its end has been heard of and nobody has dealt with it yet. */
  #endOpen = false;
  readonly #runtime: Runtime;
  readonly #owner: Owner;
  #beginning = false;
  #startedAtOnce = false;
  #restartTimer: unknown;
  #onStart: ((failure: Exit | undefined) => void) | undefined;
  #onGone: (() => void) | undefined;
  #stopping: Promise<void> | undefined;
  #killTimer: unknown;

  /** `path` of the supervisor, or empty for the root. */
  constructor(runtime: Runtime, spec: ChildSpec, path: string, owner: Owner) {
    this.#runtime = runtime;
    this.spec = spec;
    this.#owner = owner;
    this.place = new Place(runtime, `${path}/${spec.id}`, spec);
    runtime.registry.add(this.place);
  }

  get id(): string {
    return this.spec.id;
  }

  get status(): ChildStatus {
    if (this.occupant === undefined) return this.restarting ? 'restarting' : 'down';
    return this.occupant.phase === 'starting' ? 'starting' : 'running';
  }

  /** It runs, is being restarted, or its end is still to be judged: what `all-significant` counts. */
  get active(): boolean {
    return this.occupant !== undefined || this.restarting || this.#endOpen;
  }

  /** Whether the end of this life is still to be judged; from now on it is not. A stop or a start has dealt with it. */
  takeEnd(life: number): boolean {
    const open = this.#endOpen && this.incarnation === life;
    if (open) this.#endOpen = false;
    return open;
  }

  /**
   * Begins a new life: nothing when it has started, its exit when it could not. A promise of that only when it is not
   * known at once: what follows from a start must not fall behind what happened after it.
   */
  start(): Exit | undefined | Promise<Exit | undefined> {
    this.#noRestart();
    this.#endOpen = false;
    this.exit = undefined;
    this.incarnation += 1;
    const occupant = this.#runtime.bear(this.spec, this.place, this.incarnation, this);
    this.occupant = occupant;
    this.place.admit(occupant);
    this.#beginning = true;
    this.#startedAtOnce = false;
    occupant.start();
    this.#beginning = false;
    // It may have ended since: the news of that comes like any other’s.
    if (this.#startedAtOnce) return undefined;
    if (occupant.phase === 'ended') {
      this.occupant = undefined;
      this.exit = occupant.exit;
      return occupant.exit;
    }
    return new Promise((resolve) => {
      this.#onStart = resolve;
    });
  }

  /** Asks it to shut down, stops it as it is when its time is over, and resolves when it is gone. */
  stop(): Promise<void> {
    this.#noRestart();
    this.#endOpen = false;
    const occupant = this.occupant;
    if (occupant === undefined) return Promise.resolve();
    this.#stopping ??= this.#shutDown(occupant);
    return this.#stopping;
  }

  kill(): void {
    this.#noRestart();
    this.occupant?.kill();
  }

  /** Nobody lives here any more, and nobody will unless somebody asks: messages become dead letters. */
  leave(): void {
    this.#noRestart();
    this.place.close();
  }

  /** To be restarted, with a notice to the owner when `delayMs` are over; 0: the owner knows when. */
  awaitRestart(exit: Exit, delayMs: number): void {
    this.#noRestart();
    this.exit = exit;
    this.restarting = true;
    if (delayMs === 0) return;
    const due = (): void => this.#owner.notice({ type: 'kernel.restart-due', child: this });
    this.#restartTimer = this.#runtime.clock.setTimeout(due, delayMs);
  }

  childStarted(occupant: Occupant): void {
    if (this.#beginning) this.#startedAtOnce = true;
    else this.#owner.notice({ type: 'kernel.child-started', child: this, occupant });
  }

  childEnded(occupant: Occupant, exit: Exit): void {
    if (this.#beginning && !this.#startedAtOnce) return;
    this.#owner.notice({ type: 'kernel.child-ended', child: this, occupant, exit });
  }

  /** The owner heard that a life has started. */
  started(occupant: Occupant): void {
    if (occupant !== this.occupant) return;
    const onStart = this.#onStart;
    this.#onStart = undefined;
    onStart?.(undefined);
  }

  /** The owner heard that a life has ended. True when nobody waited for that: a new event, to be judged. */
  ended(occupant: Occupant, exit: Exit): boolean {
    // News of an earlier life must not count against this one.
    if (occupant !== this.occupant) return false;
    this.occupant = undefined;
    this.exit = exit;
    const expected = this.#onStart !== undefined || this.#onGone !== undefined;
    this.#settle(exit);
    this.#endOpen = !expected;
    return !expected;
  }

  /** The owner has ended and hears nothing any more: whoever still waits is let go. */
  abandon(): void {
    this.#noRestart();
    // It has ended as well; the news of that reaches nobody any more, so nobody must wait for it.
    this.occupant = undefined;
    this.#runtime.registry.remove(this.place);
    this.#settle({ reason: 'shutdown' });
  }

  #shutDown(occupant: Occupant): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      this.#onGone = resolve;
    });
    const time = this.spec.shutdown ?? (this.spec.kind === 'supervisor' ? 'infinity' : workerShutdownMs);
    if (time === 'brutal-kill') occupant.kill();
    else {
      this.place.put(shutdownMessage, 'control');
      if (time !== 'infinity') this.#killTimer = this.#runtime.clock.setTimeout(() => this.#cut(occupant, time), time);
    }
    return gone;
  }

  #cut(occupant: Occupant, ms: number): void {
    // It has ended; the news of that is on its way.
    if (occupant.phase === 'ended') return;
    this.#runtime.overran(this.place.path, ms);
    occupant.kill();
  }

  #noRestart(): void {
    this.restarting = false;
    this.#runtime.clock.clearTimeout(this.#restartTimer);
    this.#restartTimer = undefined;
  }

  #settle(exit: Exit): void {
    const onStart = this.#onStart;
    const onGone = this.#onGone;
    this.#onStart = undefined;
    this.#onGone = undefined;
    this.#stopping = undefined;
    this.#runtime.clock.clearTimeout(this.#killTimer);
    onStart?.(exit);
    onGone?.();
  }
}
