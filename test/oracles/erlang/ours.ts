import { setup } from 'xstate';
import { ActorExit } from '../../../src/actors/kernel/actor-exit.ts';
import { fromHandler, type HandlerSelf } from '../../../src/actors/kernel/handler.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import type { MetricSample, TapEvent } from '../../../src/actors/kernel/ports.ts';
import type { ChildSpec, SupervisorSpec, WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import type { ManualClock } from '../../../src/testing/manual-clock.ts';
import { TestKernel } from '../../../src/testing/test-kernel.ts';
import { type Case, type Manner, type Reason, type Step, type SupervisorTree, slowMs, type Tree } from './case.ts';

export interface OurRun {
  /** As Erlang’s, one string for each step. */
  readonly trace: readonly string[];
  /** What the kernel counted. */
  readonly metrics: readonly MetricSample[];
}

/** Runs one case on our kernel under virtual time. */
export async function runOurs(one: Case): Promise<OurRun> {
  const run = new Run(one);
  const trace = [await run.step(() => run.begin())];
  for (const step of one.steps) trace.push(run.alive ? await run.step(() => run.take(step)) : 'none');
  trace.push(run.alive ? await run.step(() => run.end()) : 'none');
  return { trace, metrics: run.metrics };
}

/** Timers that one step may take: none of a case is periodic. */
const timersMax = 1_000;

const boom = (reason: Reason): Error => {
  if (reason === 'crash') return new Error('planned');
  return new ActorExit(reason === 'normal' ? 'normal' : 'shutdown', reason === 'late' ? 'late' : undefined);
};

class Run {
  alive = true;
  readonly #case: Case;
  readonly #kit: TestKernel;
  readonly #clock: ManualClock;
  readonly #kernel: Kernel;
  readonly #starts = new Map<string, number>();
  readonly #living = new Set<string>();
  #events: string[] = [];

  constructor(one: Case) {
    this.#case = one;
    this.#kit = new TestKernel({ kernel: { tap: () => this.#hear } });
    this.#clock = this.#kit.clock;
    this.#kernel = this.#kit.kernel;
    void this.#kernel.ended.then(() => {
      this.alive = false;
    });
  }

  get metrics(): readonly MetricSample[] {
    return this.#kit.metrics.read();
  }

  /** Does something and waits until nothing is under way; what it answered, what happened, who is there. */
  async step(work: () => Promise<string>): Promise<string> {
    let result: string | undefined;
    void work().then((answer) => {
      result = answer;
    });
    await this.#settle(() => result !== undefined);
    const events = this.#events;
    this.#events = [];
    return [`result ${result}`, ...events, ...this.#view()].join(',');
  }

  async begin(): Promise<string> {
    try {
      await this.#kernel.start(this.#spec(this.#case.tree, '') as SupervisorSpec);
      return 'ok';
    } catch {
      return 'start-failed';
    }
  }

  async end(): Promise<string> {
    await this.#kernel.stop();
    return 'ok';
  }

  async take(step: Step): Promise<string> {
    const kernel = this.#kernel;
    switch (step.kind) {
      case 'at':
        this.#clock.advance(step.second * 1_000 - this.#clock.monotonic());
        return 'ok';
      case 'fault': {
        const paths = new Set(kernel.tree().map((view) => view.path));
        const living = step.faults.filter(([path]) => paths.has(path));
        for (const [path, reason] of living) {
          if (reason === 'kill') kernel.kill(path);
          else kernel.ref<{ type: string; reason: Reason }>(path).tell({ type: 'fault', reason });
        }
        return String(living.length);
      }
      case 'start':
        return answer(await kernel.startChild(step.path, this.#spec(step.tree, step.path)));
      case 'instance':
        return answer(await kernel.startChild(step.path, { id: step.id }));
      case 'terminate':
      case 'terminate-instance':
        return answer(await kernel.terminateChild(step.path, step.id));
      case 'restart':
        return answer(await kernel.restartChild(step.path, step.id));
      case 'delete':
        return answer(await kernel.deleteChild(step.path, step.id));
      case 'count': {
        const counted = kernel.countChildren(step.path);
        if (!counted.ok) return counted.refusal.answer;
        const { specs, active, supervisors, workers } = counted.value;
        return [specs, active, supervisors, workers].join('/');
      }
    }
  }

  async #settle(done: () => boolean): Promise<void> {
    for (let fired = 0; fired < timersMax; fired += 1) {
      await this.#kit.runUntilQuiet();
      const next = this.#clock.nextInMs;
      if (next !== undefined) this.#clock.advance(next);
      else if (done()) return;
    }
    this.#events.push('never settles');
  }

  #view(path = `/${this.#case.tree.id}`): string[] {
    if (!this.alive) return [];
    const below = this.#kernel.whichChildren(path);
    const views = below.ok ? below.value : [];
    return [
      `view ${path} running`,
      ...views.flatMap((child) => {
        const at = `${path}/${child.id}`;
        if (child.status !== 'running') return [`view ${at} ${child.status}`];
        return child.kind === 'supervisor' ? this.#view(at) : [`view ${at} running`];
      }),
    ];
  }

  readonly #hear = (event: TapEvent): void => {
    if (event.type === 'actor.started') this.#living.add(event.path);
    if (event.type !== 'actor.crashed' && event.type !== 'actor.stopped') return;
    const { path } = event;
    const lived = this.#living.delete(path);
    if (event.type === 'actor.crashed') {
      // A start that failed is in the trace already, and in Erlang it leaves no process that could end.
      if (lived) this.#events.push(`stop ${path} crash`);
      return;
    }
    const { reason, detail } = event;
    if (detail === 'failed-to-start-child') this.#events.push(`stop ${path} ${detail}`);
    else this.#events.push(`stop ${path} ${reason}${detail === undefined ? '' : `:${detail}`}`);
  };

  #spec(tree: Tree, above: string): ChildSpec {
    if (tree.kind === 'supervisor') return this.#supervisor(tree, above);
    const { id, restart, significant, shutdown, manner, chart } = tree;
    const make = chart ? this.#chart : this.#handler;
    return { kind: 'worker', id, restart, significant, shutdown, logic: make.call(this, manner), input };
  }

  #supervisor(tree: SupervisorTree, above: string): SupervisorSpec {
    const { kind, id, restart, significant, strategy, intensity, periodSeconds, autoShutdown, children } = tree;
    const periodMs = periodSeconds * 1_000;
    const below = children.map((child) => this.#spec(child, `${above}/${id}`));
    return { kind, id, restart, significant, strategy, intensity, periodMs, autoShutdown, children: below };
  }

  /** Writes down a start as planned; throws when it is to fail, true when it is to end at once. */
  #start(path: string): boolean {
    const start = (this.#starts.get(path) ?? 0) + 1;
    this.#starts.set(path, start);
    const what = this.#case.plans.find((plan) => plan.path === path && plan.start === start)?.what;
    this.#events.push(`${what === 'fail' ? 'start-failed' : 'start'} ${path}`);
    if (what === 'fail') throw new Error('planned');
    return what === 'exit';
  }

  #handler(manner: Manner): WorkerSpec['logic'] {
    return fromHandler((self: HandlerSelf<{ type: 'fault'; reason: Reason }, string>) => {
      if (this.#start(self.input)) self.finish();
      self.onShutdown(() => {
        if (manner === 'polite') self.finish();
        else if (manner === 'slow') this.#clock.setTimeout(() => self.finish(), slowMs);
        else if (manner !== 'stubborn') throw boom(manner.with);
      });
      return ({ reason }) => {
        if (reason === 'normal') self.finish();
        else throw boom(reason);
      };
    });
  }

  #chart(manner: Manner): WorkerSpec['logic'] {
    const throwing = (reason: Reason) => () => {
      throw boom(reason);
    };
    const told = {
      polite: 'gone',
      slow: 'leaving',
      stubborn: 'deaf',
      with: 'failing',
    }[typeof manner === 'string' ? manner : 'with'];
    return setup({
      types: {
        context: {} as { atOnce: boolean },
        input: {} as string,
        events: {} as { type: 'fault'; reason: Reason } | { type: 'kernel.shutdown' },
      },
    }).createMachine({
      context: ({ input }) => ({ atOnce: this.#start(input) }),
      initial: 'born',
      states: {
        born: { always: [{ guard: ({ context }) => context.atOnce, target: 'gone' }, { target: 'living' }] },
        living: {
          on: {
            fault: [
              { guard: ({ event }) => event.reason === 'normal', target: 'gone' },
              { actions: ({ event }) => throwing(event.reason)() },
            ],
            'kernel.shutdown': told,
          },
        },
        leaving: { after: { [slowMs]: 'gone' } },
        deaf: {},
        failing: { entry: throwing(typeof manner === 'string' ? 'crash' : manner.with) },
        gone: { type: 'final' },
      },
    });
  }
}

/** Its own path: the input of every worker. */
const input = ({ self }: { self: { path: string } }): string => self.path;

const answer = (result: Awaited<ReturnType<Kernel['startChild' | 'deleteChild']>>): string =>
  result.ok ? 'ok' : result.refusal.answer;
