import type { KeyObject } from 'node:crypto';
import type { Keyring } from '../../../crypto/keyring.ts';
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
}

interface Pair {
  readonly nodeId: NodeId;
  readonly epoch: number;
  /** Undefined for a key that agrees on nothing: such a member is known and cannot be spoken to. */
  readonly boxKey: KeyObject | undefined;
  readonly tag: string;
  /** By gossip key version. */
  readonly seals: Map<number, PairSeal>;
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

  constructor(options: PairSealOptions) {
    this.#options = options;
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
    const seal = this.#sealOf(pair, this.#options.keyring().sealing.version);
    return seal?.seal(++pair.counter, plaintext);
  }

  /** Opens a datagram. SEAL_INVALID for strangers and forgeries, REPLAYED for what was seen before. */
  open(datagram: Uint8Array): Opened {
    const head = readDatagramHead(datagram);
    if (!head.ok) return head;
    let opened: Opened = refuse('SEAL_INVALID', 'The datagram is from no known boot of a member.');
    for (const pair of this.#byTag.get(head.value.tag) ?? []) {
      opened = this.#openAs(pair, head.value.keyVersion, datagram);
      if (opened.ok || opened.refusal.code === 'REPLAYED') return opened;
    }
    return opened;
  }

  #openAs(pair: Pair, keyVersion: number, datagram: Uint8Array): Opened {
    const seal = this.#sealOf(pair, keyVersion);
    if (!seal) return refuse('SEAL_INVALID', 'The datagram is sealed with a gossip key that this node does not hold.');
    const opened = seal.open(datagram);
    if (!opened.ok) return opened;
    // Only what was authenticated may move the window.
    const fresh = pair.window.commit(pair.epoch, opened.value.counter);
    if (!fresh.ok) return fresh;
    return ok({ from: pair.nodeId, plaintext: opened.value.plaintext });
  }

  #sealOf(pair: Pair, version: number): PairSeal | undefined {
    const { crypto, clusterId, self, boxPrivate, keyring } = this.#options;
    const gossipKey = keyring().key(version);
    if (!gossipKey) {
      // A key that was retired must open nothing any more, whatever was derived from it.
      pair.seals.delete(version);
      return undefined;
    }
    const held = pair.seals.get(version);
    if (held) return held;
    if (!pair.boxKey) return undefined;
    const seal = derivePairSeal({
      crypto,
      ownPrivate: boxPrivate,
      peerPublic: pair.boxKey,
      gossipKey,
      clusterId,
      keyVersion: version,
      self,
      peer: { nodeId: pair.nodeId, epoch: pair.epoch },
    });
    pair.seals.set(version, seal);
    return seal;
  }
}
