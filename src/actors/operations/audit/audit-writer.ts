import { assign, fromPromise, setup } from 'xstate';
import type { AuditLog } from './audit-log.ts';
import type { AuditMode } from './audit-log-options.ts';
import { isDiskFull } from './audit-reserve.ts';

export interface AuditWriterInput {
  readonly log: AuditLog;
}

interface WriterContext extends AuditWriterInput {
  /** Attempts to get out of `blocked` so far. */
  readonly attempt: number;
  /** The newest durable record when it was blocked last. */
  readonly blockedAt: number | undefined;
}

const backoffMs = { first: 250, max: 10_000 } as const;

/**
 * What the audit log is doing. Acts wait while it opens or rotates; while it is `blocked` they are refused, and it
 * tries again until the disk gives in. On a
 * full disk it lives on its reserve first (`sparing`): class A is written, the rest is counted. A log that cannot be opened at all is a start that fails: the chart crashes with
 * the reason, because a node that never had an audit log has nothing to recover to.
 */
export const auditWriter = setup({
  types: {
    context: {} as WriterContext,
    input: {} as AuditWriterInput,
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  delays: {
    backoff: ({ context }) => Math.min(backoffMs.max, backoffMs.first * 2 ** context.attempt),
  },
  guards: {
    wasOpened: ({ context }) => context.log.wasOpened,
    reserveMayHelp: ({ context }, params: { error: unknown }) => isDiskFull(params.error) && context.log.holdsReserve,
  },
  actors: {
    open: fromPromise<void, AuditLog>(({ input }) => input.open()),
    // A chart that is killed aborts the signal: the batch under way is finished, then the next life has its turn.
    write: fromPromise<void, AuditLog>(({ input, signal }) => input.write(signal)),
    spare: fromPromise<void, AuditLog>(({ input, signal }) => input.spare(signal)),
    rotate: fromPromise<void, AuditLog>(({ input }) => input.rotate()),
    close: fromPromise<void, AuditLog>(({ input }) => input.close()),
  },
  actions: {
    setMode: ({ context }, params: { mode: AuditMode; error?: unknown }) =>
      context.log.setMode(params.mode, params.error),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    // A full disk lets a log be opened and not be written: only a record that was made durable ends the series.
    countBlock: assign(({ context }) => {
      const { sequence } = context.log.head();
      return { blockedAt: sequence, attempt: sequence === context.blockedAt ? context.attempt + 1 : 0 };
    }),
    giveUp: (_, params: { error: unknown }) => {
      throw params.error;
    },
  },
}).createMachine({
  id: 'audit-writer',
  context: ({ input }) => ({ log: input.log, attempt: 0, blockedAt: undefined }),
  initial: 'opening',
  on: { 'kernel.shutdown': '.closing' },
  states: {
    opening: {
      entry: { type: 'setMode', params: { mode: 'opening' } },
      invoke: {
        src: 'open',
        input: ({ context }) => context.log,
        onDone: 'writing',
        onError: [
          {
            guard: 'wasOpened',
            target: 'blocked',
            actions: { type: 'setMode', params: ({ event }) => ({ mode: 'blocked', error: event.error }) },
          },
          { actions: { type: 'giveUp', params: ({ event }) => ({ error: event.error }) } },
        ],
      },
    },
    writing: {
      entry: { type: 'setMode', params: { mode: 'writing' } },
      invoke: {
        src: 'write',
        input: ({ context }) => context.log,
        onDone: 'rotating',
        onError: [
          {
            guard: { type: 'reserveMayHelp', params: ({ event }) => ({ error: event.error }) },
            target: 'sparing',
          },
          {
            target: 'blocked',
            actions: { type: 'setMode', params: ({ event }) => ({ mode: 'blocked', error: event.error }) },
          },
        ],
      },
    },
    sparing: {
      entry: { type: 'setMode', params: { mode: 'sparing' } },
      invoke: {
        src: 'spare',
        input: ({ context }) => context.log,
        onDone: 'writing',
        onError: {
          target: 'blocked',
          actions: { type: 'setMode', params: ({ event }) => ({ mode: 'blocked', error: event.error }) },
        },
      },
    },
    rotating: {
      entry: { type: 'setMode', params: { mode: 'rotating' } },
      invoke: {
        src: 'rotate',
        input: ({ context }) => context.log,
        onDone: 'writing',
        onError: [
          {
            guard: { type: 'reserveMayHelp', params: ({ event }) => ({ error: event.error }) },
            target: 'sparing',
          },
          {
            target: 'blocked',
            actions: { type: 'setMode', params: ({ event }) => ({ mode: 'blocked', error: event.error }) },
          },
        ],
      },
    },
    blocked: {
      entry: 'countBlock',
      initial: 'waiting',
      states: {
        waiting: { after: { backoff: 'retrying' } },
        retrying: {
          invoke: {
            src: 'open',
            input: ({ context }) => context.log,
            onDone: '#audit-writer.writing',
            onError: {
              target: 'waiting',
              actions: [
                'countAttempt',
                { type: 'setMode', params: ({ event }) => ({ mode: 'blocked', error: event.error }) },
              ],
            },
          },
        },
      },
    },
    closing: {
      entry: { type: 'setMode', params: { mode: 'closing' } },
      invoke: { src: 'close', input: ({ context }) => context.log, onDone: 'closed', onError: 'closed' },
    },
    closed: { type: 'final', entry: { type: 'setMode', params: { mode: 'closed' } } },
  },
});

/** The input of the writer in a tree. */
export const auditWriterInput = (log: AuditLog): AuditWriterInput => ({ log });
