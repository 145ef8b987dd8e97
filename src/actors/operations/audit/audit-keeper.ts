import { fromPromise, setup } from 'xstate';
import { limits } from '../../../limits.ts';
import type { AuditUpkeep } from './audit-upkeep.ts';

/**
 * Tidies the closed segments of the audit log, a round each minute and one when the disk is full. What a round could not
 * do the next one tries.
 */
export const auditKeeper = setup({
  types: {
    context: {} as { readonly upkeep: AuditUpkeep },
    input: {} as { readonly upkeep: AuditUpkeep },
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: {
    full: fromPromise<void, AuditUpkeep>(({ input, signal }) => input.full(signal)),
    tidy: fromPromise<void, AuditUpkeep>(({ input, signal }) => input.tidy(signal)),
  },
}).createMachine({
  id: 'audit-keeper',
  context: ({ input }) => input,
  initial: 'waiting',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    waiting: {
      after: { [limits.auditUpkeepMs]: 'tidying' },
      invoke: { src: 'full', input: ({ context }) => context.upkeep, onDone: 'tidying' },
    },
    tidying: {
      invoke: { src: 'tidy', input: ({ context }) => context.upkeep, onDone: 'waiting', onError: 'waiting' },
    },
    stopped: { type: 'final' },
  },
});
