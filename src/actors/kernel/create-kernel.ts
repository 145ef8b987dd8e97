import { CaxtonError, refuse } from '../../errors.ts';
import { Child, type Notice } from './child.ts';
import { specRefusal } from './child-spec.ts';
import { DeadLetterOffice } from './dead-letters.ts';
import type { ActorView, Kernel } from './kernel.ts';
import type { Occupant } from './occupant.ts';
import type { Clock, Metrics, Tap } from './ports.ts';
import { Registry } from './registry.ts';
import type { Runtime } from './runtime.ts';
import { type Defer, Scheduler } from './scheduler.ts';
import type { ChildSpec } from './spec.ts';
import { reportStraysOf } from './stray.ts';
import { describe, Supervisor } from './supervisor.ts';
import { outsideTurns } from './turn.ts';
import { Worker } from './worker.ts';

export interface KernelOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Asked at each turn for the watcher of the moment. */
  readonly tap?: () => Tap | undefined;
  /**
   * Before each attempt to restart an actor. `reason` is how its last life ended (`normal`, `shutdown`, `crash`), or
   * `sibling` when it was taken down by the strategy.
   */
  readonly onRestart?: (event: { path: string; reason: string; error: unknown }) => void;
  /** A stray throw that no actor can be charged with; see `chargeStrayThrows`. */
  readonly onStray?: (error: unknown) => void;
  /** How the scheduler puts off its next slice; default `setImmediate`. A simulation brings its own. */
  readonly defer?: Defer;
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
  readonly #runtime: Runtime;
  #root: Child | undefined;
  #stopAsked = false;
  readonly #end: (ending: Ending) => void;

  constructor(options: KernelOptions) {
    const { clock, metrics } = options;
    this.deadLetters = new DeadLetterOffice(clock, metrics);
    const defer = options.defer ?? ((slice) => setImmediate(slice));
    const runtime: Runtime = {
      clock,
      metrics,
      // The scheduler belongs to no actor, even when an actor’s message wakes it.
      scheduler: new Scheduler(clock, (slice) => outsideTurns(() => defer(slice))),
      registry: new Registry(this.deadLetters),
      deadLetters: this.deadLetters,
      tap: options.tap ?? (() => undefined),
      restarted: (path, reason, error) => {
        metrics.count('caxton_actor_restarts_total');
        try {
          options.onRestart?.({ path, reason, error });
        } catch {
          // A listener must not be able to stop a restart.
        }
      },
      bear: (spec, place, incarnation, parent) =>
        spec.kind === 'worker'
          ? new Worker(runtime, spec, place, incarnation, parent)
          : new Supervisor(runtime, spec, place, incarnation, parent),
    };
    this.#runtime = runtime;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#end = resolve;
  }

  async start(spec: Parameters<Kernel['start']>[0]): Promise<void> {
    if (this.#root !== undefined) throw new CaxtonError('ALREADY_EXISTS', 'This kernel has a tree already.');
    if (this.#stopAsked) throw new CaxtonError('STOPPED', 'This kernel was stopped before it was started.');
    const wrong = specRefusal(spec, '');
    if (wrong !== undefined) throw CaxtonError.from(wrong);
    const root = new Child(this.#runtime, spec, '', { notice: (notice) => this.#hear(notice) });
    this.#root = root;
    const failure = await outsideTurns(() => root.start());
    if (failure === undefined) return;
    if (this.#stopAsked) throw new CaxtonError('STOPPED', 'The kernel was stopped while it was starting.');
    throw new CaxtonError('SUPERVISION', describe(failure), { cause: failure.error });
  }

  ref: Kernel['ref'] = (path) => this.#runtime.registry.ref(path);

  async startChild(supervisorPath: string, spec: ChildSpec): ReturnType<Kernel['startChild']> {
    const supervisor = this.#supervisor(supervisorPath);
    if (supervisor === undefined) return refuse('STOPPED', `No supervisor runs at ${supervisorPath}.`);
    return await supervisor.add(spec);
  }

  async stopChild(supervisorPath: string, id: string): Promise<void> {
    await this.#supervisor(supervisorPath)?.remove(id);
  }

  tree(): readonly ActorView[] {
    const views: ActorView[] = [];
    if (this.#root !== undefined) view(this.#root, views);
    return views;
  }

  async stop(): Promise<void> {
    this.#stopAsked = true;
    if (this.#root === undefined) this.#end({ reason: 'stopped' });
    else await this.#root.stop();
    await this.ended;
  }

  #supervisor(path: string): Supervisor | undefined {
    // Walks the tree rather than asking the registry, which knows places and not who lives there.
    const [, first, ...ids] = path.split('/');
    let child = this.#root?.id === first ? this.#root : undefined;
    for (const id of ids) child = child?.occupant instanceof Supervisor ? child.occupant.child(id) : undefined;
    return child?.occupant instanceof Supervisor ? child.occupant : undefined;
  }

  #hear(notice: Notice): void {
    // Not on the stack where it happened: the root has ended only when its own clean-up has run to its end.
    queueMicrotask(() => {
      if (notice.type === 'kernel.child-started') notice.child.started(notice.occupant);
      else if (notice.type === 'kernel.child-ended') this.#rootEnded(notice.child, notice.occupant);
    });
  }

  #rootEnded(root: Child, occupant: Occupant): void {
    const exit = occupant.exit ?? { reason: 'crash' };
    root.ended(occupant, exit);
    this.#runtime.registry.remove(root.place);
    if (exit.error === undefined) this.#end({ reason: 'stopped' });
    else this.#end({ reason: 'gave-up', error: exit.error });
  }
}

function view(child: Child, into: ActorView[]): void {
  const { occupant, place, incarnation } = child;
  if (occupant === undefined) return;
  into.push({
    path: place.path,
    kind: place.kind,
    incarnation,
    restarts: incarnation - 1,
    waiting: place.inbox.waiting,
    state: occupant.state(),
  });
  if (occupant instanceof Supervisor) for (const below of occupant.children) view(below, into);
}
