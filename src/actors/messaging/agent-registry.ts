import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Capability } from '../../protocols/authorization/capability.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import type { Frame } from '../../protocols/link/frame.ts';
import type { Change } from '../../protocols/registry/change.ts';
import {
  type RegistryDelta,
  type RegistryRecord,
  readRegistryDelta,
  registryDeltaText,
} from '../../protocols/registry/record.ts';
import {
  applyRecords,
  byService,
  emptyRegistry,
  fullDelta,
  lookup,
  nodeBooted,
  type Registration,
  type RegistryState,
  type RegistryStep,
  runsBoot,
} from '../../protocols/registry/registry.ts';
import type { PeerLink } from '../cluster/links.ts';
import type { Patience } from '../cluster/patience.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { Trust } from './trust.ts';

export interface FoundAgent {
  readonly nodeId: NodeId;
  readonly manifest: Manifest;
  readonly capability: Capability | undefined;
  /** The id of the key that signed the manifest. */
  readonly deployer: string;
}

export interface AgentRegistryOptions {
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly trust: Trust;
  /** Sends to every ready link. */
  readonly broadcast: (header: Uint8Array, content: Uint8Array) => void;
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

const emptyHeader = new Uint8Array(0);
/** More than a record takes beside its two documents, and than the delta around all of them. */
const recordOverheadBytes = 512;

/**
 * Which agent lives where, as every node tells the others about its own over their links. What a node says counts only
 * with the signed documents inside.
 */
export class AgentRegistry {
  readonly #options: AgentRegistryOptions;
  #state: RegistryState = emptyRegistry;
  #version = 0;
  /** What `find` answered since the last change: the router asks for every message. */
  readonly #found = new Map<AgentId, FoundAgent>();

  constructor(options: AgentRegistryOptions) {
    this.#options = options;
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

  offering(service: string): readonly { readonly agentId: AgentId; readonly nodeId: NodeId }[] {
    return byService(this.#state, service).map(({ record }) => ({ agentId: record.agentId, nodeId: record.node }));
  }

  /** Every registration that counts, sorted by agent. */
  all(): readonly Registration[] {
    const agents = new Set([...this.#state.nodes.values()].flatMap(({ live }) => [...live.keys()]));
    return [...agents].sort().flatMap((agent) => lookup(this.#state, agent) ?? []);
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
    for (const content of this.#everything()) link.send('registry', emptyHeader, content);
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

  /**
   * All that this node says of itself. What one frame cannot hold goes in parts, of which none can say that it is all
   * there is; so the tombstones go with them.
   */
  #everything(): readonly Uint8Array[] {
    const { nodeId } = this.#options;
    const full = fullDelta(this.#state, nodeId);
    const whole = encode(full);
    if (whole.length <= limits.pushPullBytesMax) return [whole];
    const gone = [...(this.#state.nodes.get(nodeId)?.gone.values() ?? [])].map(({ record }) => record);
    return partsOf([...full.records, ...gone]).map((records) => encode({ full: false, records }));
  }

  #write(draft: RegistryRecord): Result<void> {
    const { nodeId, broadcast } = this.#options;
    const delta: RegistryDelta = { full: false, records: [{ ...draft, version: ++this.#version }] };
    const step = applyRecords(this.#state, nodeId, delta, this.#verify);
    const [refused] = step.refusals;
    if (refused) return { ok: false, refusal: refused.refusal };
    this.#take(ok(step));
    broadcast(emptyHeader, encode(delta));
    return ok(undefined);
  }

  readonly #verify = (record: RegistryRecord): Result<{ manifest: Manifest; capability: Capability | undefined }> => {
    const manifest = this.#options.trust.manifest(record.manifest);
    if (!manifest.ok) return manifest;
    if (record.capability === '') return ok({ manifest: manifest.value, capability: undefined });
    const capability = this.#options.trust.capability(record.capability);
    if (!capability.ok) return refuse('DEPLOYMENT_REFUSED', ...capability.refusal.reasons);
    return ok({ manifest: manifest.value, capability: capability.value });
  };

  #take(step: Result<RegistryStep>): void {
    if (!step.ok) return;
    this.#state = step.value.state;
    if (step.value.changes.length === 0) return;
    this.#found.clear();
    this.#options.onChanges(step.value.changes);
  }
}

const foundOf = ({ record, manifest, capability }: Registration): FoundAgent => ({
  nodeId: record.node,
  manifest,
  capability,
  // Verified with this very key before the record was taken.
  deployer: record.manifest.split('.')[2] ?? '',
});

/** As many records in each part as surely fit. */
function partsOf(records: readonly RegistryRecord[]): readonly (readonly RegistryRecord[])[] {
  const parts: RegistryRecord[][] = [];
  let room = 0;
  for (const record of records) {
    const bytes = record.manifest.length + record.capability.length + recordOverheadBytes;
    if (bytes > room) {
      parts.push([]);
      room = limits.pushPullBytesMax - recordOverheadBytes;
    }
    parts.at(-1)!.push(record);
    room -= bytes;
  }
  return parts;
}

const encode = (delta: RegistryDelta): Uint8Array => utf8.encode(registryDeltaText(delta));

function decode(content: Uint8Array): Result<RegistryDelta> {
  try {
    return readRegistryDelta(utf8.decode(content));
  } catch {
    return refuse('MALFORMED', 'The registry delta is not UTF-8.');
  }
}
