import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Frame } from '../../protocols/link/frame.ts';
import { readAcknowledgement } from '../../protocols/registry/acknowledgement.ts';
import { type AgentQuery, agentsOf } from '../../protocols/registry/agent-query.ts';
import type { Change } from '../../protocols/registry/change.ts';
import { applyDelta, type VerifiedDocuments } from '../../protocols/registry/delta-step.ts';
import { askedAgain, judgedAgain, nodeBooted, nodeRevoked, nodeStanding } from '../../protocols/registry/node-step.ts';
import {
  type RegistryDelta,
  type RegistryRecord,
  readRegistryDelta,
  registryFeature,
} from '../../protocols/registry/record.ts';
import {
  byService,
  emptyRegistry,
  latestGeneration,
  lookup,
  positionIn,
  type Registration,
  type RegistryState,
  type RegistryStep,
  rivalsOf,
  runsBoot,
  type SignedDocuments,
} from '../../protocols/registry/registry.ts';
import type { Patience } from '../cluster/gossip/patience.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import type { Clock } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { Announcements } from './announcements.ts';
import { type FoundAgent, foundOf } from './found-agent.ts';
import type { Trust } from './trust.ts';
import { verifiedDocuments } from './verified-documents.ts';

export interface AgentRegistryOptions {
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly clock: Clock;
  readonly trust: Trust;
  readonly linkTo: (node: NodeId) => PeerLink | undefined;
  /** Whether a node is a live member. */
  readonly isLive: (node: NodeId) => boolean;
  readonly onChanges: (changes: readonly Change[]) => void;
  readonly patience: {
    /** How many refused records a peer may cost this node. */
    readonly refused: Patience;
    /** How many records, and KiB of them, it may cost at all: what is more waits. */
    readonly heard: Patience;
    /** How many it may have this node tell it again. */
    readonly repeated: Patience;
  };
  /** A peer told more at once than is heard of it, and will be asked for it again. */
  readonly onPostponed: (peer: NodeId) => void;
  /** What a peer said and was not taken: an alarm, because an honest node never says such. */
  readonly onRefused: (peer: NodeId, refusals: readonly PeerRefusal[]) => void;
}

/** One record that was not taken, or without `agentId` all that came. */
export interface PeerRefusal {
  readonly agentId?: AgentId;
  readonly refusal: Refusal;
}

/**
 * Which agent lives where, as every node tells the others about its own over their links. What a node says counts only
 * with the signed documents inside.
 */
export class AgentRegistry {
  readonly #options: AgentRegistryOptions;
  #state: RegistryState = emptyRegistry;
  readonly #announcements: Announcements;
  readonly #acknowledgements: Acknowledgements;
  /** What `find` answered since the agent last changed: the router asks for every message. */
  readonly #found = new Map<AgentId, FoundAgent>();

  constructor(options: AgentRegistryOptions) {
    this.#options = options;
    const { nodeId, clock, isLive, linkTo, patience } = options;
    const state = (): RegistryState => this.#state;
    this.#announcements = new Announcements({ nodeId, clock, state, isLive, patience: patience.repeated });
    this.#acknowledgements = new Acknowledgements({ clock, linkTo, position: (peer) => positionIn(this.#state, peer) });
    this.#take(nodeBooted(this.#state, options.nodeId, options.bootEpoch));
  }

  find(agent: AgentId): FoundAgent | undefined {
    const known = this.#found.get(agent);
    if (known) return known;
    const registration = lookup(this.#state, agent);
    if (!registration) return undefined;
    const found = foundOf(registration);
    this.#found.set(agent, found);
    return found;
  }

  /** Whose claim of an agent counts. Keeps nothing: most agents are never asked for by a message. */
  hostOf(agent: AgentId): NodeId | undefined {
    return lookup(this.#state, agent)?.node;
  }

  /** The highest generation in which any node claims an agent; 0 when none does. */
  generationOf(agent: AgentId): number {
    return latestGeneration(this.#state, agent);
  }

  /** Who offers `tenant/service`, by agent. */
  offering(service: string): readonly Registration[] {
    return byService(this.#state, service);
  }

  /** The nodes that claim an agent, if there are several; the one that counts first. */
  rivals(agent: AgentId): readonly NodeId[] {
    return rivalsOf(this.#state, agent);
  }

  /** The registrations that count, are asked for and may be seen, sorted by agent; without a query all of them. */
  all(query: AgentQuery = {}, isVisible?: (agent: AgentId) => boolean): readonly Registration[] {
    return agentsOf(this.#state, query, isVisible);
  }

  /** How many removed agents of this node are remembered, for members that have not acknowledged it. */
  get removals(): number {
    return this.#announcements.removals;
  }

  /** The agents of this node. */
  own(): Iterable<Registration> {
    return this.#state.nodes.get(this.#options.nodeId)?.live.values() ?? [];
  }

  /** An agent of this node. Keeps nothing either. */
  ownRegistration(agentId: AgentId): Registration | undefined {
    return this.#state.nodes.get(this.#options.nodeId)?.live.get(agentId);
  }

  /** The two documents of an agent of this node, as they were signed. */
  ownDocuments(agentId: AgentId): SignedDocuments | undefined {
    return this.ownRegistration(agentId)?.signed;
  }

  /** Announces an agent that runs here now. Refused with what the documents lack. */
  announce(agentId: AgentId, manifest: string, capability: string): Result<void> {
    return this.#write({ agentId, state: 'live', manifest, capability });
  }

  /** Announces that an agent of this node handles nothing now, or goes on. */
  suspend(agentId: AgentId, suspended: boolean): void {
    const own = this.ownRegistration(agentId);
    if (!own || own.suspended === suspended) return;
    this.#write({ agentId, state: suspended ? 'suspended' : 'live', manifest: '', capability: '' }, own.documents);
  }

  /** Announces that an agent is gone. */
  withdraw(agentId: AgentId): void {
    if (this.ownRegistration(agentId)) this.#write({ agentId, state: 'gone', manifest: '', capability: '' });
  }

  /** A link came up: its node starts over if it booted anew, and is told about the agents of this one. */
  linkReady(link: PeerLink): void {
    const { nodeId, hello } = link;
    const booted = nodeBooted(this.#state, nodeId, hello.bootEpoch);
    if (!booted.ok) {
      this.#options.onRefused(nodeId, [booted]);
      return;
    }
    this.#take(booted);
    if (!hello.features.includes(registryFeature)) return;
    this.#announcements.linkReady(link);
    this.#acknowledgements.owe(nodeId, false);
  }

  /** A link is over. */
  linkClosed(link: PeerLink): void {
    this.#announcements.linkClosed(link);
    if (this.#options.linkTo(link.nodeId) === undefined) this.#acknowledgements.linkClosed(link.nodeId);
  }

  /** A member, in one of its boots, is dead or has left, or is there: `absent` is which of the two. */
  memberChanged(node: NodeId, bootEpoch: number, absent: boolean): void {
    if (node !== this.#options.nodeId) this.#take(ok(nodeStanding(this.#state, node, bootEpoch, absent)));
  }

  /** These nodes are revoked: what they said does not count, whoever they host. */
  revoke(nodes: readonly NodeId[]): void {
    for (const node of nodes) if (node !== this.#options.nodeId) this.#take(ok(nodeRevoked(this.#state, node)));
  }

  /** Trust has changed: what other nodes announced is judged again, and what was refused of them is asked for. */
  trustChanged(): void {
    for (const node of this.#state.nodes.keys()) {
      if (node === this.#options.nodeId) continue;
      const asked = askedAgain(this.#state, node);
      this.#take(ok(judgedAgain(asked ?? this.#state, node, this.#verify)));
      if (asked) this.#acknowledgements.owe(node, false);
    }
  }

  /** A registry frame from a peer. */
  receive(link: PeerLink, frame: Frame): void {
    const { patience, onRefused, onPostponed } = this.#options;
    const { nodeId: peer } = link;
    const heard = this.#mayTell(link);
    if (!heard.ok) {
      onRefused(peer, [heard]);
      return;
    }
    if (!patience.heard.with(peer)) {
      onPostponed(peer);
      this.#acknowledgements.owe(peer, true);
      return;
    }
    const delta = decode(frame.content, readRegistryDelta);
    if (!delta.ok) {
      link.violated(delta.refusal.reasons[0]);
      return;
    }
    patience.heard.spend(peer, 1 + delta.value.records.length + frame.content.length / 1_024);
    const step = applyDelta(this.#state, peer, delta.value, this.#verify);
    if (step.refusals.length > 0) {
      patience.refused.spend(peer, step.refusals.length);
      onRefused(peer, step.refusals);
    }
    this.#take(ok(step));
    this.#acknowledgements.owe(peer, step.missing);
  }

  /** A peer says how far it has what this node told it. */
  receiveAcknowledgement(link: PeerLink, frame: Frame): void {
    const acknowledgement = decode(frame.content, readAcknowledgement);
    const taken = acknowledgement.ok
      ? this.#announcements.acknowledged(link.nodeId, acknowledgement.value)
      : acknowledgement;
    if (!taken.ok) link.violated(taken.refusal.reasons[0]);
  }

  #mayTell({ nodeId: peer, hello: { bootEpoch } }: PeerLink): Result<void> {
    if (!runsBoot(this.#state, peer, bootEpoch))
      return refuse('REPLAYED', `Boot ${bootEpoch} of ${peer} is over, and so are its registry records.`);
    if (!this.#options.patience.refused.with(peer))
      return refuse('RATE_LIMIT_EXCEEDED', `${peer} sent too many registry records that had to be refused.`);
    return ok(undefined);
  }

  #write(draft: Pick<RegistryRecord, 'agentId' | 'state' | keyof SignedDocuments>, documents?: number): Result<void> {
    const { nodeId } = this.#options;
    const before = this.ownRegistration(draft.agentId)?.version;
    const version = this.#announcements.next();
    const record = { ...draft, node: nodeId, version, documents: documents ?? version };
    const above = positionIn(this.#state, nodeId).upTo;
    const delta: RegistryDelta = { pass: 0, above, upTo: version, newest: version, records: [record] };
    const step = applyDelta(this.#state, nodeId, delta, this.#verify);
    const [refused] = step.refusals;
    if (refused) return { ok: false, refusal: refused.refusal };
    this.#take(ok(step));
    this.#announcements.add(record, before);
    return ok(undefined);
  }

  readonly #verify = (documents: SignedDocuments): Result<VerifiedDocuments> =>
    verifiedDocuments(this.#options.trust, documents);

  #take(step: Result<RegistryStep>): void {
    if (!step.ok) return;
    this.#state = step.value.state;
    if (step.value.changes.length === 0) return;
    for (const { agentId } of step.value.changes) this.#found.delete(agentId);
    this.#options.onChanges(step.value.changes);
  }
}

function decode<T>(content: Uint8Array, read: (text: string) => Result<T>): Result<T> {
  let text: string;
  try {
    text = utf8.decode(content);
  } catch {
    return refuse('MALFORMED', 'A frame of the registry is not UTF-8.');
  }
  return read(text);
}
