import { assign, fromPromise, setup } from 'xstate';
import { type Result, unwrap } from '../../errors.ts';

/** What the rotator needs of the world; each step is a plain async function. */
export interface CertificateRenewal {
  /** Milliseconds until the certificate should be renewed; 0 or less when it is due. */
  dueInMs(): number;
  /** Gets a certificate for a fresh key, from the local CA key (development) or a CA node. */
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
}

interface RotatorContext extends CertRotatorInput {
  readonly attempt: number;
  readonly renewed: Renewed | undefined;
}

const backoffMs = { first: 10_000, max: 3_600_000 } as const;
/** setTimeout’s own bound is 2^31−1 ms; a longer wait becomes several checks. */
const sleepMsMax = 2_000_000_000;

/** Keeps the node’s certificate fresh: a new key each time, files before connections, a failure backs off. */
export const certRotator = setup({
  types: {
    context: {} as RotatorContext,
    input: {} as CertRotatorInput,
    events: {} as { type: 'cert.check' } | { type: 'cert.renew' } | { type: 'kernel.shutdown' },
  },
  delays: {
    untilCheck: ({ context }) => Math.min(context.checkIntervalMs, sleepMsMax),
    backoff: ({ context }) => Math.min(backoffMs.max, backoffMs.first * 2 ** (context.attempt - 1)),
  },
  guards: {
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
    succeeded: assign({ attempt: 0, renewed: undefined }),
    countFailure: assign({ attempt: ({ context }) => context.attempt + 1, renewed: undefined }),
    reportFailure: ({ context }, params: { error: unknown }) => context.renewal.failed(params.error, context.attempt),
  },
}).createMachine({
  id: 'cert-rotator',
  context: ({ input }) => ({ ...input, attempt: 0, renewed: undefined }),
  initial: 'checking',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    idle: {
      after: { untilCheck: 'checking' },
      on: { 'cert.check': 'checking', 'cert.renew': 'renewing' },
    },
    checking: {
      always: [{ guard: 'disabled', target: 'idle' }, { guard: 'due', target: 'renewing' }, { target: 'idle' }],
    },
    renewing: {
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
      invoke: {
        src: 'install',
        input: ({ context }) => ({ renewal: context.renewal, renewed: context.renewed! }),
        onDone: { target: 'idle', actions: 'succeeded' },
        onError: {
          target: 'backing-off',
          actions: ['countFailure', { type: 'reportFailure', params: ({ event }) => ({ error: event.error }) }],
        },
      },
    },
    'backing-off': { after: { backoff: 'checking' }, on: { 'cert.renew': 'renewing' } },
    stopped: { type: 'final' },
  },
});
