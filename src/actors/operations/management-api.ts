import type { Http2SecureServer } from 'node:http2';
import { assign, fromCallback, fromPromise, setup } from 'xstate';
import type { TlsSettings } from '../../config/tls.ts';
import type { Crypto } from '../../crypto/port.ts';
import type { Result } from '../../errors.ts';
import type { Address, Clock, TlsIdentity } from '../kernel/ports.ts';
import { createAdmission } from './api/admission.ts';
import type { ApiAccess } from './api/api-access.ts';
import { createAuthenticate } from './api/authentication.ts';
import {
  type Connections,
  checkTls,
  createListener,
  type ListenerTls,
  replaceTls,
  startListening,
  stopListening,
  trackConnections,
} from './api/listener.ts';
import { createLoginRecord } from './api/login-record.ts';
import { createPermits } from './api/permit.ts';
import { apiRoutes } from './api/routes.ts';
import { createHttpApp } from './api/server.ts';
import type { UnderWay } from './api/under-way.ts';
import type { NodeControl } from './control.ts';

export interface ManagementApiOptions {
  readonly control: NodeControl;
  /** Port 0 takes a free one, and keeps it over restarts of the API. */
  readonly bind: Address;
  readonly tls: TlsIdentity;
  /** Versions, suites and groups; absent: TLS 1.3 as Node has it. */
  readonly tlsSettings?: TlsSettings;
  /** Who may call, and for what. */
  readonly access: ApiAccess;
  readonly clock: Clock;
  /** For request ids and ticket keys. */
  readonly crypto: Crypto;
  /** Requests per source and identity; absent: no limit. */
  readonly rateLimit?: { readonly count: number; readonly periodMs: number };
  readonly readApiKey: (text: string) => Result<{ readonly hash: string }>;
  /** A keyed hash that may stand in the audit log for a credential that was refused; absent: none is mentioned. */
  readonly standIn?: (secret: string) => string;
  /** A route threw: a bug, for the log. The client was told the request id and nothing more. */
  readonly onBug?: (error: unknown, requestId: string) => void;
}

/** The API’s listener. Its identity is stable: a restart of its chart stops and starts the same object. */
export interface ManagementApi {
  /** Resolves with the bound address once requests are answered. ADDRESS_IN_USE, CONFIG_INVALID. */
  listen(): Promise<Address>;
  /** Answers what is under way, refuses what is new, cuts what takes too long. Idempotent. */
  close(): Promise<void>;
  /** New connections get this certificate, and so does every later `listen`. CONFIG_INVALID; then nothing changed. */
  setTls(tls: TlsIdentity): void;
}

interface Running {
  readonly server: Http2SecureServer;
  readonly connections: Connections;
  readonly underWay: UnderWay;
  draining: boolean;
}

/** Makes the management API of a node; it listens when told to. */
export function createManagementApi(options: ManagementApiOptions): ManagementApi {
  const { control, clock, crypto, access } = options;
  const admit = createAdmission({
    authenticate: createAuthenticate(access, clock, options.readApiKey),
    logins: createLoginRecord(control, clock, options.standIn),
    permitOf: createPermits(access, control, clock),
    clock,
    rateLimit: options.rateLimit,
  });
  const speaks = options.tlsSettings;
  let tls: ListenerTls = { ...options.tls, speaks };
  let bind = options.bind;
  let running: Running | undefined;
  access.onChanged(() => running?.underWay.judgeAgain());
  // One after the other: a chart that restarts begins while its last life may still be draining.
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const result = turn.then(act);
    turn = result.catch(() => undefined);
    return result;
  };

  const start = async (): Promise<Address> => {
    await stop();
    let mine: Running | undefined;
    const { app, underWay } = createHttpApp({
      routes: apiRoutes,
      control,
      crypto,
      clock,
      admit,
      draining: () => mine?.draining === true,
      endsAt: (identity) => access.endsAt(identity),
      onBug: options.onBug ?? (() => {}),
      server: (handler) => createListener(tls, crypto, handler),
    });
    mine = { server: app.server, connections: trackConnections(app.server), underWay, draining: false };
    await app.ready();
    bind = await startListening(app.server, bind);
    running = mine;
    return bind;
  };
  const stop = async (): Promise<void> => {
    const stopped = running;
    running = undefined;
    if (stopped) await stopListening(stopped.server, stopped.connections, clock);
  };
  return {
    listen: () => inTurn(start),
    close: () => {
      // At once, not in turn: what arrives from now on is refused.
      if (running) running.draining = true;
      return inTurn(stop);
    },
    setTls(shown) {
      const next = { ...shown, speaks };
      if (running) replaceTls(running.server, next, crypto);
      else checkTls(next, crypto);
      tls = next;
    },
  };
}

/**
 * What the API is doing. A start that fails is an error that nobody here handles: the chart crashes and its supervisor
 * decides. It counts as started in `serving`.
 */
export const managementApi = setup({
  types: {
    input: {} as { readonly api: ManagementApi },
    context: {} as { readonly api: ManagementApi; readonly address: Address | undefined },
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: {
    listen: fromPromise<Address, ManagementApi>(({ input }) => input.listen()),
    drain: fromPromise<void, ManagementApi>(({ input }) => input.close()),
    /** A chart that is killed runs no exit actions, but its actors are stopped: the port is given back here. */
    release: fromCallback<{ type: string }, ManagementApi>(
      ({ input }) =>
        () =>
          void input.close(),
    ),
  },
  actions: {
    keepAddress: assign((_, params: { address: Address }) => ({ address: params.address })),
  },
}).createMachine({
  id: 'management-api',
  context: ({ input }) => ({ api: input.api, address: undefined }),
  initial: 'starting',
  invoke: { src: 'release', input: ({ context }) => context.api },
  states: {
    starting: {
      invoke: {
        src: 'listen',
        input: ({ context }) => context.api,
        onDone: {
          target: 'serving',
          actions: { type: 'keepAddress', params: ({ event }) => ({ address: event.output }) },
        },
      },
      on: { 'kernel.shutdown': 'draining' },
    },
    serving: { on: { 'kernel.shutdown': 'draining' } },
    draining: { invoke: { src: 'drain', input: ({ context }) => context.api, onDone: 'stopped' } },
    stopped: { type: 'final' },
  },
});
