import { fromPromise, setup } from 'xstate';

/** What the chart needs of `CapabilityRenewal`, which outlives it. */
export interface CapabilityRenewals {
  /** Some issuer fails, and is asked again later. */
  readonly backingOff: boolean;
  /** Milliseconds until there is something to do; above 0. */
  nextInMs(): number;
  /** Renews what is due. Ends early when `signal` is aborted. */
  renewDue(signal: AbortSignal): Promise<void>;
}

export interface CapabilityRenewerInput {
  readonly renewals: CapabilityRenewals;
}

/** `capability.sooner`: something is due before what was waited for. */
export type CapabilityRenewerEvent = { readonly type: 'capability.sooner' } | { readonly type: 'kernel.shutdown' };

/** Renews the capabilities of the agents that live here, with one timer for all of them. */
export const capabilityRenewer = setup({
  types: {
    context: {} as CapabilityRenewerInput,
    input: {} as CapabilityRenewerInput,
    events: {} as CapabilityRenewerEvent,
  },
  delays: { next: ({ context }) => context.renewals.nextInMs() },
  guards: { backingOff: ({ context }) => context.renewals.backingOff },
  actors: {
    renew: fromPromise<void, CapabilityRenewals>(({ input, signal }) => input.renewDue(signal)),
  },
}).createMachine({
  id: 'capability-renewer',
  context: ({ input }) => input,
  initial: 'waiting',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    waiting: {
      after: { next: 'renewing' },
      on: { 'capability.sooner': { target: 'waiting', reenter: true } },
    },
    renewing: {
      invoke: {
        src: 'renew',
        input: ({ context }) => context.renewals,
        onDone: [{ guard: 'backingOff', target: 'backing-off' }, { target: 'waiting' }],
        onError: 'backing-off',
      },
    },
    // What other issuers have to renew meanwhile is not held up: the wait is for whatever comes first.
    'backing-off': {
      after: { next: 'renewing' },
      on: { 'capability.sooner': { target: 'backing-off', reenter: true } },
    },
    stopped: { type: 'final' },
  },
});
