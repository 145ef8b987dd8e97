import { assign, fromPromise, setup } from 'xstate';
import { CaxtonError } from '../../errors.ts';
import type { Ref } from '../kernel/ref.ts';
import type { AuditLog, AuditSignal } from './audit-log.ts';

export interface AuditWriterInput {
  readonly log: AuditLog;
  readonly notify: (signal: AuditSignal) => void;
}

type AuditWriterEvent = AuditSignal | { readonly type: 'kernel.shutdown' };

const retryMs = { first: 250, max: 5_000 } as const;

/** A log whose chain does not fit is not written over: that is for a person to decide. */
const isDamage = ({ event }: { event: unknown }): boolean => {
  const { error } = event as { error?: unknown };
  return error instanceof CaxtonError && error.code === 'MALFORMED';
};

/** What the audit log is doing. Blocked, it refuses acts that must be recorded, tries again, and recovers by itself. */
export const auditWriter = setup({
  types: {
    context: {} as { readonly log: AuditLog; readonly attempt: number },
    input: {} as AuditWriterInput,
    events: {} as AuditWriterEvent,
  },
  delays: { retry: ({ context }) => Math.min(retryMs.max, retryMs.first * 2 ** (context.attempt - 1)) },
  guards: { isDamage },
  actors: {
    open: fromPromise<void, AuditLog>(({ input }) => input.open()),
    rotate: fromPromise<void, AuditLog>(({ input }) => input.rotate()),
    close: fromPromise<void, AuditLog>(({ input }) => input.close()),
  },
  actions: {
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    resetAttempts: assign({ attempt: 0 }),
    giveUp: (_, params: { error: unknown }) => {
      throw params.error;
    },
  },
}).createMachine({
  id: 'audit-writer',
  context: ({ input: { log, notify } }) => {
    log.signal = notify;
    return { log, attempt: 0 };
  },
  initial: 'opening',
  states: {
    opening: {
      invoke: {
        src: 'open',
        input: ({ context }) => context.log,
        onDone: { target: 'writing', actions: 'resetAttempts' },
        onError: [
          { guard: 'isDamage', actions: { type: 'giveUp', params: ({ event }) => ({ error: event.error }) } },
          { target: 'blocked' },
        ],
      },
    },
    writing: {
      on: { 'audit.full': 'rotating', 'audit.failed': 'blocked', 'kernel.shutdown': 'closing' },
    },
    rotating: {
      invoke: {
        src: 'rotate',
        input: ({ context }) => context.log,
        onDone: 'writing',
        onError: 'blocked',
      },
      on: { 'kernel.shutdown': 'closing' },
    },
    blocked: {
      entry: 'countAttempt',
      after: { retry: 'opening' },
      on: { 'kernel.shutdown': 'closing' },
    },
    closing: { invoke: { src: 'close', input: ({ context }) => context.log, onDone: 'closed', onError: 'closed' } },
    closed: { type: 'final' },
  },
});

/** The input of the writer in a tree: what the log signals reaches the chart’s own inbox. */
export const auditWriterInput =
  (log: AuditLog) =>
  ({ self }: { self: Ref<AuditSignal> }): AuditWriterInput => ({
    log,
    notify: (signal) => void self.tell(signal, 'control'),
  });
