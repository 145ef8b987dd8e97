import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { type RegistryDelta, type RegistryRecord, registryDeltaText } from '../../protocols/registry/record.ts';
import { fullDelta, type RegistryState } from '../../protocols/registry/registry.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import { outsideTurns } from '../kernel/turn.ts';
import { utf8 } from '../kernel/utf8.ts';

export interface AnnouncementsOptions {
  readonly nodeId: NodeId;
  readonly state: () => RegistryState;
  /** Every ready link. */
  readonly links: () => Iterable<PeerLink>;
}

const emptyHeader = new Uint8Array(0);
/** More than a record takes beside its two documents, and than the delta around all of them. */
const recordOverheadBytes = 512;

/**
 * Tells the other nodes which agents live here. What is written in one piece of code goes out at its end as one delta:
 * before anything that those agents say, and of an agent that came and went just the last of it. A link that takes no
 * more is told the rest when it flows again: records are numbered as they are written, so a number says how far it is.
 */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #fresh = new Map<AgentId, RegistryRecord>();
  /** The newest record that this link was told; absent: nothing yet. */
  readonly #told = new WeakMap<PeerLink, number>();
  #newest = 0;
  /** The newest one when all links that keep up were last told. */
  #flushed = 0;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** The number of the next record. */
  next(): number {
    this.#newest += 1;
    return this.#newest;
  }

  /** A record of this node was written. */
  add(record: RegistryRecord): void {
    // In the order in which they are numbered.
    this.#fresh.delete(record.agentId);
    this.#fresh.set(record.agentId, record);
    if (this.#fresh.size === 1) outsideTurns(() => queueMicrotask(() => this.#flush()));
  }

  /**
   * A link came up: it is told everything. What one frame cannot hold goes in parts, of which none can say that it is
   * all there is; so the removals go with them.
   */
  linkReady(link: PeerLink): void {
    const { nodeId, state } = this.#options;
    const full = fullDelta(state(), nodeId);
    this.#told.set(link, 0);
    const whole = mayFit(full.records) ? encode(full) : undefined;
    if (whole === undefined || whole.length > limits.pushPullBytesMax) this.#catchUp(link);
    else if (link.send('registry', emptyHeader, whole).ok) this.#told.set(link, this.#newest);
    else link.whenFlowing(() => this.#catchUp(link));
  }

  #flush(): void {
    const records = [...this.#fresh.values()];
    this.#fresh.clear();
    const before = this.#flushed;
    this.#flushed = this.#newest;
    const parts = [...partsOf(records)];
    for (const link of this.#options.links()) {
      const told = this.#told.get(link) ?? 0;
      // It came up since then and was told all, or it is behind and will be told these with the others.
      if (told >= this.#newest || told < before) continue;
      this.#tell(link, parts);
    }
  }

  #catchUp(link: PeerLink): void {
    const { nodeId, state } = this.#options;
    const own = state().nodes.get(nodeId);
    if (!own) return;
    const told = this.#told.get(link) ?? 0;
    const all = [...own.live.values(), ...own.gone.values()].map(({ record }) => record);
    const rest = all.filter(({ version }) => version > told).sort((a, b) => a.version - b.version);
    this.#tell(link, partsOf(rest));
  }

  /** Parts in the order of their numbers, as far as the link takes them without others having to wait. */
  #tell(link: PeerLink, parts: Iterable<Part>): void {
    for (const { content, version } of parts) {
      if (link.congested || !link.send('registry', emptyHeader, content()).ok) {
        link.whenFlowing(() => this.#catchUp(link));
        return;
      }
      this.#told.set(link, version);
    }
    // There may be higher numbers, of records that were refused here.
    this.#told.set(link, this.#newest);
  }
}

interface Part {
  /** Of its last record. */
  readonly version: number;
  readonly content: () => Uint8Array;
}

/** Whether one frame might hold them. Not looked at to the end: the text of each may have to be made again. */
function mayFit(records: readonly RegistryRecord[]): boolean {
  let bytes = 0;
  for (const { manifest, capability } of records) {
    bytes += manifest.length + capability.length;
    if (bytes > limits.pushPullBytesMax) return false;
  }
  return true;
}

/**
 * As many records in each part as surely fit. A part is looked at when it is its turn, because a link that takes no more
 * is not told the rest now; it is written out once, when the first link is told.
 */
function* partsOf(records: readonly RegistryRecord[]): Generator<Part> {
  let part: RegistryRecord[] = [];
  let room = limits.pushPullBytesMax - recordOverheadBytes;
  for (const record of records) {
    const bytes = record.manifest.length + record.capability.length + recordOverheadBytes;
    if (bytes > room && part.length > 0) {
      yield partOf(part);
      part = [];
      room = limits.pushPullBytesMax - recordOverheadBytes;
    }
    part.push(record);
    room -= bytes;
  }
  if (part.length > 0) yield partOf(part);
}

function partOf(records: readonly RegistryRecord[]): Part {
  let written: Uint8Array | undefined;
  return {
    version: records.at(-1)!.version,
    content: () => {
      written ??= encode({ full: false, records });
      return written;
    },
  };
}

const encode = (delta: RegistryDelta): Uint8Array => utf8.encode(registryDeltaText(delta));
