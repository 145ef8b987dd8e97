import { documentId } from '../crypto/signed-document.ts';
import { ok, type Result, refuse } from '../errors.ts';
import type { AgentId, NodeId } from '../names.ts';
import type { Member } from '../protocols/swim/member.ts';
import { addressText } from './address.ts';
import type { AgentHost } from './agents/agent-host.ts';
import type { ReceivedMessage } from './agents/behaviour.ts';
import type { Deployments } from './agents/deployments.ts';
import type { AgentMode } from './agents/lifecycle.ts';
import type { Gossip } from './cluster/gossip/gossip.ts';
import type { RootsParts } from './cluster/identity/assemble-roots.ts';
import type { NodeIdentity } from './cluster/identity/node-identity.ts';
import { linkView } from './cluster/links/link-view.ts';
import type { Links } from './cluster/links/links.ts';
import type { Revocations } from './cluster/notices/revocations.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { Address, Clock, Metrics } from './kernel/ports.ts';
import type { AgentRegistry } from './messaging/agent-registry.ts';
import type { NodeNotices } from './node-notices.ts';
import type { AuditLog } from './operations/audit/audit-log.ts';
import type { AuditProofs } from './operations/audit/audit-proofs.ts';
import type {
  AgentView,
  Caller,
  MemberView,
  NodeControl,
  NodeStatus,
  SendOutcome,
  SendRequest,
  SiemView,
} from './operations/control.ts';
import type { EnrolmentControl } from './operations/enrolment-control.ts';
import type { GossipKeyControl } from './operations/gossip-key-view.ts';

export interface NodeControlParts {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly kernel: Kernel;
  readonly identity: NodeIdentity;
  readonly clusterId: string;
  readonly bootEpoch: number;
  readonly version: string;
  readonly startedAt: number;
  readonly addresses: () => { readonly link: Address; readonly gossip: Address; readonly api: Address };
  readonly gossipKeys: GossipKeyControl;
  readonly state: () => NodeStatus['state'];
  readonly gossip: Gossip;
  readonly links: Links;
  readonly revocations: Revocations;
  readonly registry: AgentRegistry;
  readonly host: AgentHost;
  readonly deployments: Deployments;
  readonly audit: AuditLog;
  readonly siem: () => readonly SiemView[];
  readonly proofs: AuditProofs;
  readonly notices: NodeNotices;
  readonly roots: RootsParts;
  readonly enrolment: EnrolmentControl;
  /** The agent in whose name the API sends: the console of this node, if one is deployed. */
  readonly consoleAgent: AgentId;
  readonly stop: (caller: Caller) => void;
}

const iso = (ms: number): string => new Date(ms).toISOString();

/** The one door for whoever manages the node. Reads are views made now; acts are judged and audited on their way. */
export function createNodeControl(parts: NodeControlParts): NodeControl {
  const { gossip, links, registry, host, deployments, audit } = parts;
  return {
    status: () => statusOf(parts),
    members: () => gossip.members().map((member) => memberView(parts, member)),
    links: () => links.all().map(linkView),
    agent: (agent) => agentView(parts, agent),
    agents: (query, isVisible) =>
      registry
        .all(query, isVisible)
        .map(({ manifest }) => agentView(parts, manifest.agentId))
        .filter((view) => view !== undefined),
    actors: () => parts.kernel.tree(),
    metrics: () => parts.metrics.read(),
    async deploy(request, caller, may) {
      // A minority must not decide what the majority may decide otherwise.
      if (gossip.partition() !== 'majority')
        return refuse('PARTITION_MINORITY', 'This node sees no quorum of the cluster, so it deploys nothing now.');
      const deployed = await deployments.deploy(request, caller, may);
      if (!deployed.ok) return deployed;
      return ok(agentView(parts, deployed.value.agentId)!);
    },
    remove: (agent, caller) => deployments.remove(agent, caller),
    send: (request) => send(host, parts.consoleAgent, request),
    auditTail: ({ limit, from }) => audit.tail(limit, from),
    auditVerify: (part) => parts.proofs.verify(part),
    auditCheckpoint: () => parts.proofs.checkpoint(),
    auditWitnessed: () => parts.proofs.witnessed(),
    auditProve: (sequence) => parts.proofs.prove(sequence),
    auditConsistency: ({ from, to }) => parts.proofs.consistency(from, to),
    auditAccept: (log, caller) => parts.proofs.accept(log, caller),
    notices: () => parts.notices.views(),
    roots: () => parts.roots.view(),
    publishNotice: (document, caller) => parts.notices.publish(document, caller),
    gossipKeys: () => parts.gossipKeys.gossipKeys(),
    rotateGossipKey: (caller) => parts.gossipKeys.rotateGossipKey(caller),
    joinToken: (request, caller) => parts.enrolment.joinToken(request, caller),
    joinTokens: () => parts.enrolment.joinTokens(),
    cancelJoinToken: (id, caller) => parts.enrolment.cancelJoinToken(id, caller),
    certificatesOf: (node) => parts.enrolment.certificatesOf(node),
    enrolmentCa: () => parts.enrolment.enrolmentCa(),
    enrol: (request, caller) => parts.enrolment.enrol(request, caller),
    enrolAgain: (request, caller) => parts.enrolment.enrolAgain(request, caller),
    async audit({ type, caller, reasons, code, credential }) {
      const event = {
        type,
        identity: caller.identity,
        sourceIp: caller.sourceIp,
        outcome: type === 'LoginSuccess' ? ('success' as const) : ('refused' as const),
        reasons,
        ...(code === undefined ? {} : { code }),
        requestId: caller.requestId,
        metadata: credential === undefined ? {} : { credential },
      };
      const recorded = await audit.record(event);
      return recorded.ok ? ok(undefined) : recorded;
    },
    async shutdown(caller) {
      parts.stop(caller);
      return ok(undefined);
    },
  };
}

function statusOf(parts: NodeControlParts): NodeStatus {
  const { identity, clusterId, gossip, links, host, audit } = parts;
  const { link, gossip: datagrams, api } = parts.addresses();
  const lockedOut = parts.roots.lockedOut();
  return {
    nodeId: identity.nodeId,
    spiffeId: identity.svid.spiffeId,
    clusterId,
    version: parts.version,
    pid: process.pid,
    startedAt: iso(parts.startedAt),
    state: parts.state(),
    partition: gossip.partition(),
    bootEpoch: parts.bootEpoch,
    addresses: { link: addressText(link), gossip: addressText(datagrams), api: addressText(api) },
    certificate: {
      serial: identity.svid.serial,
      notBefore: iso(identity.svid.notBefore),
      notAfter: iso(identity.svid.notAfter),
    },
    gossipKeyVersion: parts.gossipKeys.gossipKeys().sealing.epoch,
    agents: host.size,
    links: links.all().length,
    audit: audit.head(),
    ...parts.notices.out(),
    ...(lockedOut === undefined ? {} : { lockedOut }),
    siem: parts.siem(),
  };
}

export function memberView(
  parts: Pick<NodeControlParts, 'clock' | 'links' | 'revocations'>,
  member: Member,
): MemberView {
  const { clock, links, revocations } = parts;
  const isOut = member.self || member.status === 'revoked';
  const [address] = member.addresses;
  return {
    nodeId: member.nodeId,
    status: isOut && revocations.ofNode(member.nodeId)?.code === 'SUSPENDED' ? 'suspended' : member.status,
    address: address ? addressText(address) : '',
    bootEpoch: member.bootEpoch,
    incarnation: member.incarnation,
    self: member.self,
    link: member.self ? 'self' : links.get(member.nodeId) ? 'ready' : 'down',
    // The rules count on a clock that never jumps; people read the other one.
    since: iso(clock.now() - (clock.monotonic() - member.sinceMs)),
  };
}

export function agentView(
  parts: Pick<NodeControlParts, 'registry' | 'host' | 'links' | 'identity'>,
  agentId: AgentId,
): AgentView | undefined {
  const { registry, host, links, identity } = parts;
  const found = registry.find(agentId);
  if (!found) return undefined;
  const local = found.nodeId === identity.nodeId;
  const rivals = registry.rivals(agentId).slice(1);
  const reachable = local || links.get(found.nodeId) !== undefined;
  return {
    agentId,
    node: found.nodeId,
    kind: found.manifest.kind,
    state: local ? localState(host.modeOf(agentId), found.suspended) : remoteState(reachable, found.suspended),
    generation: found.manifest.generation,
    deployer: found.deployer,
    deploymentId: documentId(found.signed.manifest),
    ...(found.signed.capability === '' ? {} : { tokenId: documentId(found.signed.capability) }),
    services: found.manifest.services,
    ...(rivals.length > 0 && { rivals }),
    reachable,
  };
}

/** An order to suspend may be about its place: then its mode is still that it runs. */
const localState = (mode: AgentMode | undefined, suspended: boolean): string =>
  mode === 'running' && suspended ? 'suspended' : (mode ?? 'stopped');

const remoteState = (reachable: boolean, suspended: boolean): string =>
  reachable ? (suspended ? 'suspended' : 'remote') : 'unreachable';

async function send(host: AgentHost, consoleAgent: AgentId, request: SendRequest): Promise<Result<SendOutcome>> {
  const agent = host.contextOf(consoleAgent);
  if (!agent)
    return refuse(
      'UNKNOWN_AGENT',
      `The API sends as ${consoleAgent}, which is not deployed here; deploy it with the capability that operators should have.`,
    );
  const content = contentOf(request);
  if (!content.ok) return content;
  const draft = {
    to: request.to,
    performative: request.performative,
    content: content.value,
    language: request.language ?? 'text',
    ...(request.protocol === undefined ? {} : { protocol: request.protocol }),
    ...(request.ontology === undefined ? {} : { ontology: request.ontology }),
    ...(request.conversationId === undefined ? {} : { conversationId: request.conversationId }),
  };
  if (request.timeoutMs === 0) {
    const told = agent.tell(draft);
    return told.ok ? ok({ messageId: told.value.id }) : told;
  }
  const answer = await agent.ask(draft, { timeoutMs: request.timeoutMs });
  return answer.ok ? ok({ messageId: answer.value.header.inReplyTo, reply: replyOf(answer.value) }) : answer;
}

/** The API carries content as text; what is called JSON must be JSON. */
function contentOf(request: SendRequest): Result<unknown> {
  if (request.language !== 'json') return ok(request.content);
  try {
    return ok(JSON.parse(request.content));
  } catch {
    return refuse('MALFORMED', 'The content is said to be JSON and is not.');
  }
}

function replyOf(message: ReceivedMessage): NonNullable<SendOutcome['reply']> {
  const { content, header } = message;
  const text =
    typeof content === 'string'
      ? content
      : content instanceof Uint8Array
        ? Buffer.from(content).toString('base64')
        : JSON.stringify(content);
  return { performative: message.performative, sender: message.sender, language: header.language, content: text };
}

export const consoleAgentOf = (node: NodeId): AgentId => `default/console-${node}` as AgentId;
