import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { Asks } from './asks.ts';
import { ChartShelf, type SnapshotFault } from './chart-shelf.ts';
import { Child, type Notice } from './child.ts';
import { type ChildRefusal, type ChildRequests, refuseChild } from './child-requests.ts';
import { keptSpec, specRefusal } from './child-spec.ts';
import { DeadLetterOffice, type DeadLetterReport } from './dead-letters.ts';
import { type Defer, nodeLoop } from './event-loop.ts';
import type { Exposed } from './exposure.ts';
import type { ActorView, Kernel } from './kernel.ts';
import type { LifeHook } from './life-hook.ts';
import { LifeLinks } from './life-links.ts';
import { Monitors } from './monitors.ts';
import { ActorNames } from './names.ts';
import { nodeRandom } from './node-random.ts';
import { describe, type Exit } from './occupant.ts';
import type { Clock, Metrics, Random, Tap } from './ports.ts';
import { ProcessGroups } from './process-groups.ts';
import type { Ref } from './ref.ts';
import { Registry } from './registry.ts';
import { RemoteNodes } from './remote-nodes.ts';
import { type Runtime, safely, show } from './runtime.ts';
import { Scheduler, type Turns } from './scheduler.ts';
import { type SlowTurnReport, SlowTurns } from './slow-turns.ts';
import { reportStraysOf } from './stray.ts';
import { find, suspend, view } from './subtree.ts';
import { Supervisor } from './supervisor.ts';
import { Suspensions } from './suspensions.ts';
import type { Transport } from './transport.ts';
import { outsideTurns } from './turn.ts';
import { Worker } from './worker.ts';

export interface KernelOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The jitter of restarts that are put off (`backoff` in a spec); default the operating system’s. */
  readonly random?: Random;
  /** Asked at each turn for the watcher of the moment. */
  readonly tap?: () => Tap | undefined;
  /**
   * Before each attempt to restart an actor. `reason` is how its last life ended (`normal`, `shutdown`, `killed`,
   * `crash`), or `sibling` when it was taken down by the strategy.
   */
  readonly onRestart?: (event: { path: string; reason: string; error: unknown }) => void;
  /** A stray throw that no actor can be charged with; see `chargeStrayThrows`. */
  readonly onStray?: (error: unknown) => void;
  /** How the scheduler puts off its next slice; default `setImmediate`. A simulation brings its own. */
  readonly defer?: Defer;
  /** Who gives the turns; default a scheduler of its own. The testing kit brings one that is told when. */
  readonly scheduler?: Turns;
  /** What is worth a line in the log about lost messages. */
  readonly onDeadLetter?: (report: DeadLetterReport) => void;
  /** A chart’s state that could not be saved, removed or, where the spec says to begin anew then, restored. */
  readonly onSnapshotFault?: (fault: SnapshotFault) => void;
  /** A turn that took `limits.slowTurnMs` or longer; once a minute for each actor. */
  readonly onSlowTurn?: (report: SlowTurnReport) => void;
  /** A child that had not ended when its shutdown time was over, and is killed. */
  readonly onOverrun?: (event: { readonly path: string; readonly ms: number }) => void;
  /** An order to suspend this place was given or taken back. */
  readonly onSuspension?: (path: string) => void;
  /** Turns in a row for a group of actors (`group` in a spec); default 1 for each. A whole number ≥ 1. */
  readonly weightOf?: (group: string) => number;
  /** Carries messages to other nodes’ kernels; without one there are none. */
  readonly transport?: Transport;
  /** Which places another node may reach, and how; default none. */
  readonly exposed?: Exposed;
  /** The testing kit’s fault injection; see `Ports.faults`. */
  readonly faults?: LifeHook;
}

type Ending = Awaited<Kernel['ended']>;

/** Makes a kernel without a tree; `start` gives it one, once. */
export function createKernel(options: KernelOptions): Kernel {
  const kernel = new TreeKernel(options);
  if (options.onStray !== undefined) reportStraysOf(kernel, options.onStray);
  return kernel;
}

/** What is above the root: starts it, stops it, and hears of its end. */
class TreeKernel implements Kernel {
  readonly deadLetters: DeadLetterOffice;
  readonly ended: Promise<Ending>;
  readonly names: ActorNames;
  readonly groups: ProcessGroups;
  readonly #asks: Asks;
  readonly #monitors: Monitors;
  readonly #links: LifeLinks;
  readonly #remote: RemoteNodes | undefined;
  readonly #runtime: Runtime;
  #root: Child | undefined;
  #stopAsked = false;
  #over = false;
  readonly #end: (ending: Ending) => void;

  constructor(options: KernelOptions) {
    const { clock, metrics } = options;
    this.deadLetters = new DeadLetterOffice(clock, metrics, options.onDeadLetter);
    const slow = new SlowTurns(clock, metrics, options.onSlowTurn);
    const loop = options.defer === undefined ? nodeLoop : { later: options.defer };
    const runtime: Runtime = {
      clock,
      metrics,
      random: options.random ?? nodeRandom,
      scheduler: options.scheduler ?? new Scheduler(clock, loop, slow.add),
      registry: new Registry(this.deadLetters, options.weightOf),
      deadLetters: this.deadLetters,
      suspensions: new Suspensions(options.onSuspension),
      shelf: new ChartShelf(clock, metrics, (path) => this.ref(path), options.onSnapshotFault),
      tap: safely(options.tap),
      restarted: (path, reason, error) => {
        metrics.count('caxton_actor_restarts_total');
        const tap = runtime.tap();
        if (tap !== undefined) show(tap, { type: 'actor.restarted', path, reason });
        try {
          options.onRestart?.({ path, reason, error });
        } catch {
          // A listener must not be able to stop a restart.
        }
      },
      overran: (path, ms) => {
        metrics.count('caxton_shutdown_overruns_total');
        try {
          options.onOverrun?.({ path, ms });
        } catch {
          // Nor of a stop.
        }
      },
      bear: (spec, place, incarnation, parent) => {
        const life =
          spec.kind === 'worker'
            ? new Worker(runtime, spec, place, incarnation, parent)
            : new Supervisor(runtime, spec, place, incarnation, parent);
        options.faults?.(life, place);
        return life;
      },
    };
    this.#runtime = runtime;
    const { registry } = runtime;
    const { transport, exposed = () => undefined } = options;
    this.#remote = transport && new RemoteNodes(transport, registry, this.deadLetters, exposed);
    this.#asks = new Asks(clock, runtime.scheduler, this.deadLetters);
    this.#monitors = new Monitors(registry, this.#remote);
    this.#links = new LifeLinks(registry, this.#remote);
    this.names = new ActorNames(registry);
    this.groups = new ProcessGroups(registry);
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#end = resolve;
  }

  async start(spec: Parameters<Kernel['start']>[0]): Promise<void> {
    if (this.#root !== undefined) throw new CaxtonError('ALREADY_EXISTS', 'This kernel has a tree already.');
    if (this.#stopAsked) throw new CaxtonError('STOPPED', 'This kernel was stopped before it was started.');
    const wrong = specRefusal(spec, '');
    if (wrong !== undefined) throw CaxtonError.from(wrong);
    const root = new Child(this.#runtime, keptSpec(spec), '', { notice: (notice) => this.#hear(notice) });
    this.#root = root;
    const failure = await outsideTurns(() => root.start());
    if (failure === undefined) return;
    // One that was killed while it was being started has told nobody.
    if (!this.#over) this.#rootEnded(root, failure);
    if (this.#stopAsked) throw new CaxtonError('STOPPED', 'The kernel was stopped while it was starting.');
    throw new CaxtonError('SUPERVISION', describe(failure), { cause: failure.error });
  }

  ref<M>(path: string): Ref<M> {
    const remote = this.#remote;
    return remote?.ref<M>(path) ?? this.#runtime.registry.ref<M>(remote?.local(path) ?? path);
  }

  ask: Kernel['ask'] = (ref, message, options) => this.#asks.ask(ref, message, options);
  get monitors(): number {
    return this.#monitors.size;
  }

  get remote(): Kernel['remote'] {
    return this.#remote?.held;
  }

  get stopping(): boolean {
    const root = this.#root?.occupant;
    return this.#stopAsked || this.#over || (root instanceof Supervisor && root.closing);
  }

  monitor: Kernel['monitor'] = (target, watcher) => this.#monitors.monitor(target, watcher);
  link: Kernel['link'] = (mine, other) => this.#links.link(mine, other);
  unlink: Kernel['unlink'] = (mine, other) => this.#links.unlink(mine, other);

  startChild: Kernel['startChild'] = async (path, spec) =>
    (await this.#requests(path)?.start(spec)) ?? noSupervisor(path);
  terminateChild: Kernel['terminateChild'] = async (path, id) =>
    (await this.#requests(path)?.terminate(id)) ?? noSupervisor(path);
  restartChild: Kernel['restartChild'] = async (path, id) =>
    (await this.#requests(path)?.restart(id)) ?? noSupervisor(path);
  deleteChild: Kernel['deleteChild'] = async (path, id) =>
    (await this.#requests(path)?.delete(id)) ?? noSupervisor(path);
  whichChildren: Kernel['whichChildren'] = (path) => answer(path, this.#requests(path)?.which());
  countChildren: Kernel['countChildren'] = (path) => answer(path, this.#requests(path)?.count());

  async stopChild(supervisorPath: string, id: string): Promise<void> {
    await this.#requests(supervisorPath)?.remove(id);
  }

  kill(path: string): boolean {
    const occupant = this.#child(path)?.occupant;
    if (occupant === undefined || occupant.phase === 'ended') return false;
    occupant.kill();
    return true;
  }

  suspend(path: string): Result<void> {
    const child = this.#child(path);
    if (child === undefined) return noPlace(path);
    const { suspensions } = this.#runtime;
    if (!suspensions.add(path))
      return refuse('LIMIT_EXCEEDED', `${limits.suspensionsMax} suspensions are in force already.`);
    suspend(child, suspensions);
    return ok(undefined);
  }

  resume(path: string): Result<void> {
    const child = this.#child(path);
    const { suspensions } = this.#runtime;
    const known = suspensions.delete(path);
    if (child === undefined) return known ? ok(undefined) : noPlace(path);
    suspend(child, suspensions);
    return ok(undefined);
  }

  suspensions(): readonly string[] {
    return this.#runtime.suspensions.list();
  }

  async save(path: string): Promise<Result<void>> {
    const occupant = this.#child(path)?.occupant;
    if (occupant === undefined) return refuse('STOPPED', `Nobody lives at ${path}.`);
    if (!(occupant instanceof Worker)) return refuse('NOT_SUPPORTED', `${path} is a supervisor: it has no state.`);
    return occupant.save();
  }

  tree(): readonly ActorView[] {
    const views: ActorView[] = [];
    if (this.#root !== undefined) view(this.#root, views);
    return views;
  }

  beginStop(): void {
    this.#stopAsked = true;
  }

  async stop(): Promise<void> {
    this.beginStop();
    if (this.#root === undefined) this.#end({ reason: 'stopped' });
    else await this.#root.stop();
    await this.ended;
  }

  #requests(path: string): ChildRequests | undefined {
    const occupant = this.#child(path)?.occupant;
    return occupant instanceof Supervisor ? occupant.requests : undefined;
  }

  #child(path: string): Child | undefined {
    return find(this.#root, this.#remote?.local(path) ?? path);
  }

  #hear(notice: Notice): void {
    // Not on the stack where it happened: the root has ended only when its own clean-up has run to its end.
    queueMicrotask(() => {
      if (notice.type === 'kernel.child-started') notice.child.started(notice.occupant);
      else if (notice.type === 'kernel.child-ended') {
        this.#rootEnded(notice.child, notice.exit);
        notice.child.ended(notice.occupant, notice.exit);
      }
    });
  }

  #rootEnded({ place }: Child, exit: Exit): void {
    this.#over = true;
    this.#runtime.registry.remove(place);
    // Whoever waits for the end may close the store then.
    void this.#runtime.shelf.settled().then(() => this.#tellEnd(exit, place.path));
  }

  #tellEnd(exit: Exit, path: string): void {
    if (exit.error !== undefined) this.#end({ reason: 'gave-up', error: exit.error });
    else if (exit.reason === 'killed' && !this.#stopAsked) {
      this.#end({ reason: 'gave-up', error: new CaxtonError('SUPERVISION', `${path} was killed.`) });
    } else this.#end({ reason: 'stopped' });
  }
}

const noSupervisor = (path: string) => refuseChild('no-supervisor', `No supervisor runs at ${path}.`);
const answer = <T>(path: string, value: T | undefined): Result<T, ChildRefusal> =>
  value === undefined ? noSupervisor(path) : ok(value);

const noPlace = (path: string) => refuse('NOT_FOUND', `There is no place ${path}.`);
