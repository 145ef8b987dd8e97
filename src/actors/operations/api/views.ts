import { z } from 'zod';
import { type AgentId, isAgentId, isNodeId, type NodeId } from '../../../names.ts';
import { type Performative, performatives } from '../../../protocols/acl/performative.ts';
import { noticeKinds } from '../../../protocols/notice/notice.ts';
import type { LinkView } from '../../cluster/links/link-view.ts';
import type { ActorView } from '../../kernel/kernel.ts';
import type { MetricSample } from '../../kernel/ports.ts';
import type {
  AgentView,
  AuditCheckpointView,
  AuditConsistencyView,
  AuditHead,
  AuditProofView,
  AuditVerification,
  MemberView,
  NodeStatus,
  SendOutcome,
} from '../control.ts';
import type { NoticeView } from '../notice-view.ts';
import type { RootsView } from '../roots-view.ts';
import type { WitnessedLogView } from '../witnessed-log-view.ts';

/** The shapes that the API gives out. What a view has beside these fields never leaves the node. */

/** `tenant/name`. */
export const agentId = z.custom<AgentId>(
  (value) => typeof value === 'string' && isAgentId(value),
  'expected an agent as tenant/name, each part [a-z0-9][a-z0-9_-]*',
);
export const nodeId = z.custom<NodeId>((value) => typeof value === 'string' && isNodeId(value), 'expected a node id');
export const performative: z.ZodType<Performative> = z.enum(performatives);

const count = z.number().int().nonnegative();

/** Every list is an object with `items`, so that a page or a total can be added beside them. */
export const listOf = <T>(item: z.ZodType<T>): z.ZodType<{ items: T[] }> => z.object({ items: z.array(item) });

const revokedView = z.object({ by: z.enum(['notice', 'peers']), reason: z.string() });
const auditHead: z.ZodType<AuditHead> = z.object({ state: z.string(), sequence: count, hash: z.string() });

const siemView = z.object({
  name: z.string(),
  kind: z.enum(['syslog', 'hec', 'otlp']),
  confirmedSequence: count,
  backlogRecords: count,
  failure: z.string().exactOptional(),
});

export const statusView: z.ZodType<NodeStatus> = z.object({
  nodeId,
  spiffeId: z.string(),
  clusterId: z.string(),
  version: z.string(),
  pid: count,
  startedAt: z.string(),
  state: z.enum(['starting', 'running', 'draining', 'stopped']),
  partition: z.enum(['majority', 'minority', 'isolated']),
  bootEpoch: count,
  addresses: z.object({ link: z.string(), gossip: z.string(), api: z.string() }),
  certificate: z.object({ serial: z.string(), notBefore: z.string(), notAfter: z.string() }),
  gossipKeyVersion: count,
  agents: count,
  links: count,
  audit: auditHead,
  revoked: revokedView.exactOptional(),
  suspended: revokedView.exactOptional(),
  lockedOut: z.string().exactOptional(),
  siem: z.array(siemView),
});

export const noticeView: z.ZodType<NoticeView> = z.object({
  kind: z.enum(noticeKinds),
  generation: count,
  hash: z.string(),
  issuedAt: z.string(),
  signer: z.string(),
  signerTrusted: z.boolean(),
  rivals: count,
  document: z.string(),
  body: z.record(z.string(), z.unknown()),
});

export const rootsView: z.ZodType<RootsView> = z.object({
  generation: count,
  roots: z.array(z.string()),
  issuing: count,
  held: z.array(z.string()),
  current: z.boolean(),
  oldLinks: z.array(nodeId),
  members: z.array(
    z.object({
      nodeId,
      status: z.enum(['alive', 'suspect', 'unreachable', 'dead', 'left', 'revoked', 'suspended', 'unknown']),
      acknowledgement: z.string().exactOptional(),
      certificate: z.string().exactOptional(),
    }),
  ),
});

export const memberView: z.ZodType<MemberView> = z.object({
  nodeId,
  status: z.enum(['alive', 'suspect', 'unreachable', 'dead', 'left', 'revoked', 'suspended']),
  address: z.string(),
  bootEpoch: count,
  incarnation: count,
  self: z.boolean(),
  link: z.enum(['ready', 'down', 'self']),
  since: z.string(),
});

export const linkView: z.ZodType<LinkView> = z.object({
  peer: z.string(),
  state: z.string(),
  side: z.enum(['dialer', 'acceptor']),
  spiffeId: z.string(),
  serial: z.string(),
  tlsProtocol: z.string(),
  keyExchange: z.string(),
  since: z.string(),
});

export const agentView: z.ZodType<AgentView> = z.object({
  agentId,
  node: nodeId,
  kind: z.string(),
  state: z.string(),
  generation: count,
  deployer: z.string(),
  deploymentId: z.string().exactOptional(),
  tokenId: z.string().exactOptional(),
  services: z.array(z.string()),
  rivals: z.array(nodeId).exactOptional(),
  reachable: z.boolean(),
});

/** Some of the agents; `next` is the last of them when there are more behind it. */
export interface AgentPage {
  readonly items: AgentView[];
  readonly next?: AgentId;
}

export const agentPage: z.ZodType<AgentPage> = z.object({ items: z.array(agentView), next: agentId.exactOptional() });

export const actorView: z.ZodType<ActorView> = z.object({
  path: z.string(),
  kind: z.enum(['worker', 'supervisor']),
  incarnation: count,
  restarts: count,
  waiting: count,
  suspended: z.boolean(),
  state: z.unknown(),
});

export const metricSample: z.ZodType<MetricSample> = z.object({
  name: z.string(),
  kind: z.enum(['counter', 'gauge']),
  labels: z.record(z.string(), z.string()),
  value: z.number(),
});

export const sendOutcome: z.ZodType<SendOutcome> = z.object({
  messageId: z.string(),
  reply: z.object({ performative, sender: agentId, language: z.string(), content: z.string() }).exactOptional(),
});

export const auditVerification: z.ZodType<AuditVerification> = z.object({
  valid: z.boolean(),
  records: count,
  headSequence: count,
  headHash: z.string(),
  firstBad: z.object({ sequence: count, reason: z.string() }).exactOptional(),
});

export const auditCheckpoint: z.ZodType<AuditCheckpointView> = z.object({
  origin: z.string(),
  size: count,
  witnessedSize: count,
  witnesses: z.array(z.object({ nodeId, at: z.string() })),
  evidence: z.string().exactOptional(),
  fork: z.object({ kind: z.string(), size: count, by: nodeId }).exactOptional(),
});

export const witnessedLog: z.ZodType<WitnessedLogView> = z.object({
  nodeId,
  size: count,
  root: z.string(),
  evidence: z.string().exactOptional(),
  fork: z.object({ kind: z.string(), size: count, root: z.string() }).exactOptional(),
});

export const auditProof: z.ZodType<AuditProofView> = z.object({
  sequence: count,
  size: count,
  witnesses: count,
  proof: z.string(),
});

export const auditConsistency: z.ZodType<AuditConsistencyView> = z.object({
  from: count,
  to: count,
  root: z.string(),
  hashes: z.array(z.string()),
});
