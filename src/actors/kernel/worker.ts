import type { AnyMachineSnapshot } from 'xstate';
import { CaxtonError } from '../../errors.ts';
import { exitOf } from './actor-exit.ts';
import { HandlerBody, type HandlerHost, HandlerLogic } from './handler.ts';
import { type Exit, killed, type Occupant, type Parent, shutdownMessage } from './occupant.ts';
import type { Place } from './place.ts';
import type { Ref } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { WorkerSpec } from './spec.ts';
import { inTurnOf } from './turn.ts';
import { type Host, HostedActor } from './xstate-bridge.ts';

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
  #shownState: unknown;
  #toldToStop = false;

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
        this.#begin();
      } catch (error) {
        this.crash(error);
      }
    });
  }

  receive(message: object): void {
    if (message === shutdownMessage) this.#toldToStop = true;
    this.#body?.send(message);
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
    const exit: Exit = { reason: how === 'done' && !this.#toldToStop ? 'normal' : 'shutdown' };
    if (this.phase === 'starting' && this.#spec.startedWhen !== undefined) {
      const error = new CaxtonError('SUPERVISION', `${this.path} ended before it had started.`);
      this.#end(this.#toldToStop ? exit : { reason: 'crash', error });
      return;
    }
    // One that runs to its end at once has started and then ended, as an OTP process that exits after its `init`.
    if (this.phase === 'starting') this.#started();
    this.#end(exit);
  }

  changed(snapshot: AnyMachineSnapshot): void {
    if (this.phase === 'starting' && this.#spec.startedWhen !== undefined) this.#checkStarted(snapshot);
    const tap = this.#runtime.tap();
    if (tap === undefined || snapshot.value === undefined || snapshot.value === this.#shownState) return;
    this.#shownState = snapshot.value;
    show(tap, { type: 'actor.transition', path: this.path, state: snapshot.value });
  }

  became(state: string): void {
    const tap = this.#runtime.tap();
    if (tap !== undefined) show(tap, { type: 'actor.transition', path: this.path, state });
  }

  #begin(): void {
    const spec = this.#spec;
    const input: unknown = typeof spec.input === 'function' ? spec.input({ self: this.ref }) : spec.input;
    const body = this.#makeBody(spec, input);
    this.#body = body;
    body.start();
    if (this.phase !== 'starting') return;
    if (spec.startedWhen === undefined) this.#started();
    else
      this.#startTimer = this.#runtime.clock.setTimeout(
        () => this.#startTooSlow(),
        spec.startTimeoutMs ?? startTimeoutMs,
      );
  }

  #makeBody(spec: WorkerSpec, input: unknown): HostedActor | HandlerBody {
    if (spec.logic instanceof HandlerLogic) return new HandlerBody(spec.logic, input as never, this);
    const watched = spec.startedWhen !== undefined;
    const id = `${spec.id}#${this.incarnation}`;
    return new HostedActor(spec.logic, { id, input, clock: this.#runtime.clock, watched }, this);
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
    this.phase = 'running';
    this.#runtime.clock.clearTimeout(this.#startTimer);
    const tap = this.#runtime.tap();
    if (tap !== undefined) show(tap, { type: 'actor.started', path: this.path, incarnation: this.incarnation });
    this.#parent.childStarted(this);
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
