import type { NodeId } from '../../names.ts';
import type { KeyId } from './key-id.ts';

/** How long things take, in milliseconds. */
export interface RotationTimes {
  /** `key_rotation_interval`: from one switch to the next proposal. */
  readonly intervalMs: number;
  /** How much longer each next member waits with a proposal, should the ones before it be lost. */
  readonly fallbackMs: number;
  /** How long a new key waits for live members that do not confirm it; after that a quorum is enough. */
  readonly graceMs: number;
  /** How long a key opens at least after it has sealed last. */
  readonly retireMs: number;
  /** And at most, while live members are not known to seal with the new one. */
  readonly retireMsMax: number;
  /** How long an answer to a request for a key may take, before another is asked. */
  readonly askMs: number;
}

/** What a node sees of its cluster, as far as rotation goes. */
export interface RotationView {
  /** The other members that it believes alive. */
  readonly live: readonly NodeId[];
  /** Whether it sees a quorum of the expected size. */
  readonly majority: boolean;
  /** How many members must hold a key before it may seal. */
  readonly quorum: number;
  /** Grows with each document of revocations and suspensions, with each rival of one, and with each root that is dropped. */
  readonly revocations: number;
  /** Whoever is revoked now: nothing is taken from them, and no key given. */
  readonly revoked: readonly NodeId[];
}

/** What a peer said over a link that it holds. */
export interface PeerKeys {
  readonly sealing: KeyId;
  /** The key that it holds ready. */
  readonly candidate?: KeyId | undefined;
}

/** Why a new key is due. */
export type RotationReason = 'interval' | 'revocation' | 'operator';

/** A key that is held ready. */
export interface Candidate {
  readonly id: KeyId;
  readonly sinceMs: number;
  /** How many of this epoch and these revocations it came after, and since when there was one. */
  readonly replaced: number;
  readonly firstMs: number;
}

/** Everything that one node knows of the gossip keys, but the keys. Never changed in place. */
export interface RotationState {
  readonly self: NodeId;
  readonly times: RotationTimes;
  readonly view: RotationView;
  /** Seals what this node sends; only grows in the order of keys. */
  readonly sealing: KeyId;
  readonly switchedMs: number;
  /** Held, announced, and not sealing yet. Of the next epoch. */
  readonly candidate: Candidate | undefined;
  /** Open still, seal no more. */
  readonly retiring: readonly { readonly id: KeyId; readonly sinceMs: number }[];
  /** What was said over a link that is down now is forgotten. */
  readonly peers: ReadonlyMap<NodeId, PeerKeys>;
  readonly due: { readonly reason: RotationReason; readonly sinceMs: number } | undefined;
  /** A key that this node is making. */
  readonly plan: { readonly epoch: number; readonly revocations: number } | undefined;
  /** The key that was asked for last; `open` until it came, or its link went. */
  readonly asked:
    | { readonly id: KeyId; readonly peer: NodeId; readonly sinceMs: number; readonly open: boolean }
    | undefined;
  /** When the budget of epochs that this node lets itself be told of is whole again. */
  readonly epochsWholeMs: number;
  /** The same for switches, of one epoch or of many. */
  readonly switchesWholeMs: number;
}

export type RotationInput =
  /** The members, the partition or the revocations have changed. */
  | { readonly type: 'view'; readonly view: RotationView; readonly now: number }
  /** A peer said over its link what it holds. */
  | { readonly type: 'peer'; readonly peer: NodeId; readonly keys: PeerKeys; readonly now: number }
  /** The link to a peer is down. */
  | { readonly type: 'lost'; readonly peer: NodeId; readonly now: number }
  /** A peer asks for a key. */
  | { readonly type: 'request'; readonly peer: NodeId; readonly id: KeyId; readonly now: number }
  /** A peer gave a key, and it is the one of this id. */
  | { readonly type: 'received'; readonly peer: NodeId; readonly id: KeyId; readonly now: number }
  /** An authentic datagram was sealed with this key, which is held. */
  | { readonly type: 'heard'; readonly id: KeyId; readonly now: number }
  /** The key that was planned is made and kept. */
  | { readonly type: 'made'; readonly id: KeyId; readonly now: number }
  /** An operator wants a new key, of this node. */
  | { readonly type: 'rotate'; readonly now: number }
  /** Time has passed: see `nextInMs`. */
  | { readonly type: 'tick'; readonly now: number };

/** `proposed` by this node, `held` ready for another’s; `switched` to, from now on it seals; `retired`, it opens nothing. */
export type KeyChange = 'proposed' | 'held' | 'switched' | 'retired';

export type RotationEffect =
  /** Make a key, keep it, and answer with `made`. */
  | { readonly type: 'make'; readonly epoch: number; readonly revocations: number; readonly reason: RotationReason }
  | { readonly type: 'ask'; readonly peer: NodeId; readonly id: KeyId }
  | { readonly type: 'give'; readonly peer: NodeId; readonly id: KeyId }
  /** The peer’s key was made after revocations that this node has not heard of: compare notices with it. */
  | { readonly type: 'behind'; readonly peer: NodeId }
  /** The peer tells of an epoch that is further than this node lets itself be led. */
  | { readonly type: 'leap'; readonly peer: NodeId; readonly id: KeyId }
  /** Keep what is held now, then tell all peers. */
  | { readonly type: 'changed'; readonly change: KeyChange; readonly id: KeyId; readonly reasons: readonly string[] };

export interface RotationStep {
  readonly state: RotationState;
  readonly effects: readonly RotationEffect[];
}
