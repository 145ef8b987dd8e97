import { assign, fromCallback, fromPromise, setup } from 'xstate';
import type { LinkServer } from '../kernel/ports.ts';

export interface LinkListenerInput {
  readonly listen: () => Promise<LinkServer>;
  /** The server that listens now, or none: for rotation and views. */
  readonly onServer: (server: LinkServer | undefined) => void;
}

interface LinkListenerContext extends LinkListenerInput {
  readonly server: LinkServer | undefined;
}

/** Listens; a server that comes when nobody waits for it any more is closed again. */
async function bind(listen: LinkListenerInput['listen'], signal: AbortSignal): Promise<LinkServer> {
  const server = closedOnce(await listen());
  if (signal.aborted) await server.close();
  return server;
}

/** The end of a listener asks for the close, and so does whatever ends it before that. */
function closedOnce(server: LinkServer): LinkServer {
  let closed: Promise<void> | undefined;
  return {
    address: server.address,
    setIdentity: (identity) => server.setIdentity(identity),
    close: () => {
      closed ??= server.close();
      return closed;
    },
  };
}

/** Owns the port for links. A port that is taken is a crash with ADDRESS_IN_USE: the supervisor decides. */
export const linkListener = setup({
  types: {
    context: {} as LinkListenerContext,
    input: {} as LinkListenerInput,
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: {
    bind: fromPromise<LinkServer, LinkListenerInput>(({ input, signal }) => bind(input.listen, signal)),
    /** A chart that crashes or is killed runs no exit actions, but its actors are stopped: the port is freed here. */
    hold: fromCallback<{ type: string }, LinkListenerContext>(({ input }) => () => {
      input.onServer(undefined);
      void input.server?.close();
    }),
    close: fromPromise<void, LinkServer | undefined>(async ({ input }) => input?.close()),
  },
  actions: {
    keep: assign((_, params: { server: LinkServer }) => ({ server: params.server })),
    publish: ({ context }) => context.onServer(context.server),
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
    listening: {
      invoke: { src: 'hold', input: ({ context }) => context },
      on: { 'kernel.shutdown': 'closing' },
    },
    closing: {
      invoke: { src: 'close', input: ({ context }) => context.server, onDone: 'stopped', onError: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});
