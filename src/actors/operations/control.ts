import type { ErrorCode, Refusal, Result } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Performative } from '../../protocols/acl/performative.ts';
import type { AgentQuery } from '../../protocols/registry/agent-query.ts';
import type { AgentAddress } from '../agents/behaviour.ts';
import type { LinkView } from '../cluster/links/link-view.ts';
import type { ActorView } from '../kernel/kernel.ts';
import type { MetricSample } from '../kernel/ports.ts';
import type { EnrolmentControl } from './enrolment-control.ts';
import type { GossipKeyControl, GossipKeyEvent } from './gossip-key-view.ts';
import type { NoticeControl, NoticeEvent, RevokedView } from './notice-view.ts';
import type { RootsControl, RootsEvent } from './roots-view.ts';
import type { WitnessedLogView } from './witnessed-log-view.ts';

/**
 * What a running node lets others ask and do: the management API, and through it the command line, go through this
 * and nothing else. Every view is plain data, ready for JSON (camelCase, RFC 3339 times in UTC).
 */
export interface NodeControl extends EnrolmentControl, NoticeControl, RootsControl, GossipKeyControl {
  status(): NodeStatus;
  members(): readonly MemberView[];
  links(): readonly LinkView[];
  /** The agents of the cluster that are asked for, as this node knows them, by name; without a query all of them. */
  agents(query?: AgentQuery, isVisible?: (agent: AgentId) => boolean): readonly AgentView[];
  /** One of them; `undefined` when no node hosts it. */
  agent(agent: AgentId): AgentView | undefined;
  /** The supervision tree. */
  actors(): readonly ActorView[];
  metrics(): readonly MetricSample[];
  /**
   * Deploys from a signed manifest; class A audited before it answers. `may` is asked whether the caller may deploy, or, where
   * the agent is there already, update it.
   */
  deploy(request: DeployRequest, caller: Caller, may?: MayDeploy): Promise<Result<AgentView>>;
  remove(agent: AgentId, caller: Caller): Promise<Result<void>>;
  /** Sends as this node’s console agent and, if asked, waits for the answer. */
  send(request: SendRequest, caller: Caller): Promise<Result<SendOutcome>>;
  /** The newest records, or those from number `from` on; oldest first, at most `limits.apiRecordsMax`. */
  auditTail(options: { limit: number; from?: number }): Promise<Result<readonly unknown[]>>;
  /** The whole log, or the part of it between two sequences, both included. */
  auditVerify(part?: AuditPart): Promise<Result<AuditVerification>>;
  /** What this node last signed of its own log, and who countersigned it. */
  auditCheckpoint(): AuditCheckpointView;
  /** What this node has countersigned of other nodes’ logs. */
  auditWitnessed(): readonly WitnessedLogView[];
  /** One record with all that shows that it is in the log. */
  auditProve(sequence: number): Promise<Result<AuditProofView>>;
  /** That the log of one size grew out of the log of another. */
  auditConsistency(sizes: { readonly from: number; readonly to: number }): Promise<Result<AuditConsistencyView>>;
  /** Takes a log that does not continue its own past for what it says now; class A audited before. */
  auditAccept(log: NodeId, caller: Caller): Promise<Result<void>>;
  /** Records a login outcome and the like. Resolves when durable (class A); refused with AUDIT_BLOCKED. */
  audit(event: {
    type: 'LoginSuccess' | 'LoginFailure' | 'AccessDenied';
    caller: Caller;
    reasons: readonly string[];
    /** Of a denial. */
    code?: ErrorCode;
    /** A keyed hash of what was presented: attempts with one credential can be told, and nobody learns it. */
    credential?: string;
  }): Promise<Result<void>>;
  /** Begins an orderly stop; the answer is given before the API closes. */
  shutdown(caller: Caller): Promise<Result<void>>;
}

/** Judges what a deployment turns out to be, once its manifest is verified. */
export type MayDeploy = (permission: 'DeployAgent' | 'UpdateAgent', agent: AgentId) => Result<void>;

/** Who calls, as authenticated; `identity` such as `apikey:dev`, or `anonymous` with a refused credential. */
export interface Caller {
  readonly identity: string;
  readonly sourceIp: string;
  readonly requestId: string;
}

export type PartitionMode = 'majority' | 'minority' | 'isolated';

export interface NodeStatus {
  readonly nodeId: NodeId;
  readonly spiffeId: string;
  readonly clusterId: string;
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly state: 'starting' | 'running' | 'draining' | 'stopped';
  readonly partition: PartitionMode;
  readonly bootEpoch: number;
  readonly addresses: { readonly link: string; readonly gossip: string; readonly api: string };
  readonly certificate: { readonly serial: string; readonly notBefore: string; readonly notAfter: string };
  readonly gossipKeyVersion: number;
  readonly agents: number;
  readonly links: number;
  readonly audit: AuditHead;
  /** This node itself is revoked: by a document that it holds, or by the word of peers that refuse it. */
  readonly revoked?: RevokedView;
  /** It is suspended: the same, until it is resumed. */
  readonly suspended?: RevokedView;
  /** Why it has no links though it is not revoked: it missed a rotation of the roots, and what to do. */
  readonly lockedOut?: string;
  /** Receivers of the audit log; empty when it is not forwarded. */
  readonly siem: readonly SiemView[];
}

/** How far one receiver outside the cluster has the audit log. */
export interface SiemView {
  readonly name: string;
  readonly kind: 'syslog' | 'hec' | 'otlp';
  /** The newest record that the receiver is known to have. */
  readonly confirmedSequence: number;
  /** Records that it does not have yet. */
  readonly backlogRecords: number;
  /** Why the last attempt failed; absent while it takes records. */
  readonly failure?: string;
}

export interface AuditHead {
  readonly state: string;
  readonly sequence: number;
  readonly hash: string;
}

export interface MemberView {
  readonly nodeId: NodeId;
  readonly status: 'alive' | 'suspect' | 'unreachable' | 'dead' | 'left' | 'revoked' | 'suspended';
  readonly address: string;
  readonly bootEpoch: number;
  readonly incarnation: number;
  readonly self: boolean;
  readonly link: 'ready' | 'down' | 'self';
  readonly since: string;
}

export interface AgentView {
  readonly agentId: AgentId;
  readonly node: NodeId;
  readonly kind: string;
  /**
   * Of an agent of the node that is asked what it is doing: `running`, `suspended`, `compromised` and the like. Of another
   * one `remote`, `suspended` when it handles nothing now, `unreachable` when its node has no link.
   */
  readonly state: string;
  readonly generation: number;
  /** The id of the key that signed its manifest. */
  readonly deployer: string;
  /** The ids by which its manifest and its capability token can be revoked; it may have no token. */
  readonly deploymentId?: string;
  readonly tokenId?: string;
  readonly services: readonly string[];
  /** Other nodes that claim the agent too, and do not count. */
  readonly rivals?: readonly NodeId[];
  readonly reachable: boolean;
}

export interface DeployRequest {
  /** The signed manifest in its text form (`protocols/deployment/manifest.ts`). */
  readonly manifest: string;
  /** The agent’s capability token in its text form. */
  readonly capability: string;
}

export interface SendRequest {
  /** An agent, or whoever offers a service: `service:tenant/name?pick=best`. */
  readonly to: AgentAddress;
  readonly performative: Performative;
  readonly content: string;
  readonly language?: string;
  readonly protocol?: string;
  readonly ontology?: string;
  readonly conversationId?: string;
  /** Wait this long for an answer; 0 sends without waiting. */
  readonly timeoutMs: number;
}

export interface SendOutcome {
  readonly messageId: string;
  readonly reply?: {
    readonly performative: Performative;
    readonly sender: AgentId;
    readonly language: string;
    readonly content: string;
  };
}

export interface AuditVerification {
  readonly valid: boolean;
  readonly records: number;
  readonly headSequence: number;
  readonly headHash: string;
  /** The first record that does not fit, when there is one. */
  readonly firstBad?: { readonly sequence: number; readonly reason: string };
}

/** Sequences, from 1; without `to` up to the newest. */
export interface AuditPart {
  readonly from: number;
  readonly to?: number;
}

export interface AuditCheckpointView {
  readonly origin: string;
  /** Records under the newest checkpoint; 0 before the first. */
  readonly size: number;
  /** Records under the newest one that somebody countersigned. */
  readonly witnessedSize: number;
  readonly witnesses: readonly { readonly nodeId: NodeId; readonly at: string }[];
  /** The newest checkpoint with the certificates that vouch for its keys: JSON, see `docs/audit-proof.md`. */
  readonly evidence?: string;
  /** The log does not continue what was signed of it before. */
  readonly fork?: { readonly kind: string; readonly size: number; readonly by: NodeId };
}

export interface AuditProofView {
  readonly sequence: number;
  /** Records under the checkpoint of the proof, and how many countersigned it. */
  readonly size: number;
  readonly witnesses: number;
  /** The text of a `.tlog-proof` file. */
  readonly proof: string;
}

export interface AuditConsistencyView {
  readonly from: number;
  readonly to: number;
  /** Root of the tree of `to`, hexadecimal. */
  readonly root: string;
  /** The proof, each hash in base64. */
  readonly hashes: readonly string[];
}

/** The phases of a node’s stop, in order: `node-stop.ts`. */
export type StopPhaseName = 'stop-accepting' | 'drain' | 'leave-cluster' | 'flush-audit' | 'close';

/** What a node tells whoever watches it: the terminal of `npm start`, the inspector later. Plain data, no secrets. */
export type NodeEvent =
  | { readonly type: 'node.started'; readonly nodeId: NodeId; readonly status: NodeStatus }
  /** A phase of its stop begins; it takes at most `msMax` milliseconds. */
  | { readonly type: 'node.stopping'; readonly nodeId: NodeId; readonly phase: StopPhaseName; readonly msMax: number }
  /** Something had not ended in time; `left` are the first actors of those that were still there. */
  | {
      readonly type: 'node.stop-cut';
      readonly nodeId: NodeId;
      readonly phase: StopPhaseName;
      readonly what: string;
      readonly left: readonly string[];
    }
  | { readonly type: 'node.stopped'; readonly nodeId: NodeId }
  | { readonly type: 'member.changed'; readonly nodeId: NodeId; readonly member: MemberView }
  | { readonly type: 'partition.changed'; readonly nodeId: NodeId; readonly partition: PartitionMode }
  | { readonly type: 'link.ready'; readonly nodeId: NodeId; readonly link: LinkView }
  | { readonly type: 'link.closed'; readonly nodeId: NodeId; readonly peer: string; readonly reason: string }
  | { readonly type: 'link.refused'; readonly nodeId: NodeId; readonly remote: string; readonly refusal: Refusal }
  | { readonly type: 'agent.changed'; readonly nodeId: NodeId; readonly agent: AgentView }
  | {
      readonly type: 'message.delivered';
      readonly nodeId: NodeId;
      readonly id: string;
      readonly sender: AgentId;
      readonly receiver: AgentId;
      readonly performative: Performative;
      readonly protocol: string;
      readonly conversationId: string;
      readonly from: NodeId;
      /** The start of the content, for people; present only when the node is configured to show it. */
      readonly preview?: string;
    }
  | {
      readonly type: 'message.refused';
      readonly nodeId: NodeId;
      readonly id: string;
      readonly sender: string;
      readonly receiver: string;
      readonly performative: string;
      readonly refusal: Refusal;
    }
  | NoticeEvent
  | RootsEvent
  | GossipKeyEvent
  | { readonly type: 'audit.head'; readonly nodeId: NodeId; readonly head: AuditHead }
  | { readonly type: 'siem.changed'; readonly nodeId: NodeId; readonly destination: SiemView }
  | {
      readonly type: 'audit.forked';
      readonly nodeId: NodeId;
      /** Whose audit log does not continue what was signed of it. */
      readonly log: NodeId;
      readonly kind: string;
      readonly size: number;
    }
  /** Renewals fail, and the certificate nears its end; told at half and at a tenth of the time, and at the end. */
  | { readonly type: 'certificate.expiring'; readonly nodeId: NodeId; readonly leftMs: number }
  | {
      readonly type: 'certificate.rotated';
      readonly nodeId: NodeId;
      readonly serial: string;
      readonly notAfter: string;
    }
  | { readonly type: 'actor.restarted'; readonly nodeId: NodeId; readonly path: string; readonly reason: string };
