import { createKernel, type KernelOptions } from '../actors/kernel/create-kernel.ts';
import type { Kernel } from '../actors/kernel/kernel.ts';
import { createMetrics } from '../actors/kernel/metrics-registry.ts';
import { nodeClock } from '../actors/kernel/node-clock.ts';
import type { Metrics, TapEvent } from '../actors/kernel/ports.ts';
import type { Message, Ref } from '../actors/kernel/ref.ts';
import type { ChildSpec, SupervisorSpec } from '../actors/kernel/spec.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import { limits } from '../limits.ts';
import { ManualClock, settle } from './manual-clock.ts';
import { ManualScheduler } from './manual-scheduler.ts';
import { type Pace, realPace, virtualPace } from './pace.ts';
import { drawChance, seededRandom } from './seeded-random.ts';
import { TestProbe } from './test-probe.ts';

export interface TestKernelOptions {
  /**
   * `virtual` (default): turns and time only when the test says so. `real`: the scheduler and the clock of a node.
   */
  readonly time?: 'virtual' | 'real';
  /** In virtual time: who of those that are ready is next is drawn from it. Absent: whoever has waited longest. */
  readonly seed?: number;
  /** Other settings of the kernel. */
  readonly kernel?: Partial<Omit<KernelOptions, 'clock' | 'scheduler' | 'defer'>>;
}

/** Rounds of the event loop without a turn after which nothing is under way any more. */
const quietRounds = 3;
/** Turns after which actors that are still busy are taken to be busy for ever. */
const turnsMax = 200_000;
/** Events kept; past it the oldest go. */
const eventsMax = 100_000;
const defaultWithinMs = 60_000;

/** Starts a kernel for tests, with an empty tree. Stop it at the end of the test. */
export async function createTestKernel(options: TestKernelOptions = {}): Promise<TestKernel> {
  const kit = new TestKernel(options);
  const probes: SupervisorSpec = { kind: 'supervisor', id: 'probes', strategy: 'one-for-one', children: [] };
  const root = { kind: 'supervisor', id: 'test', strategy: 'one-for-one', children: [probes] } as const;
  await kit.settled(kit.kernel.start({ ...root, intensity: limits.restartsRememberedMax }));
  return kit;
}

/**
 * A kernel under test: `createTestKernel`. In virtual time nothing happens by itself: `step` gives one turn,
 * `runUntilQuiet` all there are, `advance` lets time pass, and the expectations of probes let happen what they wait for.
 * Between turns promises may run, as they would between those of a node. Input and output of the real world take real
 * time: use `time: 'real'` for actors that do it.
 */
export class TestKernel {
  readonly kernel: Kernel;
  readonly metrics: Metrics = createMetrics();
  /** Throws that no actor can be charged with, if something charges them; see `chargeStrayThrows`. */
  readonly strays: unknown[] = [];
  readonly #clock: ManualClock | undefined;
  readonly #turns: ManualScheduler | undefined;
  readonly #pace: Pace;
  readonly #events: TapEvent[] = [];
  readonly #coin: (() => boolean) | undefined;
  #probes = 0;

  /** Use `createTestKernel`. */
  constructor({ time = 'virtual', seed, kernel = {} }: TestKernelOptions) {
    if (time === 'virtual') {
      const clock = new ManualClock();
      const random = seed === undefined ? undefined : seededRandom(seed);
      this.#clock = clock;
      this.#turns = new ManualScheduler(() => clock.monotonic(), random);
      this.#coin = random && (() => drawChance(random, 0.5));
      this.#pace = virtualPace(clock, (done) => this.#run(done));
    } else this.#pace = realPace;
    const { tap } = kernel;
    const hear = (event: TapEvent): void => {
      this.#events.push(event);
      if (this.#events.length > eventsMax) this.#events.splice(0, eventsMax / 10);
      tap?.()?.(event);
    };
    this.kernel = createKernel({
      metrics: this.metrics,
      random: seededRandom(seed ?? 1),
      onStray: (error) => this.strays.push(error),
      ...kernel,
      clock: this.#clock ?? nodeClock,
      ...(this.#turns ? { scheduler: this.#turns } : {}),
      tap: () => hear,
    });
  }

  /** Moves only when told to. NOT_SUPPORTED in real time. */
  get clock(): ManualClock {
    return this.#clock ?? inVirtualTimeOnly();
  }

  /** Who is ready, and turns for one at a time. NOT_SUPPORTED in real time. */
  get turns(): ManualScheduler {
    return this.#turns ?? inVirtualTimeOnly();
  }

  /** How its probes wait: for a `TestProbe` that is started elsewhere in the tree. */
  get pace(): Pace {
    return this.#pace;
  }

  /** What all actors did, as a tap sees it; the newest 100,000. */
  get events(): readonly TapEvent[] {
    return this.#events;
  }

  /** Starts a worker or a whole tree at `/test/<id>`. Throws what it is refused with. */
  async spawn<M = Message>(spec: ChildSpec): Promise<Ref<M>> {
    unwrap(await this.settled(this.kernel.startChild('/test', spec)));
    return this.ref<M>(`/test/${spec.id}`);
  }

  ref<M = Message>(path: string): Ref<M> {
    return this.kernel.ref<M>(path);
  }

  /** Starts a probe at `/test/probes/<id>`. */
  async probe<M extends object = Message>(id = `probe-${++this.#probes}`): Promise<TestProbe<M>> {
    return await this.settled(TestProbe.start<M>(this.kernel, { under: '/test/probes', id, pace: this.#pace }));
  }

  /** Gives one turn, to whoever is next or lives at `path`; lets promises run after it. False: nobody was ready. */
  async step(path?: string): Promise<boolean> {
    const stepped = this.turns.step(path);
    await settle(1);
    return stepped;
  }

  /** Gives turns until nobody is ready and no promise is left. Time stands still. Throws when it never ends. */
  async runUntilQuiet(): Promise<void> {
    if (this.#turns === undefined) inVirtualTimeOnly();
    await this.#run(() => false);
  }

  /** Lets virtual time pass, as Akka’s `timePasses`: timers fire one by one, and all is quiet before the next. */
  async advance(ms: number): Promise<void> {
    if (this.#turns === undefined) inVirtualTimeOnly();
    await this.#pace.until(() => false, ms);
  }

  /** Lets turns, and time up to `withinMs`, pass until the condition holds. TIMED_OUT, with `what`. */
  async until(what: string, condition: () => boolean, withinMs: number = defaultWithinMs): Promise<void> {
    if (await this.#pace.until(condition, withinMs)) return;
    throw new CaxtonError('TIMED_OUT', `Not within ${withinMs} ms: ${what}.`);
  }

  /** Lets turns and time pass until the promise settles, and passes it on. */
  async settled<T>(promise: Promise<T>, withinMs: number = defaultWithinMs): Promise<T> {
    let done = false;
    const end = (): void => {
      done = true;
    };
    promise.then(end, end);
    await this.until('the promise settles', () => done, withinMs);
    return await promise;
  }

  /** Stops everybody in order. Idempotent. */
  async stop(): Promise<void> {
    await this.settled(this.kernel.stop());
  }

  async #run(done: () => boolean): Promise<void> {
    const turns = this.#turns;
    if (turns === undefined) return;
    const most = turns.given + turnsMax;
    for (let quiet = 0; quiet < quietRounds && !done(); quiet += 1) {
      // In a chosen order promises come in between by chance as well; otherwise after all that is ready.
      while (!done() && turns.step()) {
        quiet = 0;
        if (turns.given > most) throw new CaxtonError('TIMED_OUT', `Still busy after ${turnsMax} turns.`);
        if (this.#coin?.() === true) await settle(1);
      }
      await settle(1);
    }
  }
}

function inVirtualTimeOnly(): never {
  throw new CaxtonError('NOT_SUPPORTED', 'This kernel runs in real time: its turns and its clock go by themselves.');
}

/**
 * Runs a test once for each of `count` orders of turns, to find races: whatever holds must hold in every one. The error
 * of the first that fails names its seed; `createTestKernel({ seed })` runs that one again.
 */
export async function inEveryOrder(
  body: (kit: TestKernel) => Promise<void>,
  { count = 100, firstSeed = 1 }: { readonly count?: number; readonly firstSeed?: number } = {},
): Promise<void> {
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    const kit = await createTestKernel({ seed });
    try {
      await body(kit);
    } catch (error) {
      if (!(error instanceof Error)) throw new Error(`With seed ${seed}.`, { cause: error });
      error.message = `With seed ${seed}: ${error.message}`;
      throw error;
    } finally {
      await kit.stop();
    }
  }
}
