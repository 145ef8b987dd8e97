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
  /** Called once when this life is over, whatever ended it. */
  readonly onEnd: (cleanUp: () => void) => void;
  /** Says what it is doing now, for the tap and for whoever looks at the tree. */
  readonly became: (state: string) => void;
}

/** Handles one message. A throw, or the rejection of the promise that it returns, is a crash of the actor. */
export type Handle<M> = (message: M) => unknown;

/**
 * Logic without a chart: a turn is a plain function call and an idle actor costs a third of what XState’s does.
 * Messages do not wait for the promise of the one before.
 */
export class HandlerLogic<M = Message, I = unknown> {
  readonly begin: (self: HandlerSelf<M, I>) => Handle<M>;

  constructor(begin: (self: HandlerSelf<M, I>) => Handle<M>) {
    this.begin = begin;
  }
}

/** Makes logic of a function that is called at each start and returns what handles the messages of that life. */
export function fromHandler<M = Message, I = unknown>(
  begin: (self: HandlerSelf<M, I>) => Handle<M>,
): HandlerLogic<M, I> {
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
  #prepare: (() => void) | undefined;
  #cleanUp: (() => void) | undefined;
  #state: string | undefined;

  constructor(logic: HandlerLogic<never, never>, input: never, host: HandlerHost) {
    this.input = input;
    this.#logic = logic;
    this.#host = host;
  }

  get ref(): Ref<never> {
    return this.#host.ref;
  }

  start(): void {
    this.#handle = this.#logic.begin(this);
  }

  send(message: object): void {
    if (message === shutdownMessage) {
      if (this.#prepare === undefined) this.finish();
      else this.#prepare();
      return;
    }
    const outcome = this.#handle?.(message as never);
    if (outcome instanceof Promise) outcome.catch((error: unknown) => this.#host.crash(error));
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
      this.#cleanUp = cleanUp;
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
    this.#handle = undefined;
    const cleanUp = this.#cleanUp;
    this.#cleanUp = undefined;
    try {
      cleanUp?.();
    } catch {
      // Its life is over already, and nobody is left who could be restarted for it.
    }
  }

  /** What it last said that it is doing. */
  stateValue(): string | undefined {
    return this.#state;
  }
}
