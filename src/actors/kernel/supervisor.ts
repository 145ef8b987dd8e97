import { CaxtonError } from '../../errors.ts';
import {
  judgeExit,
  noRestarts,
  type RestartDecision,
  type RestartHistory,
  restartPlan,
} from '../../protocols/restart.ts';
import type { Child, Notice, Owner } from './child.ts';
import { ChildRequests, type House } from './child-requests.ts';
import { Children, forRules } from './children.ts';
import { Jobs } from './jobs.ts';
import { describe, type Exit, killed, type Occupant, type Parent, shutdownMessage } from './occupant.ts';
import type { Place } from './place.ts';
import type { Message, Ref } from './ref.ts';
import { type Runtime, show } from './runtime.ts';
import type { SupervisorSpec } from './spec.ts';

/** OTP’s defaults: more than one restart in five seconds and the supervisor gives up. */
const defaultIntensity = 1;
const defaultPeriodMs = 5_000;

/**
 * One life of a supervisor. Events reach it through its inbox, one at a time; what takes time (a start, an orderly
 * stop) is a job. Jobs run one after the other: under one-for-all and rest-for-one all of them, otherwise those of the
 * same child, so that one slow start doesn’t keep the siblings from being restarted. An order to shut down overtakes
 * every job.
 */
export class Supervisor implements Occupant, Owner, House {
  readonly path: string;
  readonly incarnation: number;
  readonly spec: SupervisorSpec;
  /** In start order, whether they live or not. */
  readonly children: Children;
  /** What others may ask of its children. */
  readonly requests: ChildRequests;
  phase: 'starting' | 'running' | 'ended' = 'starting';
  exit: Exit | undefined;
  closing = false;
  readonly #runtime: Runtime;
  readonly #place: Place;
  readonly #parent: Parent;
  #history: RestartHistory = noRestarts;
  #booted: Promise<void> = Promise.resolve();
  readonly #jobs: Jobs;

  constructor(runtime: Runtime, spec: SupervisorSpec, place: Place, incarnation: number, parent: Parent) {
    this.#runtime = runtime;
    this.spec = spec;
    this.#place = place;
    this.#parent = parent;
    this.path = place.path;
    this.incarnation = incarnation;
    this.children = new Children(runtime, place.path, this);
    this.requests = new ChildRequests(this);
    this.#jobs = new Jobs(
      () => this.#booted,
      (error) => this.crash(error),
    );
  }

  start(): void {
    // All places first: what a child tells a sibling to its right waits there until that one has started.
    if (!this.#simple) for (const spec of this.spec.children) this.children.adopt(spec);
    // Before the first child runs: what it asks of this supervisor waits until all have started.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#booted = promise;
    void this.#boot()
      .catch((error: unknown) => this.crash(error))
      .then(resolve);
  }

  receive(message: object): void {
    if (message === shutdownMessage) {
      void this.#close({ reason: 'shutdown' });
      return;
    }
    const notice = message as Notice;
    const { child } = notice;
    if (notice.type === 'kernel.child-started') child.started(notice.occupant);
    else if (notice.type === 'kernel.start-failed') this.#whenDue(child, (exit) => this.#judge(child, exit, true));
    else if (notice.type === 'kernel.restart-due') this.#whenDue(child, (exit) => this.#restart(child, exit));
    else if (child.ended(notice.occupant, notice.exit)) this.#judgeEnd(child, notice.exit);
  }

  notice(notice: Notice): void {
    this.#place.put(notice, 'supervision');
  }

  ref(child: Child): Ref<Message> {
    return this.#runtime.registry.ref<Message>(child.place.path);
  }

  /** A job that throws is our own bug, and crashes this supervisor. */
  job<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#jobs.run(this.#alone ? id : '', work);
  }

  crash(error: unknown): void {
    this.#cut({ reason: 'crash', error });
  }

  kill(exit: Exit = killed): void {
    this.#cut(exit);
  }

  state(): unknown {
    return this.closing ? 'stopping' : this.phase;
  }

  get #simple(): boolean {
    return this.spec.strategy === 'simple-one-for-one';
  }

  /** Its children are restarted each for itself. There may be 100,000 of them, so nothing then looks at them all. */
  get #alone(): boolean {
    return this.#simple || this.spec.strategy === 'one-for-one';
  }

  async #boot(): Promise<void> {
    for (const child of [...this.children]) {
      const failure = await child.start();
      if (this.closing) return;
      if (failure === undefined) continue;
      const reason = `${child.place.path} could not start: ${describe(failure)}`;
      const error = new CaxtonError('SUPERVISION', reason, { cause: failure.error });
      await this.#close({ reason: 'shutdown', detail: 'failed-to-start-child', error });
      return;
    }
    this.phase = 'running';
    this.#parent.childStarted(this);
    const tap = this.#runtime.tap();
    if (tap !== undefined) show(tap, { type: 'actor.started', path: this.path, incarnation: this.incarnation });
    if (!this.closing) this.spec.onStarted?.(this.incarnation);
  }

  #judgeEnd(child: Child, exit: Exit): void {
    const life = child.incarnation;
    // Judged when its turn comes: by then the child may have been stopped, forgotten or restarted with a sibling; and
    // the news may be of a child of an earlier life of this supervisor.
    void this.job(child.id, async () => {
      if (this.closing || !this.children.has(child) || !child.takeEnd(life)) return;
      await this.#judge(child, exit, false);
    });
  }

  /** Goes on with a restart that failed or was put off, unless somebody has called it off. */
  #whenDue(child: Child, work: (exit: Exit) => Promise<void>): void {
    const life = child.incarnation;
    void this.job(child.id, async () => {
      const due = child.restarting && child.incarnation === life;
      if (!this.closing && this.children.has(child) && due) await work(child.exit ?? killed);
    });
  }

  async #judge(child: Child, exit: Exit, failedRestart: boolean): Promise<void> {
    const { intensity = defaultIntensity, periodMs = defaultPeriodMs, strategy, autoShutdown, backoff } = this.spec;
    const judged = judgeExit({
      history: this.#history,
      now: this.#runtime.clock.monotonic(),
      policy: { strategy, intensity, periodMs, autoShutdown, backoff },
      child: forRules(child),
      reason: failedRestart ? 'failed-restart' : exit.reason,
      othersSignificant: autoShutdown === 'all-significant' && this.children.othersSignificant(child),
      random: backoff === undefined ? 0 : this.#runtime.random.uint32(),
    });
    this.#history = judged.history;
    await this.#carryOut(judged.decision, child, exit);
  }

  async #carryOut(decision: RestartDecision, child: Child, exit: Exit): Promise<void> {
    switch (decision.kind) {
      case 'forget':
        this.children.forget(child);
        return;
      case 'leave':
        child.leave();
        return;
      case 'auto-shutdown':
        this.#runtime.metrics.count('caxton_supervisors_auto_shutdown_total');
        await this.#close({ reason: 'shutdown' });
        return;
      case 'give-up': {
        this.#runtime.metrics.count('caxton_supervisors_gave_up_total');
        const reason = `${this.path} gave up: too many restarts, the last of ${child.id}: ${describe(exit)}`;
        await this.#close({ reason: 'shutdown', error: new CaxtonError('SUPERVISION', reason, { cause: exit.error }) });
        return;
      }
      case 'restart':
        if (decision.delayMs === 0) await this.#restart(child, exit);
        else await this.#restartLater(child, exit, decision.delayMs);
    }
  }

  /** Stops and forgets whoever goes down with a child. The ids to start: none when this supervisor stops meanwhile. */
  async #takeDown(culprit: Child): Promise<readonly string[]> {
    const plan = restartPlan(this.spec.strategy, culprit.id, this.children.forRules());
    for (const id of plan.stop) {
      await this.children.get(id)?.stop();
      if (this.closing) return [];
    }
    for (const id of plan.forget) {
      const child = this.children.get(id);
      if (child !== undefined) this.children.forget(child);
    }
    return plan.start;
  }

  async #restart(culprit: Child, exit: Exit): Promise<void> {
    // One child alone is started on this stack: a job of a sibling that ends this supervisor must find it.
    const ids = this.#alone ? [culprit.id] : await this.#takeDown(culprit);
    for (const id of ids) {
      const child = this.children.get(id);
      if (child === undefined || this.closing) continue;
      if (child === culprit) this.#runtime.restarted(child.place.path, exit.reason, exit.error);
      else this.#runtime.restarted(child.place.path, 'sibling', undefined);
      // Whoever is told of it may end this supervisor.
      if (this.closing) return;
      const started = child.start();
      const failure = started instanceof Promise ? await started : started;
      if (this.closing) return;
      if (failure === undefined) continue;
      child.awaitRestart(failure, 0);
      // Through the inbox, so that whatever came before, such as an order to shut down, is heard first.
      this.notice({ type: 'kernel.start-failed', child });
      return;
    }
  }

  async #restartLater(culprit: Child, exit: Exit, delayMs: number): Promise<void> {
    if (!this.#alone) await this.#takeDown(culprit);
    if (!this.closing) culprit.awaitRestart(exit, delayMs);
  }

  /** Stops the children right to left, or strangers all at once, then ends. The first reason stands. */
  async #close(exit: Exit): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    if (this.#simple || this.spec.stopTogether === true)
      await Promise.all(this.children.reversed().map((child) => child.stop()));
    else for (const child of this.children.reversed()) await child.stop();
    this.#end(exit);
  }

  /** Ends at once, children included. */
  #cut(exit: Exit): void {
    if (this.phase === 'ended') return;
    this.closing = true;
    for (const child of this.children.reversed()) child.kill();
    this.#end(exit);
  }

  #end(exit: Exit): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.exit = exit;
    for (const child of this.children) child.abandon();
    this.#place.vacate(this);
    const tap = this.#runtime.tap();
    const { path, incarnation } = this;
    if (tap !== undefined && exit.reason === 'crash')
      show(tap, { type: 'actor.crashed', path, incarnation, error: exit.error });
    else if (tap !== undefined)
      show(tap, { type: 'actor.stopped', path, incarnation, reason: exit.reason, detail: exit.detail });
    this.#parent.childEnded(this, exit);
  }
}
