import { fromCallback, fromPromise, setup } from 'xstate';
import type { LinkServer } from '../../kernel/ports.ts';

/**
 * The port for links. It outlives the lives of its listener; opening and closing come one after the other, because a
 * life may begin while what the one before it began is still under way.
 */
export class LinkPort {
  readonly #listen: () => Promise<LinkServer>;
  #server: LinkServer | undefined;
  #turn: Promise<void> = Promise.resolve();

  /** `listen` binds the port; rejects with ADDRESS_IN_USE. */
  constructor(listen: () => Promise<LinkServer>) {
    this.#listen = listen;
  }

  /** What listens now, if anything does: for rotation and views. */
  get server(): LinkServer | undefined {
    return this.#server;
  }

  /** Listens anew. Rejects as `listen` does. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#release();
      this.#server = await this.#listen();
    });
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#release());
  }

  async #release(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

export interface LinkListenerInput {
  readonly port: LinkPort;
}

/** Owns the port for links. A port that is taken is a crash with ADDRESS_IN_USE: the supervisor decides. */
export const linkListener = setup({
  types: {
    context: {} as LinkListenerInput,
    input: {} as LinkListenerInput,
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: {
    open: fromPromise<void, LinkPort>(({ input }) => input.open()),
    close: fromPromise<void, LinkPort>(({ input }) => input.close()),
    /** A chart that crashes or is killed runs no exit actions, but its actors are stopped: the port is freed here. */
    release: fromCallback<{ type: string }, LinkPort>(
      ({ input }) =>
        () =>
          void input.close(),
    ),
  },
}).createMachine({
  id: 'link-listener',
  context: ({ input }) => input,
  initial: 'binding',
  invoke: { src: 'release', input: ({ context }) => context.port },
  states: {
    binding: {
      invoke: { src: 'open', input: ({ context }) => context.port, onDone: 'listening' },
      on: { 'kernel.shutdown': 'stopped' },
    },
    listening: { on: { 'kernel.shutdown': 'closing' } },
    closing: {
      invoke: { src: 'close', input: ({ context }) => context.port, onDone: 'stopped', onError: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});
