import { ok, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Acknowledgement } from '../../protocols/registry/acknowledgement.ts';
import { type RegistryRecord, registryDeltaText } from '../../protocols/registry/record.ts';
import type { NodeRecords, RegistryState } from '../../protocols/registry/registry.ts';
import { needsDocuments, type Part, Telling } from '../../protocols/registry/telling.ts';
import { type Write, WriteLog } from '../../protocols/registry/write-log.ts';
import type { Patience } from '../cluster/gossip/patience.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import type { Clock } from '../kernel/ports.ts';
import { outsideTurns } from '../kernel/turn.ts';
import { utf8 } from '../kernel/utf8.ts';

export interface AnnouncementsOptions {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly state: () => RegistryState;
  /** Whether a node without a link is a live member: it may be back, and wants to hear just what it has missed. */
  readonly isLive: (node: NodeId) => boolean;
  /** How many records a peer may have this node tell again. */
  readonly patience: Patience;
}

interface Peer {
  readonly bootEpoch: number;
  readonly telling: Telling;
  /** The newest link; absent while there is none. */
  link: PeerLink | undefined;
  /** The link that takes no more now, and calls when it does. */
  waitsFor: PeerLink | undefined;
  /** Its link is new, and it has to be told on it what it has not acknowledged. */
  behind: boolean;
  /** What it acknowledged last, if it wishes something by that. */
  wish: Acknowledgement | undefined;
  /** When it was last told something again, monotonic milliseconds; and what waits until it may be once more. */
  repeatedMs: number;
  timer: unknown;
}

/** A delta as it is sent. */
interface Written {
  readonly content: Uint8Array;
  readonly upTo: number;
  readonly records: number;
}

const emptyHeader = new Uint8Array(0);
/** More than a record takes beside its two documents, and than the delta around all of them. */
const recordOverheadBytes = 512;

/**
 * Tells the other nodes which agents live here. What is written in one piece of code goes out at its end as one delta:
 * before anything that those agents say, and of an agent that came and went just the last of it. A link that takes no
 * more is told the rest when it flows again.
 */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #log = new WriteLog();
  readonly #peers = new Map<NodeId, Peer>();
  /** In a flush: what was written for one peer is the same for every other one that stands where it stood. */
  readonly #written = new Map<string, Written>();
  /** Who keeps up stands here, or beyond. */
  #flushed = 0;
  #isFlushing = false;
  #due = false;
  /** Acknowledgements since removals were last forgotten. */
  #acknowledgements = 0;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  /** How many removals are remembered, for peers that have not acknowledged them. */
  get removals(): number {
    return this.#log.gone;
  }

  /** The number of the next record. */
  next(): number {
    return this.#log.next();
  }

  /** A record of this node was written; `before`: the version that the agent had until now. */
  add({ agentId, version, state, manifest }: RegistryRecord, before: number | undefined): void {
    if (state !== 'gone' && manifest !== '') this.#log.live(agentId, version, before);
    else if (before === undefined) return;
    else if (state === 'gone') this.#log.removed(agentId, version, before);
    else this.#log.changed(agentId, version, before);
    if (this.#due) return;
    this.#due = true;
    outsideTurns(() => queueMicrotask(() => this.#flush()));
  }

  /** A link came up: it is told what its node, in this boot, has not acknowledged on one before. */
  linkReady(link: PeerLink): void {
    const { nodeId, hello } = link;
    if (this.#peers.get(nodeId)?.bootEpoch !== hello.bootEpoch) this.#forget(nodeId);
    const peer = this.#peers.get(nodeId) ?? {
      bootEpoch: hello.bootEpoch,
      telling: new Telling(this.#log),
      link,
      waitsFor: undefined,
      behind: true,
      wish: undefined,
      repeatedMs: Number.NEGATIVE_INFINITY,
      timer: undefined,
    };
    this.#peers.set(nodeId, peer);
    peer.link = link;
    peer.behind = true;
    this.#repeat(peer);
  }

  linkClosed(link: PeerLink): void {
    const peer = this.#peers.get(link.nodeId);
    if (peer?.link !== link) return;
    peer.link = undefined;
    this.#stopTimer(peer);
  }

  /** A peer says how far it is. PROTOCOL_VIOLATION. */
  acknowledged(node: NodeId, acknowledgement: Acknowledgement): Result<void> {
    const peer = this.#peers.get(node);
    if (!peer) return ok(undefined);
    const wish = peer.telling.acknowledged(this.#log, acknowledgement);
    if (!wish.ok) return wish;
    peer.wish = wish.value === 'again' ? acknowledgement : undefined;
    this.#repeat(peer);
    // With each peer as often as there are peers, so that it costs each of them the same however many there are.
    this.#acknowledgements += 1;
    if (this.#acknowledgements >= this.#peers.size) this.#forgetGone();
    return ok(undefined);
  }

  #flush(): void {
    this.#due = false;
    this.#isFlushing = true;
    for (const peer of this.#peers.values()) this.#tell(peer);
    this.#isFlushing = false;
    this.#written.clear();
    this.#flushed = this.#log.newest;
  }

  /** Tells all that there is to tell, as far as the link takes it without others having to wait. */
  #tell(peer: Peer): void {
    const { link, telling } = peer;
    if (!link || peer.behind || peer.waitsFor === link) return;
    for (let part = telling.next(this.#log); part; part = telling.next(this.#log)) {
      const written = link.congested ? undefined : this.#write(part);
      if (!written || !link.send('registry', emptyHeader, written.content).ok) {
        peer.waitsFor = link;
        link.whenFlowing(() => {
          if (peer.waitsFor !== link) return;
          peer.waitsFor = undefined;
          if (peer.link === link) this.#tell(peer);
        });
        return;
      }
      if (telling.told(this.#log, written.upTo)) this.#options.patience.spend(link.nodeId, written.records + 1);
    }
  }

  #write(part: Part): Written {
    const { pass, above } = part;
    // A listing is one peer’s own, and so is where somebody stands who is behind.
    const isShared = this.#isFlushing && pass === 0 && above >= this.#flushed;
    const place = `${above} ${part.documents}`;
    const known = isShared ? this.#written.get(place) : undefined;
    if (known) return known;
    const { nodeId, state } = this.#options;
    const own = state().nodes.get(nodeId)!;
    const { newest } = this.#log;
    const records: RegistryRecord[] = [];
    let upTo = newest;
    let room = limits.pushPullBytesMax - recordOverheadBytes;
    for (const write of part.writes) {
      const record = recordOf(nodeId, own, write, needsDocuments(part, write));
      room -= record.manifest.length + record.capability.length + recordOverheadBytes;
      if (room < 0 && records.length > 0) {
        upTo = records.at(-1)!.version;
        break;
      }
      records.push(record);
    }
    const content = utf8.encode(registryDeltaText({ pass, above, upTo, newest, records }));
    const written = { content, upTo, records: records.length };
    if (isShared) this.#written.set(place, written);
    return written;
  }

  /** Whatever a peer asks for, and however often it comes back: in bounds, and by what it says when the time has come. */
  #repeat(peer: Peer): void {
    const { link, wish, behind } = peer;
    if (!link || peer.timer !== undefined || (!behind && !wish)) return;
    const { clock, patience } = this.#options;
    const waitMs = behind ? 0 : peer.repeatedMs + limits.registryRepeatMs - clock.monotonic();
    const hasPatience = patience.with(link.nodeId);
    if (waitMs > 0 || !hasPatience) {
      const again = (): void => {
        peer.timer = undefined;
        this.#repeat(peer);
      };
      const delayMs = hasPatience ? waitMs : limits.registryRepeatMs;
      peer.timer = outsideTurns(() => clock.setTimeout(again, delayMs));
      return;
    }
    peer.repeatedMs = clock.monotonic();
    peer.behind = false;
    peer.wish = undefined;
    if (behind || !wish) peer.telling.resume();
    else peer.telling.repeat(this.#log, wish);
    this.#tell(peer);
  }

  /** Who is behind a lost link may be back; who is dead is told everything if it is. */
  #forgetGone(): void {
    this.#acknowledgements = 0;
    let floor = this.#log.newest;
    for (const [node, { link, telling }] of this.#peers) {
      if (link || this.#options.isLive(node)) floor = Math.min(floor, telling.floor);
      else this.#forget(node);
    }
    this.#log.forgetGone(floor);
  }

  #forget(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer) this.#stopTimer(peer);
    this.#peers.delete(node);
  }

  #stopTimer(peer: Peer): void {
    if (peer.timer !== undefined) this.#options.clock.clearTimeout(peer.timer);
    peer.timer = undefined;
  }
}

function recordOf(node: NodeId, own: NodeRecords, write: Write, withDocuments: boolean): RegistryRecord {
  const { agentId, version, documents } = write;
  const registration = write.gone ? undefined : own.live.get(agentId);
  if (!registration) return gone(node, agentId, version);
  const { manifest, capability } = withDocuments ? registration.signed : { manifest: '', capability: '' };
  return {
    agentId,
    node,
    version,
    documents,
    state: registration.suspended ? 'suspended' : 'live',
    manifest,
    capability,
  };
}

const gone = (node: NodeId, agentId: AgentId, version: number): RegistryRecord => ({
  agentId,
  node,
  version,
  documents: version,
  state: 'gone',
  manifest: '',
  capability: '',
});
