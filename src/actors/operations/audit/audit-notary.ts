import { fromPromise, setup } from 'xstate';
import { limits } from '../../../limits.ts';
import type { AuditCheckpoints } from './audit-checkpoints.ts';
import type { AuditWitness } from './audit-witness.ts';
import type { Rest } from './rest.ts';

export interface AuditNotaryInput {
  readonly checkpoints: AuditCheckpoints;
  readonly witness: AuditWitness;
  readonly rest: Rest;
  /** Hears why a round did not come to its end: it is tried again. */
  readonly trouble: (error: unknown) => void;
}

export type AuditNotaryEvent =
  /** Many records have come since the last checkpoint. */
  | { readonly type: 'audit.grown' }
  /** Something may be due now, after a rest in which nothing was. */
  | { readonly type: 'audit.stirred' }
  /** A person takes the log as it is. */
  | { readonly type: 'audit.accepted' }
  | { readonly type: 'kernel.shutdown' };

/**
 * Has the audit log countersigned: a round each second while there is something to sign, or sooner when many records came.
 * A log that does not continue what was signed of it before is `forked`: nothing of it is signed until a person says so.
 * Other nodes’ checkpoints are countersigned in every state but the first.
 */
export const auditNotary = setup({
  types: {
    context: {} as AuditNotaryInput,
    input: {} as AuditNotaryInput,
    events: {} as AuditNotaryEvent,
  },
  guards: {
    isForked: ({ context }) => context.checkpoints.fork !== undefined,
    isDue: ({ context }) => context.checkpoints.isDue,
    hasMany: ({ context }) => context.checkpoints.hasMany,
  },
  actions: {
    rest: ({ context }) => context.rest.begin(),
    tellTrouble: ({ context }, params: { error: unknown }) => context.trouble(params.error),
  },
  actors: {
    recover: fromPromise<void, AuditNotaryInput>(async ({ input }) => {
      await input.witness.load();
      await input.checkpoints.recover();
    }),
    round: fromPromise<void, AuditNotaryInput>(({ input }) => input.checkpoints.round()),
  },
}).createMachine({
  id: 'audit-notary',
  context: ({ input }) => input,
  initial: 'recovering',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    recovering: {
      invoke: {
        src: 'recover',
        input: ({ context }) => context,
        onDone: [{ guard: 'isForked', target: 'forked' }, { target: 'watching' }],
        // A log that cannot be read now, or a store that is busy: looked at again.
        onError: {
          target: 'delayed',
          actions: { type: 'tellTrouble', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    delayed: { after: { [limits.checkpointMs]: 'recovering' } },
    watching: {
      initial: 'resting',
      states: {
        // However fast the log grows, this much time is between two rounds.
        resting: { after: { [limits.checkpointPauseMs]: 'ready' } },
        ready: {
          always: { guard: 'hasMany', target: '#audit-notary.signing' },
          on: { 'audit.grown': '#audit-notary.signing' },
          after: { [limits.checkpointMs - limits.checkpointPauseMs]: 'looking' },
        },
        looking: { always: [{ guard: 'isDue', target: '#audit-notary.signing' }, { target: 'idle' }] },
        // Without a timer: a node with nothing to do is not woken each second to find that out.
        idle: { entry: 'rest', on: { 'audit.stirred': 'ready' } },
      },
    },
    signing: {
      invoke: {
        src: 'round',
        input: ({ context }) => context,
        onDone: [{ guard: 'isForked', target: 'forked' }, { target: 'watching' }],
        onError: {
          target: 'watching',
          actions: { type: 'tellTrouble', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    forked: { on: { 'audit.accepted': 'recovering' } },
    stopped: { type: 'final' },
  },
});
