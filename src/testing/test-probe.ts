import { fromHandler } from '../actors/kernel/handler.ts';
import type { Kernel } from '../actors/kernel/kernel.ts';
import type { Down, Monitor } from '../actors/kernel/monitors.ts';
import type { Message, Ref } from '../actors/kernel/ref.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import { type Pace, realPace } from './pace.ts';
import { type ExpectOptions, Probe } from './probe.ts';

export interface TestProbeOptions {
  /** Path of a supervisor that runs; the probe becomes its child. */
  readonly under: string;
  /** Its id among the children. */
  readonly id: string;
  /** Default real time. */
  readonly pace?: Pace;
}

/** An actor of a kernel that keeps what it gets, watches others for their end, and answers when it is told to. */
export class TestProbe<M extends object = Message> extends Probe<M> {
  readonly ref: Ref<M>;
  readonly #kernel: Kernel;
  readonly #under: string;
  readonly #id: string;
  readonly #monitors = new Map<string, Monitor>();
  readonly #downs: Down[] = [];

  private constructor(kernel: Kernel, { under, id, pace = realPace }: TestProbeOptions) {
    super(pace);
    this.#kernel = kernel;
    this.#under = under;
    this.#id = id;
    this.ref = kernel.ref<M>(`${under}/${id}`);
  }

  /** Starts a probe in a kernel. Throws what `startChild` refuses with. */
  static async start<M extends object = Message>(kernel: Kernel, options: TestProbeOptions): Promise<TestProbe<M>> {
    const probe = new TestProbe<M>(kernel, options);
    const logic = fromHandler<M | Down>(() => (message) => probe.#hear(message));
    unwrap(await kernel.startChild(options.under, { kind: 'worker', id: options.id, logic, restart: 'temporary' }));
    return probe;
  }

  get name(): string {
    return this.ref.path;
  }

  /** Tells another actor something, with this probe’s ref as `replyTo`. Throws when it is refused. */
  ask<Q extends object>(to: Ref<Q>, question: Omit<Q, 'replyTo'>): void {
    unwrap(to.tell({ ...question, replyTo: this.ref } as unknown as Q));
  }

  /** Answers the message that was expected last. Throws when it was no question, or nobody waits any more. */
  reply(answer: unknown): void {
    const replyTo = (this.last as { readonly replyTo?: Ref<never> } | undefined)?.replyTo;
    if (replyTo === undefined) throw new CaxtonError('MALFORMED', `${this.name} has expected no question yet.`);
    unwrap(replyTo.tell(answer as never));
  }

  /** Watches over the life at an address: `expectTerminated` waits for its end. */
  watch(target: Ref<never>): void {
    if (this.#monitors.has(target.path)) return;
    this.#monitors.set(target.path, unwrap(this.#kernel.monitor(target, this.ref)));
  }

  unwatch(target: Ref<never>): void {
    this.#monitors.get(target.path)?.cancel({ flush: true });
    this.#monitors.delete(target.path);
  }

  /** The watched life has ended, or ends in time; how. Watches it from now on when nobody has said `watch`. */
  async expectTerminated(target: Ref<never>, options: ExpectOptions = {}): Promise<Down> {
    const find = (): number => this.#downs.findIndex(({ path }) => path === target.path);
    if (find() < 0) this.watch(target);
    await this.awaitThat(() => find() >= 0, `the end of ${target.path}`, options);
    const [down] = this.#downs.splice(find(), 1);
    return down as Down;
  }

  /** Ends the probe. */
  stop(): Promise<void> {
    return this.#kernel.stopChild(this.#under, this.#id);
  }

  protected override kindOf(message: M): unknown {
    return (message as Partial<Message>).type;
  }

  /** The end of whom it watches is kept apart; that of whom the test itself let it monitor is a message like others. */
  #hear(message: M | Down): void {
    const { monitor, path } = message as Partial<Down>;
    if (monitor === undefined || path === undefined || this.#monitors.get(path) !== monitor) {
      this.take(message as M);
      return;
    }
    this.#monitors.delete(path);
    this.#downs.push(message as Down);
  }
}
