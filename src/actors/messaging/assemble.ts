import type { Change } from '../../protocols/registry/change.ts';
import { isOut, type Member } from '../../protocols/swim/member.ts';
import type { Voice } from '../agents/agent-voice.ts';
import type { ClusterParts } from '../cluster/assemble.ts';
import { Patience } from '../cluster/gossip/patience.ts';
import type { NodeBase } from '../node-base.ts';
import { Admission } from './admission.ts';
import { AgentRegistry } from './agent-registry.ts';
import { Conversations } from './conversations.ts';
import { delegate } from './delegation.ts';
import type { LocalAgents } from './local-agents.ts';
import { MessageAuthority } from './message-authority.ts';
import { createMessageIds } from './message-ids.ts';
import { PendingAsks } from './pending-asks.ts';
import { RateLimiter } from './rate-limiter.ts';
import { Routing } from './routing.ts';
import { ServiceChoice } from './service-choice.ts';
import { SupersededAgents } from './superseded-agents.ts';

export interface MessagingParts {
  readonly registry: AgentRegistry;
  readonly routing: Routing;
  readonly asks: PendingAsks;
  readonly limiter: RateLimiter;
  readonly voice: Voice;
}

/** What one link may bring in a second before it is slowed: about what a core can check. */
const admissionRate = { count: 20_000, periodMs: 1_000, burst: 40_000 } as const;

/** Enough for all agents of a node whose deployer is not trusted here, and little when it goes on. */
const refusedRecordsRate = { count: 100, periodMs: 1_000, burst: 10_000 } as const;

/** Enough to hear of a full node at once, signatures and all, and about what a core can check of what goes on. */
const heardRecordsRate = { count: 10_000, periodMs: 1_000, burst: 400_000 } as const;

/** Enough to tell a peer twice of a full node, and little when it asks again and again. */
const repeatedRecordsRate = { count: 2_000, periodMs: 1_000, burst: 200_000 } as const;

/** Registry, authority and router of a node, wired to its links. */
export function assembleMessaging(base: NodeBase, cluster: ClusterParts, agents: LocalAgents): MessagingParts {
  const { config, ports, files, audit, events, kernel, nodeId, bootEpoch } = base;
  const { links } = cluster;
  const registry = createRegistry(base, cluster, () => authority.agentsChanged());
  const limiter = new RateLimiter(ports.clock);
  const asks = new PendingAsks(ports.clock);
  const authority: MessageAuthority = new MessageAuthority({
    clock: ports.clock,
    nodeId,
    registry,
    trust: files.trust,
    policies: base.policies,
    limiter,
    audit,
    defaultRate: config.security.agents.rateLimit,
    enforcement: config.security.agents.capabilityEnforcement,
  });
  const services = new ServiceChoice({ nodeId, registry, isLinked: (node) => links.get(node) !== undefined });
  const routing = new Routing({
    nodeId,
    bootEpoch,
    clock: ports.clock,
    metrics: ports.metrics,
    newId: createMessageIds(ports.crypto),
    linkTo: (node) => links.get(node),
    registry,
    services,
    agents,
    authority,
    admission: new Admission(ports.clock, admissionRate),
    conversations: new Conversations(ports.clock),
    asks,
    events,
    showPreviews: config.showMessagePreviews,
  });
  links.onFrame('message', (link, frame) => routing.receive(link, frame));
  links.onFrame('refusal', (link, frame) => routing.receiveRefusal(link, frame));
  links.onFrame('registry', (link, frame) => registry.receive(link, frame));
  links.onFrame('registry-acknowledgement', (link, frame) => registry.receiveAcknowledgement(link, frame));
  cluster.onMember(({ nodeId: member, bootEpoch: boot, status }) =>
    registry.memberChanged(member, boot, status === 'dead' || status === 'left'),
  );
  const router = kernel.ref('/node/messaging/message-router');
  asks.onSettled = () => {
    if (routing.mode === 'draining') router.tell({ type: 'router.settled' }, 'control');
  };
  links.onReady((link) => {
    registry.linkReady(link);
    router.tell({ type: 'router.recovered' }, 'control');
  });
  links.onClosed((link) => {
    registry.linkClosed(link);
    router.tell({ type: 'router.degraded' }, 'control');
    // Nobody waits out a timeout for a node that is known to be gone.
    asks.fail((agent) => registry.find(agent)?.nodeId === link.nodeId, {
      code: 'UNREACHABLE',
      reasons: [`The link to ${link.nodeId} closed before the answer came.`],
    });
  });
  const voice: Voice = {
    tell: (sender, draft) => routing.tell(sender, draft),
    ask: (sender, draft, options) => routing.ask(sender, draft, options),
    find: (service, tenant) => services.reachable(`${tenant}/${service}`),
    delegate: (holder, grant) =>
      delegate(
        { trust: files.trust, registry, crypto: ports.crypto, keyOf: (agent) => agents.keyOf(agent) },
        holder,
        grant,
      ),
  };
  return { registry, routing, asks, limiter, voice };
}

function createRegistry(
  { nodeId, bootEpoch, files, ports, audit, kernel }: NodeBase,
  { links, gossip }: ClusterParts,
  agentsChanged: () => void,
): AgentRegistry {
  const registry: AgentRegistry = new AgentRegistry({
    nodeId,
    bootEpoch,
    clock: ports.clock,
    trust: files.trust,
    linkTo: (node) => links.get(node),
    isLive: (node) => isLive(gossip.member(node)),
    patience: {
      refused: new Patience(ports.clock, refusedRecordsRate),
      heard: new Patience(ports.clock, heardRecordsRate),
      repeated: new Patience(ports.clock, repeatedRecordsRate),
    },
    onPostponed: () => ports.metrics.count('registry_postponed'),
    onChanges: (changes) => {
      agentsChanged();
      superseded.changed(changes);
      for (const change of changes)
        if (change.type === 'conflict') {
          ports.metrics.count('registry_conflicts');
          noteConflict(audit, change);
        }
    },
    onRefused: (peer, refusals) => {
      for (const { agentId, refusal } of refusals) {
        ports.metrics.count('registry_refused', { code: refusal.code });
        audit.note({
          type: 'AccessDenied',
          identity: peer,
          sourceIp: '',
          outcome: 'refused',
          code: refusal.code,
          reasons: refusal.reasons,
          metadata: { operation: 'announce', ...(agentId === undefined ? {} : { agentId }) },
        });
      }
    },
  });
  const superseded = new SupersededAgents({
    nodeId,
    registry,
    suspend: (agent) => kernel.suspend(`/node/agents/${agent}`),
    resume: (agent) => kernel.resume(`/node/agents/${agent}`),
  });
  return registry;
}

const isLive = (member: Member | undefined): boolean =>
  member !== undefined && member.status !== 'dead' && !isOut(member);

/** A member in the wrong hands can repeat it without end, so it is kept as a denial is: some in full, then counted. */
function noteConflict(
  audit: NodeBase['audit'],
  { agentId, nodes }: Extract<Change, { readonly type: 'conflict' }>,
): void {
  const [host = '', ...rivals] = nodes;
  audit.note({
    type: 'AgentConflict',
    identity: agentId,
    sourceIp: '',
    outcome: 'refused',
    reasons: [
      `Several nodes claim ${agentId}. ${host} counts: of the nodes that are there, the one with the highest generation, then with the lowest id.`,
    ],
    metadata: { host, rivals: rivals.join(', ') },
  });
}
