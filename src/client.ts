import type { LinkView } from './actors/cluster/links/link-view.ts';
import type { ActorView } from './actors/kernel/kernel.ts';
import type { MetricSample } from './actors/kernel/ports.ts';
import type { AccessView } from './actors/operations/api/api-access.ts';
import type {
  AgentView,
  AuditCheckpointView,
  AuditConsistencyView,
  AuditPart,
  AuditProofView,
  AuditVerification,
  DeployRequest,
  MemberView,
  NodeStatus,
  SendOutcome,
  SendRequest,
} from './actors/operations/control.ts';
import type {
  HeldCertificateView,
  JoinTokenRequest,
  JoinTokenView,
  OpenJoinTokenView,
} from './actors/operations/enrolment-control.ts';
import type { GossipKeysView } from './actors/operations/gossip-key-view.ts';
import type { NoticeView } from './actors/operations/notice-view.ts';
import type { RootsView } from './actors/operations/roots-view.ts';
import type { WitnessedLogView } from './actors/operations/witnessed-log-view.ts';
import { agentPages } from './client/agent-pages.ts';
import { type AnswerShape, answers } from './client/answer-shape.ts';
import { createConnection } from './client/connection.ts';
import { type AgentId, localNameOf, type NodeId, tenantOf } from './names.ts';
import type { AgentQuery } from './protocols/registry/agent-query.ts';

export interface ClientOptions {
  /** `https://host:port`; an IPv6 host in brackets. */
  readonly address: string;
  /** The CA certificates that the server’s certificate must come from; the system’s are not asked. */
  readonly caPem: string;
  /** `cxk_…`; sent as a bearer token, and only after the server’s certificate was verified. */
  readonly apiKey: string;
  /** Milliseconds for one request, its connection included; default 10,000. `send` gets its own wait on top. */
  readonly timeoutMs?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/**
 * A node’s management API, typed. Every method rejects with `CaxtonError`: with the node’s own code and reasons when
 * it refuses, otherwise UNREACHABLE, CERTIFICATE_REFUSED, TIMED_OUT, CANCELLED, LIMIT_EXCEEDED or PROTOCOL_VIOLATION.
 */
export interface Client {
  readonly address: string;
  /** Whether the process answers at all; needs no valid API key. */
  live(options?: CallOptions): Promise<{ readonly live: boolean }>;
  ready(options?: CallOptions): Promise<{ readonly ready: boolean; readonly state: NodeStatus['state'] }>;
  status(options?: CallOptions): Promise<NodeStatus>;
  members(options?: CallOptions): Promise<readonly MemberView[]>;
  links(options?: CallOptions): Promise<readonly LinkView[]>;
  /** The agents that are asked for, as the node knows them, by name; without a `limit` all of them, page by page. */
  agents(query?: AgentQuery & CallOptions): Promise<readonly AgentView[]>;
  /** One of them; UNKNOWN_AGENT when no node hosts it. */
  agent(agent: AgentId, options?: CallOptions): Promise<AgentView>;
  deploy(request: DeployRequest, options?: CallOptions): Promise<AgentView>;
  remove(agent: AgentId, options?: CallOptions): Promise<void>;
  /** Sends as the node’s console agent; waits `request.timeoutMs` for the reply, 0 for none. */
  send(request: SendRequest, options?: CallOptions): Promise<SendOutcome>;
  /**
   * The newest records, or those from number `from` on, oldest first. `limit` from 1 to `limits.apiRecordsMax`, default
   * 100.
   */
  auditRecords(
    options?: CallOptions & { readonly limit?: number; readonly from?: number },
  ): Promise<readonly unknown[]>;
  /** `part`: only the segments that hold these records, from 1, both included. */
  auditVerification(options?: CallOptions & { readonly part?: AuditPart }): Promise<AuditVerification>;
  /** What the node last signed of its own audit log, and who countersigned it. */
  auditCheckpoint(options?: CallOptions): Promise<AuditCheckpointView>;
  /** What the node has countersigned of others’ logs. */
  auditWitnessed(options?: CallOptions): Promise<readonly WitnessedLogView[]>;
  /** One record as a `.tlog-proof` file: check it with `verifyAuditProof`. */
  auditProof(sequence: number, options?: CallOptions): Promise<AuditProofView>;
  auditConsistency(
    sizes: { readonly from: number; readonly to: number },
    options?: CallOptions,
  ): Promise<AuditConsistencyView>;
  /** Lets the node take a log that does not continue its own past for what it says now. */
  auditAccept(log: NodeId, options?: CallOptions): Promise<void>;
  /** What the key of this client may do. */
  whoami(options?: CallOptions): Promise<AccessView>;
  /** The cluster’s documents that are in force at the node. */
  notices(options?: CallOptions): Promise<readonly NoticeView[]>;
  /** The roots of the cluster, and how far a rotation of them is. */
  roots(options?: CallOptions): Promise<RootsView>;
  /** Gives the node a cluster document that an authority has signed; it spreads it. */
  publishNotice(document: string, options?: CallOptions): Promise<NoticeView>;
  /** The keys of the gossip as the node sees them, by name. */
  gossipKeys(options?: CallOptions): Promise<GossipKeysView>;
  /** Has the node propose a new gossip key; resolves when it has. It seals when the others hold it. */
  rotateGossipKey(options?: CallOptions): Promise<GossipKeysView>;
  /** A token with which one node can join, once: a secret. Of a CA node. */
  joinToken(request: JoinTokenRequest, options?: CallOptions): Promise<JoinTokenView>;
  /** The join tokens of a CA node that are not over. */
  joinTokens(options?: CallOptions): Promise<readonly OpenJoinTokenView[]>;
  /** Makes a join token worthless; tells what was issued for it, if it was used. */
  cancelJoinToken(id: string, options?: CallOptions): Promise<{ readonly nodeId: NodeId; readonly serial?: string }>;
  /** What a node knows of a node’s certificates that have not ended. */
  certificatesOf(node: NodeId, options?: CallOptions): Promise<readonly HeldCertificateView[]>;
  actors(options?: CallOptions): Promise<readonly ActorView[]>;
  metrics(options?: CallOptions): Promise<readonly MetricSample[]>;
  /** Begins an orderly stop of the node; resolves when it has begun. */
  shutdown(options?: CallOptions): Promise<void>;
  /** Closes idle connections. Not needed for the process to end: they do not keep it alive. */
  close(): void;
}

interface Items<T> {
  readonly items: readonly T[];
}

const defaultTimeoutMs = 10_000;
/** What a request may take beside the wait that it asks the node for. */
const marginMs = 5_000;

/** Makes a client; it connects with its first request. Throws CONFIG_INVALID for an address that is no https URL. */
export function createClient(options: ClientOptions): Client {
  const connection = createConnection(options);
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  const get = <T>(path: string, shape: AnswerShape, call: CallOptions = {}): Promise<T> =>
    connection.request<T>({ method: 'GET', path, shape, timeoutMs, ...call });
  const list = async <T>(path: string, shape: AnswerShape, call?: CallOptions): Promise<readonly T[]> =>
    (await get<Items<T>>(path, shape, call)).items;
  const post = <T>(path: string, body: unknown, shape: AnswerShape, call: CallOptions = {}): Promise<T> =>
    connection.request<T>({ method: 'POST', path, body, shape, timeoutMs, ...call });
  return {
    address: options.address,
    live: (call) => get('/health/live', answers.live, call),
    ready: (call) =>
      connection.request({
        method: 'GET',
        path: '/health/ready',
        shape: answers.ready,
        timeoutMs,
        answers: [200, 503],
        ...call,
      }),
    status: (call) => get('/api/v1/status', answers.status, call),
    members: (call) => list('/api/v1/cluster/members', answers.members, call),
    links: (call) => list('/api/v1/cluster/links', answers.links, call),
    agents: (query = {}) => agentPages(query, (path) => get(path, answers.agents, callOf(query))),
    agent: (agent, call) => get(agentPath(agent), answers.agent, call),
    deploy: (request, call) => post('/api/v1/agents', request, answers.agent, call),
    async remove(agent, call) {
      await connection.request({ method: 'DELETE', path: agentPath(agent), shape: answers.done, timeoutMs, ...call });
    },
    send: (request, call) =>
      post('/api/v1/messages', request, answers.sent, { timeoutMs: request.timeoutMs + marginMs, ...call }),
    auditRecords: ({ limit, from, ...call } = {}) => {
      const query = new URLSearchParams();
      if (limit !== undefined) query.set('limit', String(limit));
      if (from !== undefined) query.set('from', String(from));
      const suffix = query.size === 0 ? '' : `?${query}`;
      return list(`/api/v1/audit/records${suffix}`, answers.records, call);
    },
    auditVerification: ({ part, ...call } = {}) =>
      get(`/api/v1/audit/verification${part ? `?${queryOf(part)}` : ''}`, answers.verification, call),
    auditCheckpoint: (call) => get('/api/v1/audit/checkpoint', answers.checkpoint, call),
    auditWitnessed: (call) => list('/api/v1/audit/witnessed', answers.witnessed, call),
    auditProof: (sequence, call) => get(`/api/v1/audit/proofs/${sequence}`, answers.proof, call),
    auditConsistency: (sizes, call) => get(`/api/v1/audit/consistency?${queryOf(sizes)}`, answers.consistency, call),
    async auditAccept(log, call) {
      await post('/api/v1/audit/acceptances', { log }, answers.done, call);
    },
    whoami: (call) => get('/api/v1/auth/whoami', answers.whoami, call),
    notices: (call) => list('/api/v1/notices', answers.notices, call),
    roots: (call) => get('/api/v1/security/roots', answers.roots, call),
    publishNotice: (document, call) => post('/api/v1/notices', { document }, answers.notice, call),
    gossipKeys: (call) => get('/api/v1/cluster/keys', answers.gossipKeys, call),
    rotateGossipKey: (call) => post('/api/v1/cluster/keys/rotations', undefined, answers.gossipKeys, call),
    joinToken: (request, call) => post('/api/v1/security/join-tokens', request, answers.joinToken, call),
    joinTokens: (call) => list('/api/v1/security/join-tokens', answers.joinTokens, call),
    cancelJoinToken: (id, call) =>
      connection.request({
        method: 'DELETE',
        path: `/api/v1/security/join-tokens/${encodeURIComponent(id)}`,
        shape: answers.cancelledToken,
        timeoutMs,
        ...call,
      }),
    certificatesOf: (node, call) =>
      list(`/api/v1/security/certificates/${encodeURIComponent(node)}`, answers.certificates, call),
    actors: (call) => list('/api/v1/actors', answers.actors, call),
    metrics: (call) => list('/api/v1/metrics', answers.metrics, call),
    async shutdown(call) {
      await post('/api/v1/server/shutdown', undefined, answers.done, call);
    },
    close: () => connection.close(),
  };
}

const agentPath = (agent: AgentId): string =>
  `/api/v1/agents/${encodeURIComponent(tenantOf(agent))}/${encodeURIComponent(localNameOf(agent))}`;

/** What is about the call and not about agents. */
const callOf = ({ signal, timeoutMs }: CallOptions): CallOptions => ({
  ...(signal === undefined ? {} : { signal }),
  ...(timeoutMs === undefined ? {} : { timeoutMs }),
});

const queryOf = (part: { readonly from: number; readonly to?: number }): string =>
  new URLSearchParams(Object.entries(part).map(([key, value]): [string, string] => [key, String(value)])).toString();
