import { assign, fromPromise, setup } from 'xstate';
import { type Result, unwrap } from '../../../errors.ts';
import { retryInMs } from '../../../protocols/issuance/renewal-time.ts';

/** What the rotator needs of the world; each step is a plain async function. */
export interface CertificateRenewal {
  /** Milliseconds until the certificate should be renewed; 0 or less when it is due. */
  dueInMs(): number;
  /** Milliseconds until the certificate ends; 0 or less when it is over. */
  leftMs(): number;
  /** Gets a certificate for a fresh key, from this node’s CA key or a CA node. */
  renew(): Promise<Result<Renewed>>;
  /** Replaces files and what is shown to peers, and records CertificateRotated. */
  install(renewed: Renewed): Promise<Result<void>>;
  /** A renewal failed: recorded, and told to whoever watches. */
  failed(error: unknown, attempt: number): void;
}

export interface Renewed {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertRotatorInput {
  readonly enabled: boolean;
  readonly renewal: CertificateRenewal;
  readonly checkIntervalMs: number;
  /** In [0, 1): how much of a pause is left out. */
  readonly jitter: () => number;
}

/** `cert.issuer`: a CA node can be reached now. */
export type CertRotatorEvent =
  | { readonly type: 'cert.check' }
  | { readonly type: 'cert.renew' }
  | { readonly type: 'cert.issuer' }
  | { readonly type: 'kernel.shutdown' };

interface RotatorContext extends CertRotatorInput {
  readonly attempt: number;
  readonly renewed: Renewed | undefined;
  /** Asked while a renewal was under way: what that one gives may stand under an old root already. */
  readonly again: boolean;
}

/** setTimeout’s own bound is 2^31−1 ms; a longer wait becomes several checks. */
const sleepMsMax = 2_000_000_000;

/** Keeps the node’s certificate fresh: a new key each time, files before connections, a failure backs off. */
export const certRotator = setup({
  types: {
    context: {} as RotatorContext,
    input: {} as CertRotatorInput,
    events: {} as CertRotatorEvent,
  },
  delays: {
    untilCheck: ({ context: { checkIntervalMs, renewal, enabled } }) => {
      const dueMs = renewal.dueInMs();
      // A certificate that lives shorter than the interval is renewed in time all the same. One that is due although it
      // was just renewed, by a CA that is about to end, must not be renewed without pause.
      return Math.min(checkIntervalMs, enabled && dueMs > 0 ? dueMs : checkIntervalMs, sleepMsMax);
    },
    backoff: ({ context: { attempt, renewal, jitter } }) => retryInMs(attempt, renewal.leftMs(), jitter()),
  },
  guards: {
    again: ({ context }) => context.again,
    disabled: ({ context }) => !context.enabled,
    due: ({ context }) => context.renewal.dueInMs() <= 0,
  },
  actors: {
    renew: fromPromise<Renewed, CertificateRenewal>(async ({ input }) => unwrap(await input.renew())),
    install: fromPromise<void, { renewal: CertificateRenewal; renewed: Renewed }>(async ({ input }) =>
      unwrap(await input.renewal.install(input.renewed)),
    ),
  },
  actions: {
    keep: assign((_, params: { renewed: Renewed }) => ({ renewed: params.renewed })),
    remember: assign({ again: true }),
    begin: assign({ again: false }),
    succeeded: assign({ attempt: 0, renewed: undefined }),
    countFailure: assign({ attempt: ({ context }) => context.attempt + 1, renewed: undefined }),
    reportFailure: ({ context }, params: { error: unknown }) => context.renewal.failed(params.error, context.attempt),
  },
}).createMachine({
  id: 'cert-rotator',
  context: ({ input }) => ({ ...input, attempt: 0, renewed: undefined, again: false }),
  initial: 'checking',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    idle: {
      after: { untilCheck: 'checking' },
      on: { 'cert.check': 'checking', 'cert.renew': 'renewing' },
    },
    checking: {
      entry: 'begin',
      always: [{ guard: 'disabled', target: 'idle' }, { guard: 'due', target: 'renewing' }, { target: 'idle' }],
    },
    renewing: {
      on: { 'cert.renew': { actions: 'remember' }, 'cert.check': { actions: 'remember' } },
      invoke: {
        src: 'renew',
        input: ({ context }) => context.renewal,
        onDone: {
          target: 'installing',
          actions: { type: 'keep', params: ({ event }) => ({ renewed: event.output }) },
        },
        onError: {
          target: 'backing-off',
          actions: ['countFailure', { type: 'reportFailure', params: ({ event }) => ({ error: event.error }) }],
        },
      },
    },
    installing: {
      on: { 'cert.renew': { actions: 'remember' }, 'cert.check': { actions: 'remember' } },
      invoke: {
        src: 'install',
        input: ({ context }) => ({ renewal: context.renewal, renewed: context.renewed! }),
        onDone: [
          { guard: 'again', target: 'checking', actions: 'succeeded' },
          { target: 'idle', actions: 'succeeded' },
        ],
        onError: {
          target: 'backing-off',
          actions: ['countFailure', { type: 'reportFailure', params: ({ event }) => ({ error: event.error }) }],
        },
      },
    },
    'backing-off': {
      always: { guard: 'again', target: 'checking' },
      after: { backoff: 'renewing' },
      on: { 'cert.renew': 'renewing', 'cert.issuer': 'renewing', 'cert.check': 'checking' },
    },
    stopped: { type: 'final' },
  },
});
