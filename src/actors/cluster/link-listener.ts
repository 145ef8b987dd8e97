import { assign, fromPromise, setup } from 'xstate';
import type { LinkServer } from '../kernel/ports.ts';

export interface LinkListenerInput {
  readonly listen: () => Promise<LinkServer>;
  /** The server that listens now, or none: for rotation and views. */
  readonly onServer: (server: LinkServer | undefined) => void;
}

interface LinkListenerContext extends LinkListenerInput {
  readonly server: LinkServer | undefined;
}

/** Owns the port for links. A port that is taken is a crash with ADDRESS_IN_USE: the supervisor decides. */
export const linkListener = setup({
  types: {
    context: {} as LinkListenerContext,
    input: {} as LinkListenerInput,
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: {
    bind: fromPromise<LinkServer, LinkListenerInput>(({ input }) => input.listen()),
    close: fromPromise<void, LinkServer | undefined>(async ({ input }) => input?.close()),
  },
  actions: {
    keep: assign((_, params: { server: LinkServer }) => ({ server: params.server })),
    publish: ({ context }) => context.onServer(context.server),
    withdraw: ({ context }) => context.onServer(undefined),
  },
}).createMachine({
  id: 'link-listener',
  context: ({ input }) => ({ ...input, server: undefined }),
  initial: 'binding',
  states: {
    binding: {
      invoke: {
        src: 'bind',
        input: ({ context }) => context,
        onDone: {
          target: 'listening',
          actions: [{ type: 'keep', params: ({ event }) => ({ server: event.output }) }, 'publish'],
        },
      },
      on: { 'kernel.shutdown': 'stopped' },
    },
    listening: { on: { 'kernel.shutdown': 'closing' } },
    closing: {
      entry: 'withdraw',
      invoke: { src: 'close', input: ({ context }) => context.server, onDone: 'stopped', onError: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});
