import { type GossipKey, gossipKey } from '../../../crypto/keyring.ts';
import type { NodeSvid } from '../../../crypto/svid.ts';
import type { NodeId } from '../../../names.ts';
import { isSameKey, type KeyId } from '../../../protocols/gossip-keys/key-id.ts';
import type { PeerKeys } from '../../../protocols/gossip-keys/state.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import {
  decodeGivenKey,
  decodeKeyRequest,
  decodePeerKeys,
  encodeGivenKey,
  encodeKeyRequest,
  encodePeerKeys,
  gossipKeysFeature,
} from '../../../protocols/link/key-frame.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { Links, PeerLink } from '../links/links.ts';
import { Patience } from './patience.ts';

export interface KeyLinksOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly links: Links;
  readonly isRevoked: (svid: NodeSvid) => boolean;
}

/** Who hears what peers say of gossip keys, and what they give. */
export interface KeyListener {
  readonly ready: (link: PeerLink) => void;
  readonly lost: (peer: NodeId) => void;
  readonly said: (peer: NodeId, keys: PeerKeys) => void;
  readonly asked: (peer: NodeId, id: KeyId) => void;
  /** The key is the one of its name; whether it was asked for is for the listener to say. */
  readonly given: (peer: NodeId, key: GossipKey) => void;
}

/** An honest member says what it holds when that changes, when a link comes up, and now and then. */
const tellingRate = { count: 4, periodMs: 1_000, burst: 64 } as const;
const askingRate = { count: 1, periodMs: 1_000, burst: 16 } as const;

/**
 * How gossip keys go from node to node. A key leaves this node in one place, `give`: over mutual TLS, to a member that is
 * not revoked.
 */
export class KeyLinks {
  readonly #options: KeyLinksOptions;
  readonly #telling: Patience;
  readonly #asking: Patience;

  constructor(options: KeyLinksOptions) {
    this.#options = options;
    this.#telling = new Patience(options.clock, tellingRate);
    this.#asking = new Patience(options.clock, askingRate);
  }

  listen({ ready, lost, said, asked, given }: KeyListener): void {
    const { links } = this.#options;
    links.onReady(ready);
    links.onClosed(({ nodeId }) => lost(nodeId));
    links.onFrame('gossip-keys', (link, frame) => {
      if (!this.#mayPass(link, this.#telling)) return;
      const keys = decodePeerKeys(utf8, frame);
      if (keys.ok) said(link.nodeId, keys.value.unverified);
      else link.violated(keys.refusal.reasons[0]);
    });
    links.onFrame('gossip-key-request', (link, frame) => {
      if (!this.#mayPass(link, this.#asking)) return;
      const id = decodeKeyRequest(utf8, frame);
      if (id.ok) asked(link.nodeId, id.value.unverified);
      else link.violated(id.refusal.reasons[0]);
    });
    links.onFrame('gossip-key', (link, frame) => {
      const key = this.#mayPass(link, this.#telling) ? checked(link, frame) : undefined;
      if (key) given(link.nodeId, key);
    });
  }

  get(peer: NodeId): PeerLink | undefined {
    return this.#options.links.get(peer);
  }

  all(): readonly PeerLink[] {
    return this.#options.links.all();
  }

  tell(link: PeerLink, keys: PeerKeys): void {
    if (!link.hello.features.includes(gossipKeysFeature)) return;
    const { header, content } = encodePeerKeys(utf8, keys);
    link.send('gossip-keys', header, content);
  }

  ask(peer: NodeId, id: KeyId): void {
    const { header, content } = encodeKeyRequest(utf8, id);
    this.get(peer)?.send('gossip-key-request', header, content);
  }

  give(peer: NodeId, { id, key }: GossipKey): void {
    const link = this.get(peer);
    if (!link || this.#options.isRevoked(link.svid)) return;
    const { header, content } = encodeGivenKey(utf8, id, key);
    link.send('gossip-key', header, content);
    this.#options.metrics.count('gossip_keys_given');
  }

  /** Nothing is taken from the revoked, and nothing without measure from anybody. */
  #mayPass({ nodeId, svid }: PeerLink, patience: Patience): boolean {
    const isRevoked = this.#options.isRevoked(svid);
    if (!isRevoked && patience.with(nodeId)) {
      patience.spend(nodeId);
      return true;
    }
    this.#options.metrics.count('gossip_keys_refused', { code: isRevoked ? 'REVOKED' : 'RATE_LIMIT_EXCEEDED' });
    return false;
  }
}

/** A key that is the one of its name; otherwise the link ends. */
function checked(link: PeerLink, frame: Frame): GossipKey | undefined {
  const given = decodeGivenKey(utf8, frame);
  if (!given.ok) {
    link.violated(given.refusal.reasons[0]);
    return undefined;
  }
  const { id, key } = given.value.unverified;
  const made = gossipKey(key, id);
  if (isSameKey(made.id, id)) return made;
  link.violated('A gossip key is not the one of its name.');
  return undefined;
}
