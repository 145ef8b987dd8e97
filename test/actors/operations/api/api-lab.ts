import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { Address, Clock, TlsIdentity } from '../../../../src/actors/kernel/ports.ts';
import { ApiAccess } from '../../../../src/actors/operations/api/api-access.ts';
import type { AgentView, Caller, NodeControl, NodeStatus } from '../../../../src/actors/operations/control.ts';
import type { GossipKeysView } from '../../../../src/actors/operations/gossip-key-view.ts';
import { createManagementApi, type ManagementApi } from '../../../../src/actors/operations/management-api.ts';
import type { NoticeView } from '../../../../src/actors/operations/notice-view.ts';
import { type ApiKey, createApiKey, readApiKey } from '../../../../src/crypto/api-key.ts';
import { issueCa, issueServerCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { ok, unwrap } from '../../../../src/errors.ts';
import type { AgentId, NodeId } from '../../../../src/names.ts';

export const node1 = 'node-1' as NodeId;
export const echo = 'default/echo' as AgentId;

const year = 365 * 86_400_000;
const now = nodeClock.now();
export const ca = issueCa(osCrypto, { trustDomain: 'test.caxton', notBefore: now - 60_000, notAfter: now + year });

/** A server certificate of `ca` (or another) for loopback. */
export function tlsIdentity(authority = ca, names = { dns: ['localhost'], ip: ['127.0.0.1', '::1'] }): TlsIdentity {
  const key = osCrypto.generateKeyPair('p256');
  const certPem = unwrap(
    issueServerCertificate(osCrypto, {
      ca: authority,
      publicKey: key.publicKey,
      commonName: 'node-1',
      ...names,
      notBefore: now - 60_000,
      notAfter: now + year,
    }),
  );
  return { certPem, keyPem: privateKeyToPem(key.privateKey), caPem: authority.certPem };
}

export const agentEcho: AgentView = {
  agentId: echo,
  node: node1,
  kind: 'handler',
  state: 'running',
  generation: 1,
  deployer: 'ed25519:abc',
  services: ['echo'],
  reachable: true,
};

const noticeTrust: NoticeView = {
  kind: 'trust',
  generation: 1,
  hash: 'ab'.repeat(32),
  issuedAt: '2026-01-31T12:00:00.000Z',
  signer: 'A'.repeat(22),
  signerTrusted: true,
  rivals: 0,
  document: 'cxnot1.e30.A.A',
  body: { authorities: [] },
};

export const nodeStatus: NodeStatus = {
  nodeId: node1,
  spiffeId: 'spiffe://test.caxton/node/node-1',
  clusterId: 'c0ffee',
  version: '0.1.0',
  pid: 42,
  startedAt: '2026-01-31T12:00:00.000Z',
  state: 'running',
  partition: 'majority',
  bootEpoch: 3,
  addresses: { link: '127.0.0.1:7701', gossip: '127.0.0.1:7701', api: '127.0.0.1:7801' },
  certificate: { serial: '0a', notBefore: '2026-01-01T00:00:00.000Z', notAfter: '2026-04-01T00:00:00.000Z' },
  gossipKeyVersion: 1,
  agents: 1,
  links: 2,
  audit: { state: 'writing', sequence: 9, hash: 'ab'.repeat(32) },
  siem: [],
};

const firstKey = { epoch: 1, hash: 'ab'.repeat(16), proposer: '' };
const nextKey = { epoch: 2, hash: 'cd'.repeat(16), proposer: 'node-1' };
export const gossipKeys: GossipKeysView = {
  stage: 'distributing',
  sealing: { ...firstKey, since: '2026-01-31T12:00:00.000Z' },
  candidate: nextKey,
  retiring: [],
  nextAt: '2026-02-01T12:00:00.000Z',
  due: 'operator',
  members: [{ nodeId: node1, self: true, sealing: firstKey, candidate: nextKey }],
};

export interface FakeControl extends NodeControl {
  readonly audited: { type: string; caller: Caller; reasons: readonly string[] }[];
  readonly calls: { name: string; argument: unknown; caller?: Caller }[];
}

/** A node that answers well; each test replaces what it is about. */
export function fakeControl(over: Partial<NodeControl> = {}): FakeControl {
  const audited: FakeControl['audited'] = [];
  const calls: FakeControl['calls'] = [];
  return {
    audited,
    calls,
    status: () => nodeStatus,
    members: () => [
      {
        nodeId: node1,
        status: 'alive',
        address: '127.0.0.1:7701',
        bootEpoch: 3,
        incarnation: 0,
        self: true,
        link: 'self',
        since: '2026-01-31T12:00:00.000Z',
      },
    ],
    links: () => [],
    agents: () => [agentEcho],
    agent: (agent) => (agent === echo ? agentEcho : undefined),
    actors: () => [
      {
        path: '/node',
        kind: 'supervisor',
        incarnation: 1,
        restarts: 0,
        waiting: 0,
        suspended: false,
        state: undefined,
      },
    ],
    metrics: () => [{ name: 'caxton_x_total', kind: 'counter', labels: { a: 'b' }, value: 2 }],
    gossipKeys: () => gossipKeys,
    async rotateGossipKey(caller) {
      calls.push({ name: 'rotateGossipKey', argument: undefined, caller });
      return ok(gossipKeys);
    },
    notices: () => [noticeTrust],
    roots: async () => ({ generation: 0, roots: [], issuing: 0, held: [], current: true, oldLinks: [], members: [] }),
    async publishNotice(argument, caller) {
      calls.push({ name: 'publishNotice', argument, caller });
      return ok(noticeTrust);
    },
    async deploy(argument, caller) {
      calls.push({ name: 'deploy', argument, caller });
      return ok(agentEcho);
    },
    async remove(argument, caller) {
      calls.push({ name: 'remove', argument, caller });
      return ok(undefined);
    },
    async send(argument, caller) {
      calls.push({ name: 'send', argument, caller });
      const reply = { performative: 'inform', sender: echo, language: 'text', content: argument.content } as const;
      return ok(argument.timeoutMs === 0 ? { messageId: 'm-1' } : { messageId: 'm-1', reply });
    },
    async auditTail(argument) {
      calls.push({ name: 'auditTail', argument });
      return ok([{ seq: 1, type: 'NodeStarted', outcome: 'success' }]);
    },
    auditCheckpoint: () => ({
      origin: 'caxton.test/node/node-1/audit',
      size: 9,
      witnessedSize: 9,
      witnesses: [{ nodeId: node1, at: '2026-01-31T12:00:00.000Z' }],
      evidence: '{}',
    }),
    auditWitnessed: () => [{ nodeId: node1, size: 7, root: 'ab'.repeat(32) }],
    auditProve: async (sequence) => {
      calls.push({ name: 'auditProve', argument: sequence });
      return ok({ sequence, size: 9, witnesses: 2, proof: 'c2sp.org/tlog-proof@v1\n' });
    },
    auditConsistency: async ({ from, to }) => ok({ from, to, root: 'ab'.repeat(32), hashes: [] }),
    auditAccept: async (log, caller) => {
      calls.push({ name: 'auditAccept', argument: log, caller });
      return ok(undefined);
    },
    auditVerify: async () => ok({ valid: true, records: 9, headSequence: 9, headHash: 'ab'.repeat(32) }),
    joinToken: async ({ nodeId }, caller) => {
      calls.push({ name: 'joinToken', argument: nodeId, caller });
      return ok({ token: 'caxton-join-1.x', id: 'ab', expiresAt: '2026-02-01T12:00:00.000Z' });
    },
    joinTokens: async () =>
      ok([{ id: 'ab'.repeat(16), nodeId: node1, replace: false, expiresAt: '2026-02-01T12:00:00.000Z' }]),
    cancelJoinToken: async (id, caller) => {
      calls.push({ name: 'cancelJoinToken', argument: id, caller });
      return ok({ nodeId: node1 });
    },
    certificatesOf: async (argument) => {
      calls.push({ name: 'certificatesOf', argument });
      return [];
    },
    enrolmentCa: () => ok(ca.certPem),
    enrolAgain: async ({ certificate }, caller) => {
      calls.push({ name: 'enrolAgain', argument: certificate, caller });
      return ok({ certificate: 'cert', ca: ca.certPem });
    },
    enrol: async ({ id }, caller) => {
      calls.push({ name: 'enrol', argument: id, caller });
      return ok({ certificate: 'cert', ca: ca.certPem });
    },
    async audit(event) {
      audited.push(event);
      return ok(undefined);
    },
    async shutdown(caller) {
      calls.push({ name: 'shutdown', argument: undefined, caller });
      return ok(undefined);
    },
    ...over,
  };
}

export interface ApiLab {
  readonly api: ManagementApi;
  readonly control: FakeControl;
  readonly address: Address;
  readonly key: string;
  readonly bugs: unknown[];
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Over HTTP/1.1, with the right key unless the headers say otherwise. */
  ask(method: string, path: string, options?: { headers?: Record<string, string>; body?: string }): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; empty when there is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

export interface ApiLabOptions {
  readonly over?: Partial<NodeControl>;
  readonly clock?: Clock;
  readonly rateLimit?: { readonly count: number; readonly periodMs: number };
  readonly tls?: TlsIdentity;
  /** Default: a key of its own. */
  readonly apiKey?: ApiKey;
  /** Of the key `dev`; default `admin`. */
  readonly roles?: readonly string[];
  readonly access?: ApiAccess;
}

/** Who may use an API: keys of a file by their ids, as hashes. */
export const accessOf = (keys: Readonly<Record<string, string>>, roles: readonly string[] = ['admin']): ApiAccess =>
  new ApiAccess({
    fileKeys: {
      keys: Object.entries({ other: createApiKey(osCrypto).hash, ...keys }).map(([id, hash]) => ({
        ...{ id, name: id, roles, resources: ['*'] as const },
        secrets: [{ hash, notBefore: 0 }],
      })),
    },
    blind: (hash) => `blind ${hash}`,
  });

/** A management API on loopback. Close it with `lab.api.close()`. */
export async function apiLab(options: ApiLabOptions = {}): Promise<ApiLab> {
  const control = fakeControl(options.over);
  const { key, hash } = options.apiKey ?? createApiKey(osCrypto);
  const bugs: unknown[] = [];
  const api = createManagementApi({
    control,
    bind: { host: '127.0.0.1', port: 0 },
    tls: options.tls ?? tlsIdentity(),
    access: options.access ?? accessOf({ dev: hash }, options.roles),
    clock: options.clock ?? nodeClock,
    crypto: osCrypto,
    readApiKey,
    ...(options.rateLimit ? { rateLimit: options.rateLimit } : {}),
    onBug: (error) => bugs.push(error),
  });
  const address = await api.listen();
  const ask: ApiLab['ask'] = (method, path, { headers, body } = {}) =>
    exchange(address, method, path, { authorization: `Bearer ${key}`, ...headers }, body);
  return {
    api,
    control,
    address,
    key,
    bugs,
    ask,
    get: (path, headers) => ask('GET', path, headers ? { headers } : {}),
  };
}

/** One request over a connection of its own. A header with an empty value is not sent. */
export function exchange(
  { host, port }: Address,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string,
): Promise<Answer> {
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''));
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host, port, method, path, headers: sent, ca: ca.certPem, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: text === '' ? {} : JSON.parse(text),
          }),
        );
        response.on('error', reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** One request over HTTP/2; also tells what TLS and ALPN agreed on. */
export function exchangeHttp2(
  { host, port }: Address,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; json: Record<string, unknown>; alpn: string; tls: string }> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(`https://${host}:${port}`, { ca: ca.certPem });
    session.on('error', reject);
    const stream = session.request({ ':path': path, ...headers });
    let status = 0;
    let text = '';
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      const { alpnProtocol, socket } = session;
      const tls = (socket as unknown as { getProtocol(): string }).getProtocol();
      session.close();
      resolve({ status, json: JSON.parse(text), alpn: alpnProtocol ?? '', tls });
    });
  });
}
