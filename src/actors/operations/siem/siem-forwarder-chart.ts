import { assign, fromPromise, setup } from 'xstate';
import type { SiemForwarder, SiemWork } from './siem-forwarder.ts';

export interface SiemForwarderInput {
  readonly forwarder: SiemForwarder;
}

interface ForwarderContext extends SiemForwarderInput {
  /** Failures in a row. */
  readonly attempt: number;
  /** Milliseconds that the receiver asked to be left alone. */
  readonly askedMs: number;
}

const backoffMs = { first: 500, max: 60_000 } as const;
/** How long the receiver may take to confirm when the node stops: what it does not is sent again at the next start. */
const closeMs = 2_000;

/** What the forwarding to one SIEM is doing. It never gives up: the log keeps what the receiver does not take. */
export const siemForwarder = setup({
  types: {
    context: {} as ForwarderContext,
    input: {} as SiemForwarderInput,
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  delays: {
    backoff: ({ context }) =>
      Math.max(context.askedMs, Math.min(backoffMs.max, backoffMs.first * 2 ** Math.min(context.attempt - 1, 16))),
  },
  actors: {
    open: fromPromise<void, SiemForwarder>(({ input }) => input.open()),
    next: fromPromise<SiemWork, SiemForwarder>(({ input, signal }) => input.next(signal)),
    send: fromPromise<void, SiemForwarder>(({ input, signal }) => input.send(signal)),
    confirm: fromPromise<void, SiemForwarder>(({ input, signal }) => input.confirm(signal)),
    close: fromPromise<void, SiemForwarder>(({ input }) => input.close(AbortSignal.timeout(closeMs))),
  },
  guards: {
    mustConfirm: (_, params: { work: SiemWork }) => params.work === 'confirm',
  },
  actions: {
    succeeded: assign({ attempt: 0, askedMs: 0 }),
    failed: assign(({ context }, params: { error: unknown }) => {
      const { askedMs, isNarrowing } = context.forwarder.failed(params.error);
      return { attempt: isNarrowing ? 1 : context.attempt + 1, askedMs };
    }),
  },
}).createMachine({
  id: 'siem-forwarder',
  context: ({ input }) => ({ ...input, attempt: 0, askedMs: 0 }),
  initial: 'opening',
  on: { 'kernel.shutdown': '.closing' },
  states: {
    opening: {
      invoke: {
        src: 'open',
        input: ({ context }) => context.forwarder,
        onDone: 'waiting',
        onError: {
          target: 'backing-off',
          actions: { type: 'failed', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    waiting: {
      invoke: {
        src: 'next',
        input: ({ context }) => context.forwarder,
        onDone: [
          {
            guard: { type: 'mustConfirm', params: ({ event }) => ({ work: event.output }) },
            target: 'confirming',
          },
          { target: 'sending' },
        ],
        onError: {
          target: 'backing-off',
          actions: { type: 'failed', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    sending: {
      invoke: {
        src: 'send',
        input: ({ context }) => context.forwarder,
        onDone: { target: 'waiting', actions: 'succeeded' },
        onError: {
          target: 'backing-off',
          actions: { type: 'failed', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    confirming: {
      invoke: {
        src: 'confirm',
        input: ({ context }) => context.forwarder,
        onDone: { target: 'waiting', actions: 'succeeded' },
        onError: {
          target: 'backing-off',
          actions: { type: 'failed', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    'backing-off': { after: { backoff: 'opening' } },
    closing: {
      invoke: { src: 'close', input: ({ context }) => context.forwarder, onDone: 'stopped', onError: 'stopped' },
    },
    stopped: { type: 'final' },
  },
});
