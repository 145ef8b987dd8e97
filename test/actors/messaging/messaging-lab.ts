import type { KeyObject } from 'node:crypto';
import type { ReceivedMessage } from '../../../src/actors/agents/behaviour.ts';
import { Patience } from '../../../src/actors/cluster/gossip/patience.ts';
import type { PeerLink } from '../../../src/actors/cluster/links/links.ts';
import { createNodeEvents } from '../../../src/actors/events.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { Admission } from '../../../src/actors/messaging/admission.ts';
import { AgentRegistry, type PeerRefusal } from '../../../src/actors/messaging/agent-registry.ts';
import { Conversations } from '../../../src/actors/messaging/conversations.ts';
import { MessageAuthority, type MessageAuthorityOptions } from '../../../src/actors/messaging/message-authority.ts';
import { createMessageIds } from '../../../src/actors/messaging/message-ids.ts';
import { MessagePolicies } from '../../../src/actors/messaging/message-policies.ts';
import { PendingAsks } from '../../../src/actors/messaging/pending-asks.ts';
import { RateLimiter } from '../../../src/actors/messaging/rate-limiter.ts';
import { Routing } from '../../../src/actors/messaging/routing.ts';
import { ServiceChoice } from '../../../src/actors/messaging/service-choice.ts';
import { Trust } from '../../../src/actors/messaging/trust.ts';
import type { AuditDraft } from '../../../src/actors/operations/audit/audit-draft.ts';
import type { AuditLog } from '../../../src/actors/operations/audit/audit-log.ts';
import type { NodeEvent } from '../../../src/actors/operations/control.ts';
import { keyId, publicKeyToText, rawPublicKey } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { signDocument } from '../../../src/crypto/signed-document.ts';
import { ok, type Refusal, type Result, unwrap } from '../../../src/errors.ts';
import { type AgentId, type NodeId, tenantOf } from '../../../src/names.ts';
import { type Capability, capabilityPayload } from '../../../src/protocols/authorization/capability.ts';
import { type PolicySet, parsePolicy } from '../../../src/protocols/authorization/policy.ts';
import { type Manifest, manifestPayload } from '../../../src/protocols/deployment/manifest.ts';
import type { FrameKind } from '../../../src/protocols/link/frame.ts';
import {
  type RegistryDelta,
  type RegistryRecord,
  registryDeltaText,
  registryFeature,
} from '../../../src/protocols/registry/record.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

export const alice = 'default/alice' as AgentId;
export const bob = 'default/bob' as AgentId;
export const mallory = 'default/mallory' as AgentId;
export const one = 'node-1' as NodeId;
export const two = 'node-2' as NodeId;
export const three = 'node-3' as NodeId;
/** Where every `ManualClock` starts. */
export const now = 1_750_000_000_000;

export const deployer = osCrypto.generateKeyPair('ed25519');
export const stranger = osCrypto.generateKeyPair('ed25519');
export const textOf = (key: KeyObject) => publicKeyToText(rawPublicKey(key));

export const trust = (): Trust =>
  new Trust(
    {
      v: 1,
      kind: 'trust',
      generation: 1,
      clusterId: 'cluster-1',
      issuedAt: now,
      body: {
        deployers: [textOf(deployer.publicKey)],
        issuers: [textOf(deployer.publicKey)],
        authorities: [textOf(deployer.publicKey)],
      },
    },
    '',
  );

export function signedManifest(
  agentId: AgentId,
  over: Partial<Manifest> = {},
  key: KeyObject = deployer.privateKey,
): string {
  const payload = manifestPayload({
    v: 1,
    agentId,
    kind: 'handler',
    code: 'embedded',
    tenant: tenantOf(agentId),
    services: [],
    capabilities: [],
    agentKey: textOf(stranger.publicKey) as Manifest['agentKey'],
    placement: { nodes: [one, two, three] },
    generation: 1,
    issuedAt: now,
    ...over,
  });
  return signDocument('deployment', key, Buffer.from(payload));
}

export function signedCapability(
  subject: AgentId,
  actions: readonly string[],
  over: Partial<Capability> = {},
  key: KeyObject = deployer.privateKey,
): string {
  const payload = capabilityPayload({
    v: 1,
    issuer: keyId(rawPublicKey(key)),
    subject,
    tenant: tenantOf(subject),
    actions,
    notBefore: now - 60_000,
    expires: now + 3_600_000,
    depth: 0,
    nonce: Buffer.from(osCrypto.randomBytes(16)).toString('base64url'),
    ...over,
  });
  return signDocument('capability', key, Buffer.from(payload));
}

export interface Sent {
  readonly kind: FrameKind;
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** A link that only writes down what is sent over it. */
export interface FakeLink {
  readonly link: PeerLink;
  readonly sent: Sent[];
  readonly violations: string[];
  /** What waits for the link to flow. */
  readonly flowing: (() => void)[];
  /** What `send` answers from now on. */
  answer: Result<void>;
}

export function fakeLink(nodeId: NodeId, bootEpoch = 1, side: 'dialer' | 'acceptor' = 'dialer'): FakeLink {
  const fake = {
    sent: [] as Sent[],
    violations: [] as string[],
    flowing: [] as (() => void)[],
    answer: ok(undefined) as Result<void>,
  };
  const link = {
    nodeId,
    side,
    hello: { bootEpoch, features: [registryFeature] },
    send: (kind: FrameKind, header: Uint8Array, content: Uint8Array = new Uint8Array(0)) => {
      if (fake.answer.ok) fake.sent.push({ kind, header: new Uint8Array(header), content: new Uint8Array(content) });
      return fake.answer;
    },
    whenFlowing: (work: () => void) => void fake.flowing.push(work),
    violated: (text: string) => void fake.violations.push(text),
  } as unknown as PeerLink;
  return Object.assign(fake, { link });
}

export const policies = (...entries: object[]): PolicySet =>
  unwrap(parsePolicy({ policies: entries }, 'policy.yaml', () => 1));

/** Who may send to bob: everybody of the tenant, requests and cfps. */
export const openBob = {
  receiver: bob,
  allowed_senders: ['default/*'],
  permitted_operations: [{ performatives: ['request', 'cfp', 'accept-proposal'] }],
};

/** A record of node-2 about bob, with whatever differs. */
export const registryRecord = (over: Partial<RegistryRecord> = {}): RegistryRecord => {
  const { version = 1, state = 'live' } = over;
  return {
    agentId: bob,
    node: two,
    version,
    documents: version,
    state,
    manifest: state === 'gone' ? '' : signedManifest(over.agentId ?? bob),
    capability: '',
    ...over,
  };
};

export interface LabOptions {
  readonly policies?: PolicySet;
  readonly enforcement?: MessageAuthorityOptions['enforcement'];
  readonly nodeId?: NodeId;
  /** Nobody stands for all links: `broadcasts` stays empty. */
  readonly alone?: boolean;
  readonly rate?: MessageAuthorityOptions['defaultRate'];
  readonly agentKeys?: ReadonlyMap<AgentId, KeyObject>;
}

/** Everything that carries messages on one node, with the world around it written down. */
export function messagingLab(options: LabOptions = {}) {
  const nodeId = options.nodeId ?? one;
  const clock = new ManualClock(now);
  const metrics = createMetrics();
  const links = new Map<NodeId, FakeLink>();
  const audited: AuditDraft[] = [];
  const delivered: ReceivedMessage[] = [];
  const told: { agent: AgentId; refusal: Refusal; messageId: string }[] = [];
  const emitted: NodeEvent[] = [];
  const broadcasts: Uint8Array[] = [];
  const live = new Set<NodeId>();
  const postponed: NodeId[] = [];
  // Stands for all links at once; the others only show what a link is told when it comes up.
  const everyone = fakeLink('everyone' as NodeId).link;
  everyone.send = (kind, _header, content = new Uint8Array(0)) => {
    if (kind === 'registry') broadcasts.push(content);
    return ok(undefined);
  };
  const refusedRecords: (PeerRefusal & { peer: NodeId })[] = [];
  const events = createNodeEvents();
  events.subscribe((event) => void emitted.push(event));
  const world = trust();
  let deliver: () => Result<void> = () => ok(undefined);
  const registry: AgentRegistry = new AgentRegistry({
    nodeId,
    bootEpoch: 1,
    trust: world,
    clock,
    linkTo: (node) => links.get(node)?.link,
    isLive: (node) => live.has(node),
    patience: {
      refused: new Patience(clock, { count: 100, periodMs: 1_000, burst: 10_000 }),
      heard: new Patience(clock, { count: 10_000, periodMs: 1_000, burst: 400_000 }),
      repeated: new Patience(clock, { count: 100, periodMs: 1_000, burst: 5_000 }),
    },
    onPostponed: (peer) => void postponed.push(peer),
    onChanges: () => authority?.agentsChanged(),
    onRefused: (peer, refusals) => void refusedRecords.push(...refusals.map((refusal) => ({ ...refusal, peer }))),
  });
  if (!options.alone) registry.linkReady(everyone);
  const rules = new MessagePolicies({ local: options.policies ?? policies(openBob), clusterRequired: false });
  const authority: MessageAuthority = new MessageAuthority({
    clock,
    nodeId,
    registry,
    trust: world,
    policies: rules,
    limiter: new RateLimiter(clock),
    audit: {
      note: (event: AuditDraft) => void audited.push(event),
      grant: (_sender: string, _receiver: string, _operation: string, fact: () => AuditDraft) =>
        void audited.push(fact()),
    } as unknown as AuditLog,
    defaultRate: options.rate ?? { count: 100, periodMs: 1_000, burst: 100 },
    enforcement: options.enforcement ?? 'strict',
  });
  const asks = new PendingAsks(clock);
  const routing = new Routing({
    nodeId,
    bootEpoch: 1,
    clock,
    metrics,
    newId: createMessageIds(osCrypto),
    linkTo: (node) => links.get(node)?.link,
    registry,
    services: new ServiceChoice({ nodeId, registry, isLinked: (node) => links.has(node) }),
    agents: {
      deliver: (message) => {
        const result = deliver();
        if (result.ok) delivered.push(message);
        return result;
      },
      refused: (agent, refusal, messageId) => void told.push({ agent, refusal, messageId }),
      keyOf: (agent) => options.agentKeys?.get(agent),
    },
    authority,
    admission: new Admission(clock, { count: 1_000, periodMs: 1_000, burst: 1_000 }),
    conversations: new Conversations(clock),
    asks,
    events,
    showPreviews: true,
  });
  routing.mode = 'routing';
  return {
    nodeId,
    clock,
    metrics,
    registry,
    authority,
    rules,
    asks,
    routing,
    audited,
    delivered,
    told,
    emitted,
    broadcasts,
    refusedRecords,
    trust: world,
    /** Members that are alive, as gossip would know. */
    live,
    postponed,
    /** Puts a link in place; the registry is told of it. */
    connect(node: NodeId, bootEpoch = 1): FakeLink {
      const link = fakeLink(node, bootEpoch);
      links.set(node, link);
      registry.linkReady(link.link);
      return link;
    },
    disconnect(node: NodeId): void {
      const link = links.get(node);
      links.delete(node);
      if (link) registry.linkClosed(link.link);
    },
    /** What local agents answer to a delivery from now on. */
    deliverWith(answer: () => Result<void>) {
      deliver = answer;
    },
  };
}

/** Whoever is at the other end of the link says this about its agents: changes, or a listing of everything. */
export function tellRegistry(
  lab: MessagingLab,
  { link }: FakeLink,
  records: readonly RegistryRecord[],
  over: Partial<RegistryDelta> = {},
): void {
  const upTo = over.upTo ?? records.at(-1)?.version ?? 0;
  const delta = { pass: 0, above: 0, upTo, newest: upTo, records, ...over };
  const content = Buffer.from(registryDeltaText(delta));
  lab.registry.receive(link, { kind: 'registry', header: new Uint8Array(0), content });
}

export type MessagingLab = ReturnType<typeof messagingLab>;
