import type { KeyObject } from 'node:crypto';
import type { GossipKey, Keyring } from '../../../crypto/keyring.ts';
import { x25519PublicKey } from '../../../crypto/keys.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { datagramTag, derivePairSeal, type PairSeal, readDatagramHead } from '../../../crypto/seal.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import { ReplayWindow } from '../../../protocols/authorization/replay.ts';

export interface PairSealOptions {
  readonly crypto: Crypto;
  readonly clusterId: string;
  readonly self: { readonly nodeId: NodeId; readonly epoch: number };
  /** X25519, made at boot and never written down. */
  readonly boxPrivate: KeyObject;
  /** Its raw public half. */
  readonly boxPublic: Uint8Array;
  readonly keyring: () => Keyring;
  /** An authentic datagram came that was sealed with another key than this node seals with. */
  readonly onOtherKey?: (key: GossipKey) => void;
}

interface Pair {
  readonly nodeId: NodeId;
  readonly epoch: number;
  /** Undefined for a key that agrees on nothing: such a member is known and cannot be spoken to. */
  readonly boxKey: KeyObject | undefined;
  readonly tag: string;
  /** By the hash of the gossip key. */
  readonly seals: Map<string, PairSeal>;
  readonly window: ReplayWindow;
  counter: number;
}

type Opened = Result<{ readonly from: NodeId; readonly plaintext: Uint8Array }>;

/**
 * The seals between this node and each member, kept by the member’s boot: a new boot has a new box key, so what was
 * recorded from the old one opens nothing. A datagram names its sender by a tag that only the two can compute.
 */
export class PairSeals {
  readonly #options: PairSealOptions;
  readonly #byNode = new Map<NodeId, Pair>();
  /** Several only when a member claims the box key of another as its own: their names are in their seals. */
  readonly #byTag = new Map<string, readonly Pair[]>();
  #ring: Keyring;

  constructor(options: PairSealOptions) {
    this.#options = options;
    this.#ring = options.keyring();
  }

  /** Learns a member’s box key from its verified alive claim. An older boot than the known one changes nothing. */
  learn(nodeId: NodeId, epoch: number, boxKey: Uint8Array): void {
    const known = this.#byNode.get(nodeId);
    if (known && known.epoch >= epoch) return;
    this.forget(nodeId);
    const tag = datagramTag(boxKey, this.#options.boxPublic);
    const usable = x25519PublicKey(boxKey);
    const pair: Pair = {
      nodeId,
      epoch,
      boxKey: usable.ok ? usable.value : undefined,
      tag,
      seals: new Map(),
      window: new ReplayWindow(),
      counter: 0,
    };
    this.#byNode.set(nodeId, pair);
    this.#byTag.set(tag, [...(this.#byTag.get(tag) ?? []), pair]);
  }

  forget(nodeId: NodeId): void {
    const known = this.#byNode.get(nodeId);
    if (!known) return;
    this.#byNode.delete(nodeId);
    const others = (this.#byTag.get(known.tag) ?? []).filter((pair) => pair !== known);
    if (others.length === 0) this.#byTag.delete(known.tag);
    else this.#byTag.set(known.tag, others);
  }

  /** Seals for a member; undefined while its box key is not known. */
  seal(nodeId: NodeId, plaintext: Uint8Array): Uint8Array | undefined {
    const pair = this.#byNode.get(nodeId);
    if (!pair) return undefined;
    const seal = this.#sealOf(pair, this.#keyring().sealing);
    return seal?.seal(++pair.counter, plaintext);
  }

  /** Opens a datagram. SEAL_INVALID for strangers and forgeries, REPLAYED for what was seen before. */
  open(datagram: Uint8Array): Opened {
    const head = readDatagramHead(datagram);
    if (!head.ok) return head;
    let opened: Opened = refuse('SEAL_INVALID', 'The datagram is from no known boot of a member.');
    const pairs = this.#byTag.get(head.value.tag) ?? [];
    const keys = this.#keyring().ofEpoch(head.value.keyVersion);
    if (pairs.length > 0 && keys.length === 0)
      return refuse('SEAL_INVALID', 'The datagram is sealed with a gossip key that this node does not hold.');
    for (const pair of pairs)
      for (const key of keys) {
        opened = this.#openAs(pair, key, datagram);
        if (opened.ok || opened.refusal.code === 'REPLAYED') return opened;
      }
    return opened;
  }

  #openAs(pair: Pair, key: GossipKey, datagram: Uint8Array): Opened {
    const seal = this.#sealOf(pair, key);
    if (!seal) return refuse('SEAL_INVALID', 'The datagram is from a member whose box key agrees on nothing.');
    const opened = seal.open(datagram);
    if (!opened.ok) return opened;
    // Only what was authenticated may move the window.
    const fresh = pair.window.commit(pair.epoch, opened.value.counter);
    if (!fresh.ok) return fresh;
    if (key !== this.#ring.sealing) this.#options.onOtherKey?.(key);
    return ok({ from: pair.nodeId, plaintext: opened.value.plaintext });
  }

  /** A key that was retired must open nothing any more, whatever was derived from it. */
  #keyring(): Keyring {
    const ring = this.#options.keyring();
    if (ring === this.#ring) return ring;
    this.#ring = ring;
    for (const { seals } of this.#byNode.values())
      for (const hash of seals.keys()) if (!ring.key(hash)) seals.delete(hash);
    return ring;
  }

  #sealOf(pair: Pair, { id, key }: GossipKey): PairSeal | undefined {
    const held = pair.seals.get(id.hash);
    if (held) return held;
    if (!pair.boxKey) return undefined;
    const { crypto, clusterId, self, boxPrivate } = this.#options;
    const seal = derivePairSeal({
      crypto,
      ownPrivate: boxPrivate,
      peerPublic: pair.boxKey,
      gossipKey: key,
      clusterId,
      keyVersion: id.epoch,
      self,
      peer: { nodeId: pair.nodeId, epoch: pair.epoch },
    });
    pair.seals.set(id.hash, seal);
    return seal;
  }
}
