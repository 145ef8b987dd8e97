import type { AnyActorLogic, AnyMachineSnapshot } from 'xstate';
import { CaxtonError, type Result, refuse } from '../../errors.ts';
import { exitOf } from './actor-exit.ts';
import { namesShutdown } from './chart-bounds.ts';
import { ChartKeeper } from './chart-keeper.ts';
import { NotRestored, type StoredChart } from './chart-snapshot.ts';
import type { ChartTransition } from './chart-transitions.ts';
import { HandlerBody, type HandlerHost, HandlerLogic } from './handler.ts';
import type { Host } from './host.ts';
import { type Exit, killed, type Occupant, type Parent, resumeMessage, shutdownMessage } from './occupant.ts';
import type { Place } from './place.ts';
import type { Ref } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { Persistence, WorkerSpec } from './spec.ts';
import { inTurnOf } from './turn.ts';
import { HostedActor } from './xstate-bridge.ts';

/** Milliseconds that `startedWhen` may take by default. */
export const startTimeoutMs = 10_000;

/** One life of an actor: hosts its logic, watches for its start and its end. */
export class Worker implements Occupant, Host, HandlerHost {
  readonly path: string;
  readonly incarnation: number;
  phase: 'starting' | 'running' | 'ended' = 'starting';
  exit: Exit | undefined;
  readonly #runtime: Runtime;
  readonly #place: Place;
  readonly #spec: WorkerSpec;
  readonly #parent: Parent;
  #body: HostedActor | HandlerBody | undefined;
  #ref: Ref<never> | undefined;
  #startTimer: unknown;
  #keeper: ChartKeeper | undefined;
  /** Its transitions are being shown. */
  #shown = false;
  /** What a handler last said that it is doing. */
  #became: string | undefined;
  #seen: AnyMachineSnapshot | undefined;
  departing = false;

  constructor(runtime: Runtime, spec: WorkerSpec, place: Place, incarnation: number, parent: Parent) {
    this.#runtime = runtime;
    this.#spec = spec;
    this.#place = place;
    this.#parent = parent;
    this.path = place.path;
    this.incarnation = incarnation;
  }

  /** Its own address, made when first asked for. */
  get ref(): Ref<never> {
    this.#ref ??= this.#runtime.registry.ref<never>(this.path);
    return this.#ref;
  }

  start(): void {
    inTurnOf(this, () => {
      try {
        if (this.#spec.persistence === undefined) this.#begin(undefined);
        else this.#beginStored(this.#spec.persistence);
      } catch (error) {
        this.crash(error);
      }
    });
  }

  receive(message: object): void {
    if (message === shutdownMessage) this.#shutDown(message);
    else if (message !== resumeMessage) {
      if (this.#body?.send(message) === false) this.#runtime.deadLetters.add(this.path, message, 'refused');
    }
    // It may have been suspended again since the order to resume was given.
    else if (!this.#place.suspended) this.#letGo();
  }

  hold(): void {
    if (this.phase === 'running' && this.#body instanceof HostedActor) this.#body.hold();
  }

  /** Saves its state as it is. STOPPED while it starts or has ended, NOT_SUPPORTED without `persistence`. */
  async save(): Promise<Result<void>> {
    if (this.#spec.persistence === undefined)
      return refuse('NOT_SUPPORTED', `${this.path} has no persistence in its spec.`);
    // A turn in which this is asked, such as the actor’s own, comes to its end first.
    await undefined;
    return this.#keeper?.save() ?? refuse('STOPPED', `${this.path} has not started.`);
  }

  crash(error: unknown): void {
    if (this.phase === 'ended') {
      // A throw from what an earlier life left behind: its successor is healthy and must not pay for it.
      this.#runtime.metrics.count('caxton_late_throws_total');
      return;
    }
    this.#end(exitOf(error));
    this.#stopActor();
  }

  kill(exit: Exit = killed): void {
    if (this.phase === 'ended') return;
    this.#end(exit);
    this.#stopActor();
  }

  state(): unknown {
    return this.#body?.stateValue();
  }

  failed(error: unknown): void {
    this.#end(exitOf(error));
  }

  finished(how: 'done' | 'stopped'): void {
    const exit: Exit = { reason: how === 'done' && !this.departing ? 'normal' : 'shutdown' };
    if (this.phase === 'starting' && this.#spec.startedWhen !== undefined) {
      const error = new CaxtonError('SUPERVISION', `${this.path} ended before it had started.`);
      this.#end(this.departing ? exit : { reason: 'crash', error });
      return;
    }
    // One that runs to its end at once has started and then ended, as an OTP process that exits after its `init`.
    if (this.phase === 'starting') this.#started();
    this.#end(exit);
  }

  changed(snapshot: AnyMachineSnapshot): void {
    if (this.phase === 'starting' && this.#spec.startedWhen !== undefined) this.#checkStarted(snapshot);
    const before = this.#seen;
    this.#seen = snapshot;
    if (!this.#shown && before !== undefined && this.#runtime.tap() !== undefined)
      this.#showTransitions(before === snapshot ? undefined : before);
  }

  became(state: string): void {
    const from = this.#became;
    this.#became = state;
    const tap = this.#runtime.tap();
    if (tap === undefined) return;
    show(tap, { type: 'actor.transition', path: this.path, child: [], from, to: state, event: undefined });
  }

  #begin(restore: StoredChart | undefined): void {
    const spec = this.#spec;
    const input: unknown = typeof spec.input === 'function' ? spec.input({ self: this.ref }) : spec.input;
    // Its own code may have ended it, and nobody may live on after that.
    if (this.#over) return;
    const body = this.#makeBody(spec, input, restore);
    this.#body = body;
    if (this.#runtime.tap() !== undefined) this.#showTransitions(undefined);
    if (body instanceof HostedActor && this.#keeper !== undefined) {
      this.#keeper.keep(body);
      body.onMoved(this.#keeper.moved);
    }
    if (this.#over) body.stop();
    else body.start();
    if (this.phase !== 'starting') return;
    if (spec.startedWhen === undefined) this.#started();
    else this.#startTimer ??= this.#inTime();
  }

  get #over(): boolean {
    return this.phase === 'ended';
  }

  /** Asks for what an earlier life has left; until that is here nobody is here to hear anything. */
  #beginStored(persistence: Persistence): void {
    const { shelf, clock } = this.#runtime;
    const keeper = new ChartKeeper(shelf, clock, this.path, persistence);
    this.#keeper = keeper;
    this.#place.keepAll();
    this.#startTimer = this.#inTime();
    const begin = (restored: Result<StoredChart | undefined>): void => {
      if (this.phase === 'ended') return;
      try {
        this.#beginFrom(restored, keeper);
      } catch (error) {
        this.crash(error);
      }
    };
    void keeper.restored().then(begin);
  }

  #beginFrom(restored: Result<StoredChart | undefined>, keeper: ChartKeeper): void {
    if (!restored.ok) throw CaxtonError.from(restored.refusal);
    try {
      this.#begin(restored.value);
    } catch (error) {
      if (!(error instanceof NotRestored)) throw error;
      const anew = keeper.unreadable({ code: 'MALFORMED', reasons: [error.message] });
      if (!anew.ok) throw CaxtonError.from(anew.refusal);
      this.#begin(undefined);
    }
    if (this.phase !== 'ended') this.#place.letIn();
  }

  #inTime(): unknown {
    const { startTimeoutMs: ms = startTimeoutMs } = this.#spec;
    return this.#runtime.clock.setTimeout(() => this.#startTooSlow(), ms);
  }

  #makeBody(spec: WorkerSpec, input: unknown, restore: StoredChart | undefined): HostedActor | HandlerBody {
    if (spec.logic instanceof HandlerLogic) return new HandlerBody(spec.logic, input as never, this);
    const watched = spec.startedWhen !== undefined;
    const id = `${spec.id}#${this.incarnation}`;
    const stored = spec.persistence !== undefined;
    return new HostedActor(spec.logic, { id, input, clock: this.#runtime.clock, watched, stored, restore }, this);
  }

  #showTransitions(before: AnyMachineSnapshot | undefined): void {
    if (!(this.#body instanceof HostedActor)) return;
    this.#shown = true;
    const taken = (transition: ChartTransition): boolean => {
      const tap = this.#runtime.tap();
      if (tap !== undefined) show(tap, { type: 'actor.transition', path: this.path, ...transition });
      this.#shown = tap !== undefined;
      return this.#shown;
    };
    this.#body.onTransition({ taken, before });
  }

  #checkStarted(snapshot: AnyMachineSnapshot): void {
    let started: boolean | undefined;
    try {
      started = this.#spec.startedWhen?.(snapshot);
    } catch (error) {
      this.crash(error);
      return;
    }
    if (started === true) this.#started();
  }

  #started(): void {
    // Whoever was asked whether it has may have ended it.
    if (this.#over) return;
    this.phase = 'running';
    this.#runtime.clock.clearTimeout(this.#startTimer);
    if (this.#place.suspended) this.hold();
    // Before anybody else hears of it and ends it: the end of a life that has not started is no news to its parent.
    this.#parent.childStarted(this);
    const tap = this.#runtime.tap();
    if (tap !== undefined) show(tap, { type: 'actor.started', path: this.path, incarnation: this.incarnation });
  }

  /** The order also lets it go on when it is suspended: it may need its timers to finish. Users’ messages go on waiting. */
  #shutDown(message: object): void {
    this.departing = true;
    if (this.#body === undefined) {
      this.#end({ reason: 'shutdown' });
      return;
    }
    this.#keeper?.shutDown();
    const body = this.#body;
    if (!(body instanceof HostedActor) || namesShutdown(this.#spec.logic as AnyActorLogic)) body.send(message);
    else if (!body.movedBy(message)) {
      this.kill({ reason: 'shutdown' });
      return;
    }
    this.#letGo();
  }

  #letGo(): void {
    if (this.phase !== 'ended' && this.#body instanceof HostedActor) this.#body.letGo();
  }

  /** Clean-up code of the actor runs here, so what it throws later is its own. */
  #stopActor(): void {
    inTurnOf(this, () => this.#body?.stop());
  }

  #startTooSlow(): void {
    const ms = this.#spec.startTimeoutMs ?? startTimeoutMs;
    this.crash(new CaxtonError('SUPERVISION', `${this.path} had not started after ${ms} ms.`));
  }

  /** Only the first end counts: a stop after a crash is no second one. */
  #end(exit: Exit): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.exit = exit;
    this.#runtime.clock.clearTimeout(this.#startTimer);
    this.#keeper?.ended(exit);
    this.#place.vacate(this);
    const { path, incarnation } = this;
    if (exit.reason === 'crash') this.#runtime.metrics.count('caxton_actor_crashes_total');
    const tap = this.#runtime.tap();
    if (tap !== undefined) {
      if (exit.reason === 'crash') show(tap, { type: 'actor.crashed', path, incarnation, error: exit.error });
      else show(tap, { type: 'actor.stopped', path, incarnation, reason: exit.reason, detail: exit.detail });
    }
    this.#parent.childEnded(this, exit);
  }
}
