import { CaxtonError } from '../../errors.ts';
import { shutdownMessage } from './occupant.ts';
import type { Message, Ref } from './ref.ts';

/** What a handler may know and do; one for each life. */
export interface HandlerSelf<M = Message, I = unknown> {
  /** Its own address. */
  readonly ref: Ref<M>;
  /** As the spec gave it. */
  readonly input: I;
  /** Ends this life normally; what still waits is for the next one, if there is one. */
  readonly finish: () => void;
  /** Called on the order to shut down, instead of finishing at once: finish what must be, then call `finish`. */
  readonly onShutdown: (prepare: () => void) => void;
  /**
   * Called once when this life is over, whatever ended it; at once when it is over already. Of several the last comes
   * first.
   */
  readonly onEnd: (cleanUp: () => void) => void;
  /** Says what it is doing now, for the tap and for whoever looks at the tree. */
  readonly became: (state: string) => void;
}

/** Handles one message. A throw, or the rejection of the promise that it returns, is a crash of the actor. */
export type Handle<M> = (message: M) => unknown;

/**
 * One life of a handler as an object: for actors of which there are many, since methods cost an idle one nothing and a
 * closure for each would.
 */
export interface HandlerLife<M> {
  /** Called once, when it can be told to shut down and when its end would be heard. */
  start?(): unknown;
  /** As `Handle`. */
  receive(message: M): unknown;
  /** In place of `onShutdown`. */
  shutDown?(): unknown;
  /** In place of `onEnd`, after those that were given there. */
  end?(): unknown;
}

type Begin<M, I> = (self: HandlerSelf<M, I>) => Handle<M> | HandlerLife<M>;

/**
 * Logic without a chart: a turn is a plain function call and an idle actor costs a third of what XState’s does.
 * Messages do not wait for the promise of the one before.
 */
export class HandlerLogic<M = Message, I = unknown> {
  readonly begin: Begin<M, I>;

  constructor(begin: Begin<M, I>) {
    this.begin = begin;
  }
}

/**
 * Makes logic of a function that is called at each start and returns what handles the messages of that life: a function,
 * or an object with `receive`.
 */
export function fromHandler<M = Message, I = unknown>(begin: Begin<M, I>): HandlerLogic<M, I> {
  return new HandlerLogic(begin);
}

/** Who hears what becomes of a handler. Called on the stack where it happens. */
export interface HandlerHost {
  readonly ref: Ref<never>;
  crash(error: unknown): void;
  finished(how: 'done'): void;
  became(state: string): void;
}

/** One life of a handler. */
export class HandlerBody implements HandlerSelf<never, never> {
  readonly input: never;
  readonly #host: HandlerHost;
  readonly #logic: HandlerLogic<never, never>;
  #handle: Handle<never> | undefined;
  #life: HandlerLife<never> | undefined;
  #prepare: (() => void) | undefined;
  #state: string | undefined;
  #cleanUps: (() => void)[] | undefined;
  #over = false;

  constructor(logic: HandlerLogic<never, never>, input: never, host: HandlerHost) {
    this.input = input;
    this.#logic = logic;
    this.#host = host;
  }

  get ref(): Ref<never> {
    return this.#host.ref;
  }

  start(): void {
    const handle: unknown = this.#logic.begin(this);
    // It may have ended itself meanwhile: then its end is all that it hears.
    if (this.#over) {
      if (isLife(handle) && handle.end !== undefined) this.#clean(() => handle.end?.());
      return;
    }
    if (typeof handle === 'function') this.#handle = handle as Handle<never>;
    else if (isLife(handle)) {
      this.#life = handle;
      this.#heed(handle.start?.());
    } else {
      if (handle instanceof Promise) handle.catch(() => {});
      throw new CaxtonError(
        'SUPERVISION',
        'What begins a handler returns a function of a message, or an object with receive, and no promise of it.',
      );
    }
  }

  send(message: object): void {
    if (message !== shutdownMessage) {
      const outcome: unknown = this.#life ? this.#life.receive(message as never) : this.#handle?.(message as never);
      this.#heed(outcome);
    } else if (this.#prepare !== undefined) this.#heed(this.#prepare());
    else if (this.#life?.shutDown !== undefined) this.#heed(this.#life.shutDown());
    else this.finish();
  }

  // Made when asked for, so that they can be taken out of the object and yet cost an idle actor nothing.
  get finish(): () => void {
    return () => {
      this.#host.finished('done');
      this.stop();
    };
  }

  get onShutdown(): (prepare: () => void) => void {
    return (prepare) => {
      this.#prepare = prepare;
    };
  }

  get onEnd(): (cleanUp: () => void) => void {
    return (cleanUp) => {
      if (this.#over) this.#clean(cleanUp);
      else {
        this.#cleanUps ??= [];
        this.#cleanUps.push(cleanUp);
      }
    };
  }

  get became(): (state: string) => void {
    return (state) => {
      if (this.#state === state) return;
      this.#state = state;
      this.#host.became(state);
    };
  }

  stop(): void {
    this.#over = true;
    this.#handle = undefined;
    const life = this.#life;
    this.#life = undefined;
    const cleanUps = this.#cleanUps?.reverse() ?? [];
    this.#cleanUps = undefined;
    for (const cleanUp of cleanUps) this.#clean(cleanUp);
    if (life?.end !== undefined) this.#clean(() => life.end?.());
  }

  /** Its life is over, so what it throws is counted and harms nobody. */
  #clean(cleanUp: () => unknown): void {
    try {
      this.#heed(cleanUp());
    } catch (error) {
      this.#host.crash(error);
    }
  }

  /** A rejection is a crash, whoever made the promise. */
  #heed(outcome: unknown): void {
    if (typeof outcome !== 'object' || outcome === null) return;
    if (outcome instanceof Promise) outcome.catch((error: unknown) => this.#host.crash(error));
    else if (typeof (outcome as { readonly then?: unknown }).then === 'function')
      Promise.resolve(outcome).catch((error: unknown) => this.#host.crash(error));
  }

  /** What it last said that it is doing. */
  stateValue(): string | undefined {
    return this.#state;
  }
}

const isLife = (began: unknown): began is HandlerLife<never> =>
  typeof began === 'object' &&
  began !== null &&
  typeof (began as { readonly receive?: unknown }).receive === 'function';
