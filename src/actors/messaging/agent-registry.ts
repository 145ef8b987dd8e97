import { signerOf } from '../../crypto/signed-document.ts';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Capability } from '../../protocols/authorization/capability.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import type { Frame } from '../../protocols/link/frame.ts';
import type { Change } from '../../protocols/registry/change.ts';
import { type RegistryDelta, type RegistryRecord, readRegistryDelta } from '../../protocols/registry/record.ts';
import {
  applyRecords,
  byService,
  emptyRegistry,
  judgedAgain,
  lookup,
  nodeBooted,
  nodeRevoked,
  type Registration,
  type RegistryState,
  type RegistryStep,
  rivalsOf,
  runsBoot,
  type VerifiedRecord,
} from '../../protocols/registry/registry.ts';
import type { Patience } from '../cluster/gossip/patience.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import { utf8 } from '../kernel/utf8.ts';
import { Announcements } from './announcements.ts';
import { keptRecord } from './kept-record.ts';
import type { Trust } from './trust.ts';

export interface FoundAgent {
  readonly nodeId: NodeId;
  readonly manifest: Manifest;
  readonly capability: Capability | undefined;
  /** The id of the key that signed the manifest. */
  readonly deployer: string;
  /** Both documents as they were signed; the token may be empty. */
  readonly signed: { readonly manifest: string; readonly capability: string };
}

export interface AgentRegistryOptions {
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly trust: Trust;
  /** Every ready link. */
  readonly links: () => Iterable<PeerLink>;
  readonly onChanges: (changes: readonly Change[]) => void;
  /** How many refused records a peer may cost this node. */
  readonly patience: Patience;
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
  /** What `find` answered since the agent last changed: the router asks for every message. */
  readonly #found = new Map<AgentId, FoundAgent>();

  constructor(options: AgentRegistryOptions) {
    this.#options = options;
    const { nodeId, links } = options;
    this.#announcements = new Announcements({ nodeId, state: () => this.#state, links });
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
    return lookup(this.#state, agent)?.record.node;
  }

  /** The highest generation in which any node claims an agent; 0 when none does. */
  generationOf(agent: AgentId): number {
    return lookup(this.#state, agent)?.manifest.generation ?? 0;
  }

  offering(service: string): readonly { readonly agentId: AgentId; readonly nodeId: NodeId }[] {
    return byService(this.#state, service).map(({ record }) => ({ agentId: record.agentId, nodeId: record.node }));
  }

  /** The nodes that claim an agent, if there are several; the one that counts first. */
  rivals(agent: AgentId): readonly NodeId[] {
    return rivalsOf(this.#state, agent);
  }

  /** Every registration that counts, sorted by agent. */
  all(): readonly Registration[] {
    const agents = new Set([...this.#state.nodes.values()].flatMap(({ live }) => [...live.keys()]));
    return [...agents].sort().flatMap((agent) => lookup(this.#state, agent) ?? []);
  }

  /** The two documents of an agent of this node, as they were signed. */
  ownDocuments(agentId: AgentId): Pick<RegistryRecord, 'manifest' | 'capability'> | undefined {
    return this.#state.nodes.get(this.#options.nodeId)?.live.get(agentId)?.record;
  }

  /** Announces an agent that runs here now. Refused with what the documents lack. */
  announce(agentId: AgentId, manifest: string, capability: string): Result<void> {
    return this.#write({ agentId, node: this.#options.nodeId, version: 0, state: 'live', manifest, capability });
  }

  /** Announces that an agent is gone. */
  withdraw(agentId: AgentId): Result<void> {
    return this.#write({
      agentId,
      node: this.#options.nodeId,
      version: 0,
      state: 'gone',
      manifest: '',
      capability: '',
    });
  }

  /** A link came up: its node starts over if it booted anew, and is told about the agents of this one. */
  linkReady(link: PeerLink): void {
    const booted = nodeBooted(this.#state, link.nodeId, link.hello.bootEpoch);
    if (booted.ok) this.#take(booted);
    else this.#options.onRefused(link.nodeId, [booted]);
    this.#announcements.linkReady(link);
  }

  /** These nodes are revoked: what they said does not count, whoever they host. */
  revoke(nodes: readonly NodeId[]): void {
    for (const node of nodes) if (node !== this.#options.nodeId) this.#take(ok(nodeRevoked(this.#state, node)));
  }

  /** Trust has changed: what other nodes announced is judged again, and this one’s agents are announced anew. */
  trustChanged(): void {
    const { nodeId, links } = this.#options;
    for (const node of this.#state.nodes.keys())
      if (node !== nodeId) this.#take(ok(judgedAgain(this.#state, node, this.#verify)));
    // What a peer refused because it had not heard of the deployer yet, it may take now.
    for (const link of links()) this.#announcements.linkReady(link);
  }

  /** A registry frame from a peer. */
  receive(link: PeerLink, frame: Frame): void {
    const { patience, onRefused } = this.#options;
    const { nodeId: peer, hello } = link;
    const heard = this.#mayTell(peer, hello.bootEpoch);
    if (!heard.ok) {
      onRefused(peer, [heard]);
      return;
    }
    const delta = decode(frame.content);
    if (!delta.ok) {
      link.violated(delta.refusal.reasons[0]);
      return;
    }
    const step = applyRecords(this.#state, peer, delta.value, this.#verify);
    if (step.refusals.length > 0) {
      patience.spend(peer, step.refusals.length);
      onRefused(peer, step.refusals);
    }
    this.#take(ok(step));
  }

  #mayTell(peer: NodeId, bootEpoch: number): Result<void> {
    if (!runsBoot(this.#state, peer, bootEpoch))
      return refuse('REPLAYED', `Boot ${bootEpoch} of ${peer} is over, and so are its registry records.`);
    if (!this.#options.patience.with(peer))
      return refuse('RATE_LIMIT_EXCEEDED', `${peer} sent too many registry records that had to be refused.`);
    return ok(undefined);
  }

  #write(draft: RegistryRecord): Result<void> {
    const record = { ...draft, version: this.#announcements.next() };
    const delta: RegistryDelta = { full: false, records: [record] };
    const step = applyRecords(this.#state, this.#options.nodeId, delta, this.#verify);
    const [refused] = step.refusals;
    if (refused) return { ok: false, refusal: refused.refusal };
    this.#take(ok(step));
    this.#announcements.add(record);
    return ok(undefined);
  }

  readonly #verify = (record: RegistryRecord): Result<VerifiedRecord> => {
    const manifest = this.#options.trust.manifest(record.manifest);
    if (!manifest.ok) return manifest;
    const kept = keptRecord(record, manifest.value);
    if (record.capability === '') return ok({ manifest: manifest.value, capability: undefined, kept });
    const capability = this.#options.trust.capability(record.capability);
    if (!capability.ok) return refuse('DEPLOYMENT_REFUSED', ...capability.refusal.reasons);
    const { holder = manifest.value.agentKey } = capability.value;
    if (holder !== manifest.value.agentKey)
      return refuse(
        'DEPLOYMENT_REFUSED',
        `The capability token names another key of ${record.agentId} than the manifest.`,
      );
    return ok({ manifest: manifest.value, capability: capability.value, kept });
  };

  #take(step: Result<RegistryStep>): void {
    if (!step.ok) return;
    this.#state = step.value.state;
    if (step.value.changes.length === 0) return;
    for (const { agentId } of step.value.changes) this.#found.delete(agentId);
    this.#options.onChanges(step.value.changes);
  }
}

const foundOf = ({ record, manifest, capability }: Registration): FoundAgent => ({
  nodeId: record.node,
  manifest,
  capability,
  // Verified with this very key before the record was taken.
  deployer: signerOf(record.manifest),
  signed: record,
});

function decode(content: Uint8Array): Result<RegistryDelta> {
  try {
    return readRegistryDelta(utf8.decode(content));
  } catch {
    return refuse('MALFORMED', 'The registry delta is not UTF-8.');
  }
}
