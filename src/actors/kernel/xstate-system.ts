import type { AnyActorRef, InspectionEvent, Observer } from 'xstate';
import { ChartTimers } from './chart-timers.ts';
import type { Clock } from './ports.ts';
import { type ActorInternals, EventListeners, type Inlet } from './xstate-internals.ts';
import { ChartScope } from './xstate-scope.ts';

/**
 * The actor system that the bridge gives to each chart in place of XState’s own, and by the same rules (its contract
 * test holds the two beside each other). XState’s is a dozen closures and five maps, over two kilobytes for a chart that
 * does nothing; here they are methods, and a map is made when there is something to put into it. It also does what the
 * bridge would have to wrap: it knows the descendants, notes timers, and holds events back.
 */

/** A delayed event, as XState wants it scheduled. */
interface Scheduled {
  readonly source: object;
  readonly target: Inlet;
  readonly event: object;
  readonly delay: number;
  readonly id: string | undefined;
}

/** Of all systems in this process: whoever inspects several must be able to tell actors apart. */
let sessions = 0;

/** One system; `stored`: `timers.pending` is going to be asked. */
export class ChartSystem {
  readonly timers: ChartTimers;
  readonly #stored: boolean;
  #root: ActorInternals | undefined;
  /** Started descendants in start order; made when the first one comes. */
  #descendants: Set<ActorInternals> | undefined;
  #named: Map<string, ActorInternals> | undefined;
  #inspectors: Set<Partial<Observer<InspectionEvent>>> | undefined;
  #scheduled: Map<string, Scheduled & { readonly id: string; readonly timer: unknown }> | undefined;
  /** Timers that nobody can cancel by their id any more; they fire as well. */
  #displaced: Set<unknown> | undefined;
  #atStart: Scheduled[] | undefined;
  #unnamed = 0;
  /** It handles a message although it is held: what follows from that at once is part of it. */
  #inTurn = false;

  constructor(clock: Clock, stored: boolean) {
    this.timers = new ChartTimers(clock, stored);
    this.#stored = stored;
  }

  /** From the last to the first. */
  get descendants(): readonly ActorInternals[] {
    return this.#descendants === undefined ? [] : [...this.#descendants].reverse();
  }

  /** What follows at once from what a held actor is sent is part of it. */
  inTurn(turn: () => void): void {
    this.#inTurn = this.timers.closed;
    try {
      turn();
    } finally {
      this.#inTurn = false;
    }
  }

  /** Scheduled when the root starts, before any actor does something that could cancel it. */
  scheduleAtStart(event: Scheduled): void {
    this.#atStart ??= [];
    this.#atStart.push(event);
  }

  /** Somebody hears what is sent to `_sendInspectionEvent`. */
  get inspected(): boolean {
    return this.#inspectors !== undefined && this.#inspectors.size > 0;
  }

  /** Nothing comes from a timer any more, and none stays armed. */
  end(): void {
    this.timers.end();
    for (const { timer } of this.#scheduled?.values() ?? []) this.timers.clearTimeout(timer);
    for (const timer of this.#displaced ?? []) this.timers.clearTimeout(timer);
    this.#scheduled = undefined;
    this.#displaced = undefined;
  }

  // From here on as XState has it, by its names.

  get _clock(): ChartTimers {
    return this.timers;
  }

  /** XState logs to the console by default, which belongs to the command line’s output. */
  get _logger(): () => void {
    return silent;
  }

  get scheduler(): this {
    return this;
  }

  _bookId(): string {
    sessions += 1;
    return `x:${sessions}`;
  }

  _register(sessionId: string, actor: ActorInternals): string {
    if (actor !== this.#root) {
      this.#descendants ??= new Set();
      this.#descendants.add(actor);
    }
    return sessionId;
  }

  _unregister(actor: ActorInternals): void {
    this.#descendants?.delete(actor);
    const { systemId } = actor;
    if (systemId !== undefined && this.#named?.get(systemId) === actor) this.#named.delete(systemId);
  }

  _set(systemId: string, actor: ActorInternals): void {
    const existing = this.#named?.get(systemId);
    if (existing !== undefined && existing !== actor)
      throw new Error(`Actor with system ID '${systemId}' already exists.`);
    this.#named ??= new Map();
    this.#named.set(systemId, actor);
  }

  // What charts ask for may be taken out of the object, as from XState’s own.

  get get(): (systemId: string) => ActorInternals | undefined {
    return (systemId) => this.#named?.get(systemId);
  }

  get getAll(): () => Readonly<Record<string, ActorInternals>> {
    return () => Object.fromEntries(this.#named ?? []);
  }

  inspect(observer: Partial<Observer<InspectionEvent>> | ((event: InspectionEvent) => void)): { unsubscribe(): void } {
    const inspector = typeof observer === 'function' ? { next: observer } : observer;
    this.#inspectors ??= new Set();
    this.#inspectors.add(inspector);
    return { unsubscribe: () => void this.#inspectors?.delete(inspector) };
  }

  _sendInspectionEvent(event: { readonly type: string; readonly actorRef: AnyActorRef }): void {
    // The first that it hears of an actor: it is made, and has no snapshot yet.
    if (event.type === '@xstate.actor') this.#adopt(event.actorRef as unknown as ActorInternals);
    if (!this.inspected) return;
    const resolved = { ...event, rootId: this.#root?.sessionId } as InspectionEvent;
    for (const inspector of this.#inspectors ?? []) inspector.next?.(resolved);
  }

  _relay(source: object | undefined, target: Inlet, event: object): void {
    if (this.#inTurn || !this.timers.closed) this.#pass(source, target, event);
    // What waits for a child that has been stopped meanwhile is nobody’s business any more.
    else this.timers.keep(() => this.#isGone(target) || this.#pass(source, target, event));
  }

  schedule(source: object, target: Inlet, event: object, delay: number, id?: string): void {
    this.#unnamed += id === undefined ? 1 : 0;
    const known = id ?? `unnamed.${this.#unnamed}`;
    const key = keyOf(source, known);
    const due = (): void => {
      if (this.#displaced?.delete(timer) === true) this.#displace(key);
      else this.#scheduled?.delete(key);
      this._relay(source, target, event);
    };
    this.#scheduled ??= new Map();
    this.#displace(key);
    const timer: unknown = this.timers.setTimeout(due, delay, this.#stored ? { source, target, event, id } : undefined);
    this.#scheduled.set(key, { source, target, event, delay, id: known, timer });
  }

  cancel(source: object, id: string): void {
    const key = keyOf(source, id);
    const scheduled = this.#scheduled?.get(key);
    this.#scheduled?.delete(key);
    if (scheduled !== undefined) this.timers.clearTimeout(scheduled.timer);
  }

  cancelAll(source: object): void {
    for (const scheduled of [...(this.#scheduled?.values() ?? [])])
      if (scheduled.source === source) this.cancel(source, scheduled.id);
  }

  start(): void {
    const events = this.#atStart ?? [];
    this.#atStart = undefined;
    for (const { source, target, event, delay, id } of events) this.schedule(source, target, event, delay, id);
  }

  getSnapshot(): { readonly _scheduledEvents: Readonly<Record<string, Scheduled>> } {
    return { _scheduledEvents: Object.fromEntries(this.#scheduled ?? []) };
  }

  /** XState knows one timer an id, and forgets that one when another of the same id fires. */
  #displace(key: string): void {
    const scheduled = this.#scheduled?.get(key);
    if (scheduled === undefined) return;
    this.#scheduled?.delete(key);
    this.#displaced ??= new Set();
    this.#displaced.add(scheduled.timer);
  }

  #isGone(target: Inlet): boolean {
    const { system } = target as { readonly system?: unknown };
    return system === this && target !== this.#root && this.#descendants?.has(target as ActorInternals) !== true;
  }

  #pass(source: object | undefined, target: Inlet, event: object): void {
    if (this.inspected)
      this._sendInspectionEvent({
        type: '@xstate.event',
        sourceRef: source,
        actorRef: target as unknown as AnyActorRef,
        event,
      } as never);
    target._send(event);
  }

  /**
   * The first actor is the root. It was given a parent, because that is how XState takes a system; it has none, from
   * before its first state on, so that nobody can send forged events there.
   */
  #adopt(actor: ActorInternals): void {
    if (this.#root === undefined) {
      this.#root = actor;
      actor._parent = undefined;
    }
    // All that is asked for later; the rest was taken out of it already.
    actor.options = { input: actor.options.input };
    actor.eventListeners = new EventListeners();
    actor._actorScope = new ChartScope(actor);
  }
}

const keyOf = (source: object, id: string): string => `${(source as ActorInternals).sessionId}.${id}`;

const silent = (): void => {};
