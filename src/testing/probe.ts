import { AssertionError } from 'node:assert';
import type { Pace } from './pace.ts';
import { leftOver, matches, type Pattern, shown } from './pattern.ts';

export interface ExpectOptions {
  /** Milliseconds to wait at most; default 3,000 in real time, none in virtual time (whatever is ready happens first). */
  readonly withinMs?: number;
}

/** What one kind of message is: `Extract` for a union, the message itself otherwise. */
export type OfKind<M, K extends string> = M extends { readonly type: string }
  ? string extends M['type']
    ? M & { readonly type: K }
    : Extract<M, { readonly type: K }>
  : M;

/**
 * Keeps what it gets, for a test to look at. Expectations take messages in the order in which they came and fail with
 * an `AssertionError` of Node’s, which every test runner understands. The names are those of Akka’s `TestProbe`.
 */
export abstract class Probe<M extends object> {
  readonly #pace: Pace;
  #got: M[] = [];
  #ignored: Pattern<M> | undefined;
  #autopilot: ((message: M) => void) | undefined;
  #last: M | undefined;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Who it is, for failures. */
  abstract readonly name: string;
  /** What a message is called. */
  protected abstract kindOf(message: M): unknown;

  /** Messages that nobody has expected yet, in the order in which they came. */
  get waiting(): readonly M[] {
    return this.#got;
  }

  /** The message that was expected last: what `reply` answers. */
  protected get last(): M | undefined {
    return this.#last;
  }

  /** Does this with each message in the probe’s own turn, before anybody expects it; `undefined` ends it. */
  autopilot(act: ((message: M) => void) | undefined): void {
    this.#autopilot = act;
  }

  /** From now on such messages are not kept; `undefined` ends it. */
  ignore(pattern: Pattern<M> | undefined): void {
    this.#ignored = pattern;
  }

  /** The next message, whatever it is. */
  async receiveMessage(options: ExpectOptions = {}): Promise<M> {
    return await this.#next(undefined, options);
  }

  /** The next `count` messages, whatever they are. */
  async receiveMessages(count: number, options: ExpectOptions = {}): Promise<readonly M[]> {
    if (!(await this.#until(() => this.#got.length >= count, options)))
      this.#fail('receiveMessages', `${count} messages, and ${this.#got.length} came`, count);
    return this.#got.splice(0, count);
  }

  /** The next message, which must be as expected. */
  expectMessage<K extends string>(pattern: K, options?: ExpectOptions): Promise<OfKind<M, K>>;
  expectMessage<N extends M>(pattern: (message: M) => message is N, options?: ExpectOptions): Promise<N>;
  expectMessage(pattern?: Pattern<M>, options?: ExpectOptions): Promise<M>;
  async expectMessage(pattern?: Pattern<M>, options: ExpectOptions = {}): Promise<M> {
    return await this.#next(pattern === undefined ? undefined : [pattern], options);
  }

  /** The next message, which must be as one of these. */
  async expectAnyOf(patterns: readonly Pattern<M>[], options: ExpectOptions = {}): Promise<M> {
    return await this.#next(patterns, options);
  }

  /** The next messages, one for each pattern and in this order. */
  async expectMessages(patterns: readonly Pattern<M>[], options: ExpectOptions = {}): Promise<readonly M[]> {
    const messages: M[] = [];
    for (const pattern of patterns) messages.push(await this.#next([pattern], options));
    return messages;
  }

  /** The next messages, one for each pattern, in any order; in the order in which they came. */
  async expectInAnyOrder(patterns: readonly Pattern<M>[], options: ExpectOptions = {}): Promise<readonly M[]> {
    const messages = await this.receiveMessages(patterns.length, options);
    const missing = leftOver(patterns, messages, (pattern, message) => this.#fits(pattern, message));
    if (missing !== undefined) {
      this.#got.unshift(...messages);
      this.#fail('expectInAnyOrder', `one of them as ${shown(missing)}`, missing);
    }
    this.#last = messages.at(-1);
    return messages;
  }

  /** The first message that is as expected; those before it are dropped. */
  fishForMessage<K extends string>(pattern: K, options?: ExpectOptions): Promise<OfKind<M, K>>;
  fishForMessage<N extends M>(pattern: (message: M) => message is N, options?: ExpectOptions): Promise<N>;
  fishForMessage(pattern: Pattern<M>, options?: ExpectOptions): Promise<M>;
  async fishForMessage(pattern: Pattern<M>, options: ExpectOptions = {}): Promise<M> {
    const find = (): number => this.#got.findIndex((message) => this.#fits(pattern, message));
    if (!(await this.#until(() => find() >= 0, options)))
      this.#fail('fishForMessage', `a message as ${shown(pattern)}`, pattern);
    this.#got.splice(0, find());
    return this.#take();
  }

  /** No message waits, and none comes in `forMs`: 100 in real time, none in virtual time by default. */
  async expectNoMessage(forMs: number = this.#pace.silenceMs): Promise<void> {
    if (await this.#pace.until(() => this.#got.length > 0, forMs))
      this.#fail('expectNoMessage', 'no message', undefined);
  }

  /** Tries the assertion again and again until it no longer throws; throws what it threw last. */
  async awaitAssert(assertion: () => void, options: ExpectOptions = {}): Promise<void> {
    let failure: unknown;
    const passes = (): boolean => {
      try {
        assertion();
        return true;
      } catch (error) {
        failure = error;
        return false;
      }
    };
    if (!(await this.#until(passes, options))) throw failure;
  }

  /** A message has come. */
  protected take(message: M): void {
    this.#autopilot?.(message);
    if (this.#ignored === undefined || !this.#fits(this.#ignored, message)) this.#got.push(message);
  }

  /** Waits for what is no message. */
  protected async awaitThat(done: () => boolean, what: string, options: ExpectOptions): Promise<void> {
    if (!(await this.#until(done, options))) this.#fail('expectTerminated', what, undefined);
  }

  async #next(patterns: readonly Pattern<M>[] | undefined, options: ExpectOptions): Promise<M> {
    const wanted = patterns === undefined ? 'a message' : `a message as ${patterns.map(shown).join(' or ')}`;
    if (!(await this.#until(() => this.#got.length > 0, options))) this.#fail('expectMessage', wanted, patterns);
    const first = this.#got[0] as M;
    if (patterns !== undefined && !patterns.some((pattern) => this.#fits(pattern, first)))
      this.#fail('expectMessage', wanted, patterns);
    return this.#take();
  }

  #take(): M {
    const message = this.#got.shift() as M;
    this.#last = message;
    return message;
  }

  #fits(pattern: Pattern<M>, message: M): boolean {
    return matches(pattern, message, this.kindOf(message));
  }

  #until(done: () => boolean, { withinMs = this.#pace.expectMs }: ExpectOptions): Promise<boolean> {
    return this.#pace.until(done, withinMs);
  }

  #fail(operator: string, wanted: string, expected: unknown): never {
    const got = this.#got.length === 0 ? 'nothing' : this.#got.slice(0, 10).map(shown).join(', ');
    const message = `${this.name} expected ${wanted}. It has: ${got}.`;
    throw new AssertionError({ message, operator, expected, actual: this.#got[0], stackStartFn: this.expectMessage });
  }
}
