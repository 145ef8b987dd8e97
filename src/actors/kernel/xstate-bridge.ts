import { type AnyActorLogic, type AnyActorRef, type AnyMachineSnapshot, createActor, type Snapshot } from 'xstate';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { boundSteps, isEvent, mayHear } from './chart-bounds.ts';
import { mustBeRestored, type StoredChart, type StoredTimer } from './chart-snapshot.ts';
import { type TransitionOptions, TransitionWatch } from './chart-transitions.ts';
import type { Host, HostOptions } from './host.ts';
import type { Message, Ref } from './ref.ts';
import type { ActorInternals, Inlet } from './xstate-internals.ts';
import { ChartSystem } from './xstate-system.ts';

/**
 * This file, `xstate-system.ts` and `xstate-scope.ts` are the only ones that rely on how XState works inside; their
 * tests fail when an upgrade changes any of it.
 *
 * Each worker is the root of an XState system of its own. So an error comes with the very actor that threw it and not
 * as an event that carries only an id; a chart has no `sendParent` to forge its siblings’ events with; a stop walks
 * the actor’s own timers only (XState’s `cancelAll` walks those of the whole system); and everybody registered in the
 * system, the root apart, is a descendant of this worker and can be stopped with it.
 */

/**
 * Base of the kernel’s refs: makes `sendTo(ref, event)` in a chart, and `enqueue.sendTo`, put the event into the
 * inbox instead of running the receiver on the sender’s stack.
 */
export abstract class SendToTarget implements Inlet {
  protected abstract deliver(message: object): Result<void>;
  /** A message was refused and its sender cannot be told. */
  protected abstract lost(message: object, refusal: Refusal): void;

  _send(event: object): void {
    const result = this.deliver(event);
    if (!result.ok) this.lost(event, result.refusal);
  }
}

/** A kernel ref in the type that XState’s `sendTo` asks for. Only good for sending: it has no snapshot. */
export function sendTarget<M>(ref: Ref<M>): AnyActorRef {
  if (!(ref instanceof SendToTarget)) throw new Error(`${ref.path} is not a ref of a kernel`);
  return ref as unknown as AnyActorRef;
}

/** An XState actor that lives in the kernel. It is its own observer: one object for each chart is enough. */
export class HostedActor {
  readonly #actor: AnyActorRef;
  readonly #host: Host;
  readonly #system: ChartSystem;
  readonly #watched: boolean;

  /**
   * Makes the actor without starting it. Throws what `createActor` throws for a wrong logic, and `NotRestored` for a
   * snapshot that is not one of this logic.
   */
  constructor(logic: AnyActorLogic, options: HostOptions, host: Host) {
    this.#host = host;
    boundSteps(logic);
    const { id, input, restore, stored = false } = options;
    const system = new ChartSystem(options.clock, stored);
    this.#system = system;
    const actor = createActor(logic, {
      id,
      input,
      parent: { system } as never,
      ...(restore === undefined ? {} : { snapshot: restore.snapshot as Snapshot<unknown> }),
    });
    this.#actor = actor;
    const began = actor.getSnapshot() as Partial<AnyMachineSnapshot> | undefined;
    if (restore !== undefined) mustBeRestored(restore, actor);
    if (restore !== undefined) this.#scheduleAtStart(restore.timers);
    this.#watched = began?.machine !== undefined || options.watched;
    this.#root.observers.add(this);
  }

  get #root(): ActorInternals {
    return this.#actor as unknown as ActorInternals;
  }

  /** XState has a new snapshot. */
  next(snapshot: AnyMachineSnapshot): void {
    if (this.#watched) this.#host.changed(snapshot);
  }

  /** XState has an error. Without an observer for it, it would throw it again from a timer, as an uncaught exception. */
  get error(): (error: unknown) => void {
    // XState takes it out of the observer.
    return (error) => {
      // A machine that crashes leaves the actors that it invoked and spawned running.
      this.#endAll();
      this.#host.failed(error);
    };
  }

  /** XState’s actor has ended. */
  complete(): void {
    const status = (this.#actor.getSnapshot() as { status?: unknown } | undefined)?.status;
    this.#endAll();
    this.#host.finished(status === 'done' ? 'done' : 'stopped');
  }

  /** Runs entry actions and starts invoked actors. Errors go to the host, also those of the initial transition. */
  start(): void {
    this.#system.timers.setTogether(() => this.#actor.start());
  }

  /** Handles one message on this stack; false when it is no event, or one type too many, and nothing has happened. */
  send(message: object): boolean {
    if (!isEvent(message) || !mayHear(this.#root.logic, (message as Message).type)) return false;
    const system = this.#system;
    // What `actor.send` does, less a bound function.
    if (system.timers.closed) system.inTurn(() => system._relay(undefined, this.#root, message));
    else system._relay(undefined, this.#root, message);
    return true;
  }

  /** As `send`; whether the chart has taken a transition in answer. */
  movedBy(message: object): boolean {
    let moved = false;
    const watching = this.#actor.system.inspect((event) => {
      if (event.type === '@xstate.microstep' && event.actorRef === this.#actor) moved ||= event._transitions.length > 0;
    });
    this.send(message);
    watching.unsubscribe();
    return moved;
  }

  /**
   * From now on nothing happens by itself: events that come from a timer, a promise, a callback or an observable wait.
   * What it is sent it handles.
   */
  hold(): void {
    this.#system.timers.close();
  }

  /** Ends `hold`: what has waited happens on this stack, in the order in which it came. */
  letGo(): void {
    this.#system.timers.open();
  }

  /** The chart as it is between two messages. MALFORMED when a part of it cannot be named in another process. */
  store(): Result<StoredChart> {
    const timers: StoredTimer[] = [];
    for (const { what, delayMs, inMs } of this.#system.timers.pending()) {
      const source = this.#childPath(what.source as ActorInternals);
      const target = this.#target(what.target);
      // Nobody is there any more who would hear it.
      if (source === undefined || target === 'gone') continue;
      if (target === 'foreign') return refuse('MALFORMED', `A delayed event goes to an actor outside of the kernel.`);
      timers.push({ source, target, event: what.event, id: what.id, delayMs, inMs });
    }
    return ok({ snapshot: this.#actor.getPersistedSnapshot(), timers });
  }

  /** Calls `moved` whenever something in the chart, or in one of its children, may be other than before. */
  onMoved(moved: () => void): void {
    this.#actor.system.inspect((event) => {
      if (event.type === '@xstate.snapshot') moved();
    });
  }

  /** Shows transitions from now on; see `TransitionOptions`. */
  onTransition({ taken, before }: Pick<TransitionOptions, 'taken' | 'before'>): void {
    const childOf = (actor: object): readonly string[] => this.#childPath(actor as ActorInternals, true) ?? [];
    new TransitionWatch({ chart: this.#actor, childOf, taken, before });
  }

  /** Stops it and all its descendants where they are; no exit actions run. The host may still hear `finished`. */
  stop(): void {
    try {
      this.#actor.stop?.();
    } catch {
      // It refuses to stop; it gets no more messages, and its descendants stop below.
    }
    this.#endAll();
  }

  /** The chart’s state value; `undefined` for plain logic. */
  stateValue(): unknown {
    try {
      return (this.#actor.getSnapshot() as Partial<AnyMachineSnapshot> | undefined)?.value;
    } catch {
      // The snapshot of plain logic is its author’s own, and may throw at a look.
      return undefined;
    }
  }

  /** XState schedules them after the actors are there and before any of them does anything that could cancel them. */
  #scheduleAtStart(timers: readonly StoredTimer[]): void {
    for (const timer of timers) {
      const source = this.#byPath(timer.source);
      const target = isPath(timer.target) ? this.#byPath(timer.target) : timer.target;
      if (source === undefined || target === undefined) continue;
      const { event, id, delayMs, inMs } = timer;
      // A wall clock that was set back meanwhile must not make a delay longer than it was.
      const delay = Math.min(inMs, delayMs);
      this.#system.scheduleAtStart({ source, target: target as unknown as Inlet, event, id, delay });
    }
  }

  /** Ids from the root down; `undefined` for one that is not, or no longer, of the chart; `ended`: no matter. */
  #childPath(actor: ActorInternals, ended = false): readonly string[] | undefined {
    const path: string[] = [];
    for (let at = actor; at !== this.#root; ) {
      const above = at._parent;
      if (above === undefined) return undefined;
      if (!ended && above.getSnapshot()?.children?.[at.id] !== at) return undefined;
      path.unshift(at.id);
      at = above;
    }
    return path;
  }

  #byPath(path: readonly string[]): ActorInternals | undefined {
    let at: ActorInternals | undefined = this.#root;
    for (const id of path) at = at?.getSnapshot()?.children?.[id];
    return at;
  }

  #target(target: object): readonly string[] | Ref<never> | 'gone' | 'foreign' {
    if (target instanceof SendToTarget) return target as unknown as Ref<never>;
    if ((target as { system?: unknown }).system !== this.#actor.system) return 'foreign';
    return this.#childPath(target as ActorInternals) ?? 'gone';
  }

  /** Nothing of it is left: no delay, and nobody that it invoked or spawned. */
  #endAll(): void {
    this.#system.end();
    for (const descendant of this.#system.descendants) {
      try {
        descendant._stop();
      } catch {
        // One that throws while stopping must not save the others from it.
      }
    }
  }
}

const isPath = (target: readonly string[] | Ref<never>): target is readonly string[] => Array.isArray(target);
