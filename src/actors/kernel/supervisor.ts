import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { judgeExit, noRestarts, type RestartDecision, type RestartHistory } from '../../protocols/restart.ts';
import { Child, type Notice, type Owner } from './child.ts';
import { specRefusal } from './child-spec.ts';
import { type Exit, type Occupant, type Parent, shutdownMessage } from './occupant.ts';
import type { Place } from './place.ts';
import type { Message, Ref } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { ChildSpec, SupervisorSpec } from './spec.ts';

/** OTP’s defaults: more than one restart in five seconds and the supervisor gives up. */
const defaultIntensity = 1;
const defaultPeriodMs = 5_000;

/**
 * One life of a supervisor. Its children live in a `Map`, because XState’s own `spawnChild` copies them all at each
 * change. Events reach it through its inbox, one at a time; what takes time (a start, an orderly stop) is a job.
 * Jobs run one after the other: under rest-for-one all of them, under one-for-one those of the same child, so that
 * one slow start doesn’t keep the siblings from being restarted. An order to shut down overtakes every job.
 */
export class Supervisor implements Occupant, Owner {
  readonly path: string;
  readonly incarnation: number;
  phase: 'starting' | 'running' | 'ended' = 'starting';
  exit: Exit | undefined;
  readonly #runtime: Runtime;
  readonly #place: Place;
  readonly #spec: SupervisorSpec;
  readonly #parent: Parent;
  readonly #children = new Map<string, Child>();
  #history: RestartHistory = noRestarts;
  #closing = false;
  #booted: Promise<void> = Promise.resolve();
  readonly #jobs = new Map<string, Promise<void>>();

  constructor(runtime: Runtime, spec: SupervisorSpec, place: Place, incarnation: number, parent: Parent) {
    this.#runtime = runtime;
    this.#spec = spec;
    this.#place = place;
    this.#parent = parent;
    this.path = place.path;
    this.incarnation = incarnation;
  }

  /** Children in start order. */
  get children(): Iterable<Child> {
    return this.#children.values();
  }

  /** The child of this id, whether it runs or not. */
  child(id: string): Child | undefined {
    return this.#children.get(id);
  }

  start(): void {
    // All places first: what a child tells a sibling to its right waits there until that one has started.
    for (const spec of this.#spec.children) this.#adopt(spec);
    this.#booted = this.#boot().catch((error: unknown) => this.crash(error));
  }

  receive(message: object): void {
    if (message === shutdownMessage) {
      void this.#close({ reason: 'shutdown' });
      return;
    }
    const notice = message as Notice;
    if (notice.type === 'kernel.child-started') notice.child.started(notice.occupant);
    else if (notice.type === 'kernel.start-failed') this.#judge(notice.child, notice.exit);
    else if (notice.child.ended(notice.occupant, notice.exit)) this.#judge(notice.child, notice.exit);
  }

  notice(notice: Notice): void {
    this.#place.put(notice, 'supervision');
  }

  /** Adds a child and starts it. ALREADY_EXISTS, STOPPED, LIMIT_EXCEEDED, SUPERVISION (a wrong spec, a failed start). */
  add(spec: ChildSpec): Promise<Result<Ref>> {
    const wrong = specRefusal(spec, this.path);
    if (wrong !== undefined) return Promise.resolve({ ok: false, refusal: wrong });
    return this.#job(spec.id, async () => {
      if (this.#closing) return refuse('STOPPED', `${this.path} is stopping.`);
      const known = this.#children.get(spec.id);
      if (known !== undefined && !known.left) return refuse('ALREADY_EXISTS', `${known.place.path} exists already.`);
      if (known !== undefined) this.#forget(known);
      if (this.#children.size >= limits.childrenMax) {
        return refuse('LIMIT_EXCEEDED', `${this.path} has ${limits.childrenMax} children already.`);
      }
      const child = this.#adopt(spec);
      const failure = await child.start();
      if (this.#closing) return refuse('STOPPED', `${this.path} is stopping.`);
      if (failure === undefined) return ok(this.#runtime.registry.ref<Message>(child.place.path));
      this.#forget(child);
      return refuse('SUPERVISION', `${child.place.path} could not start: ${describe(failure)}`);
    });
  }

  /** Stops a child in order and forgets its spec. */
  remove(id: string): Promise<void> {
    return this.#job(id, async () => {
      const child = this.#children.get(id);
      if (child === undefined) return;
      await child.stop();
      if (this.#children.get(id) === child) this.#forget(child);
    });
  }

  crash(error: unknown): void {
    this.#cut({ reason: 'crash', error });
  }

  kill(): void {
    this.#cut({ reason: 'shutdown' });
  }

  state(): unknown {
    return this.#closing ? 'stopping' : this.phase;
  }

  async #boot(): Promise<void> {
    for (const child of [...this.#children.values()]) {
      const failure = await child.start();
      if (this.#closing) return;
      if (failure === undefined) continue;
      const reason = `${child.place.path} could not start: ${describe(failure)}`;
      await this.#close({ reason: 'crash', error: new CaxtonError('SUPERVISION', reason, { cause: failure.error }) });
      return;
    }
    this.phase = 'running';
    const tap = this.#runtime.tap();
    if (tap !== undefined) show(tap, { type: 'actor.started', path: this.path, incarnation: this.incarnation });
    this.#parent.childStarted(this);
  }

  #judge(child: Child, exit: Exit): void {
    // Judged when its turn comes: by then the child may have been stopped, forgotten or restarted with a sibling; and
    // the news may be of a child of an earlier life of this supervisor.
    void this.#job(child.id, async () => {
      if (this.#closing || this.#children.get(child.id) !== child || child.exit !== exit) return;
      const { intensity = defaultIntensity, periodMs = defaultPeriodMs, strategy } = this.#spec;
      const judged = judgeExit({
        history: this.#history,
        now: this.#runtime.clock.monotonic(),
        policy: { strategy, intensity, periodMs },
        id: child.id,
        reason: exit.reason,
        // One child alone is all that one-for-one looks at, and there may be 100,000 of them.
        children: (strategy === 'one-for-one' ? [child] : [...this.#children.values()]).map(({ id, spec }) => ({
          id,
          restart: spec.restart ?? 'permanent',
        })),
      });
      this.#history = judged.history;
      await this.#carryOut(judged.decision, child, exit);
    });
  }

  async #carryOut(decision: RestartDecision, child: Child, exit: Exit): Promise<void> {
    if (decision.kind === 'forget') this.#forget(child);
    else if (decision.kind === 'leave') {
      child.left = true;
      child.place.close();
    } else if (decision.kind === 'give-up') {
      this.#runtime.metrics.count('caxton_supervisors_gave_up_total');
      const reason = `${this.path} gave up: too many restarts, the last of ${child.id}: ${describe(exit)}`;
      await this.#close({ reason: 'shutdown', error: new CaxtonError('SUPERVISION', reason, { cause: exit.error }) });
    } else await this.#restart(decision, child, exit);
  }

  async #restart(decision: RestartDecision & { kind: 'restart' }, culprit: Child, exit: Exit): Promise<void> {
    for (const id of decision.stop) {
      await this.#children.get(id)?.stop();
      if (this.#closing) return;
    }
    for (const id of decision.forget) {
      const child = this.#children.get(id);
      if (child !== undefined) this.#forget(child);
    }
    for (const id of decision.start) {
      const child = this.#children.get(id);
      if (child === undefined) continue;
      if (child === culprit) this.#runtime.restarted(child.place.path, exit.reason, exit.error);
      else this.#runtime.restarted(child.place.path, 'sibling', undefined);
      const failure = await child.start();
      if (this.#closing) return;
      if (failure === undefined) continue;
      // Through the inbox, so that an order to shut down is heard between two attempts.
      this.notice({ type: 'kernel.start-failed', child, exit: failure });
      return;
    }
  }

  /** Stops the children right to left, then ends. The first reason stands. */
  async #close(exit: Exit): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    for (const child of [...this.#children.values()].reverse()) await child.stop();
    this.#end(exit);
  }

  /** Ends at once, children included. */
  #cut(exit: Exit): void {
    if (this.phase === 'ended') return;
    this.#closing = true;
    for (const child of [...this.#children.values()].reverse()) child.kill();
    this.#end(exit);
  }

  #end(exit: Exit): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.exit = exit;
    for (const child of this.#children.values()) child.abandon();
    this.#place.vacate(this);
    const tap = this.#runtime.tap();
    const { path, incarnation } = this;
    if (tap !== undefined && exit.reason === 'crash')
      show(tap, { type: 'actor.crashed', path, incarnation, error: exit.error });
    else if (tap !== undefined) show(tap, { type: 'actor.stopped', path, incarnation, reason: exit.reason });
    this.#parent.childEnded(this, exit);
  }

  #adopt(spec: ChildSpec): Child {
    const child = new Child(this.#runtime, spec, this.path, this);
    this.#children.set(spec.id, child);
    return child;
  }

  #forget(child: Child): void {
    this.#children.delete(child.id);
    this.#runtime.registry.remove(child.place);
  }

  /** Runs a job after those before it; see the class comment for which those are. A job that throws is our own bug. */
  #job<T>(id: string, work: () => Promise<T>): Promise<T> {
    const key = this.#spec.strategy === 'one-for-one' ? id : '';
    const result = (this.#jobs.get(key) ?? this.#booted).then(work);
    const settled = result.then(
      () => undefined,
      (error: unknown) => this.crash(error),
    );
    this.#jobs.set(key, settled);
    void settled.then(() => {
      if (this.#jobs.get(key) === settled) this.#jobs.delete(key);
    });
    return result;
  }
}

/** The reason of an end as a sentence without a stack. */
export function describe(exit: Exit): string {
  if (exit.error instanceof Error) return exit.error.message;
  return exit.error === undefined ? `it ended (${exit.reason}).` : String(exit.error);
}
