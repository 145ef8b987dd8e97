import type { NodeId } from '../../names.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import type { Awareness } from './awareness.ts';
import type { BroadcastQueue } from './broadcast.ts';
import type { Chance } from './chance.ts';
import type { MemberAddress, Sign, SignedClaim } from './claim.ts';
import type { SwimConfig } from './config.ts';
import type { Member } from './member.ts';
import type { Packet } from './packet.ts';
import type { PartitionMode } from './partition.ts';
import type { Probe } from './probe.ts';
import type { Roster } from './roster.ts';
import type { Self } from './self.ts';

/** What one member needs to begin. */
export interface SwimOptions {
  readonly self: {
    readonly nodeId: NodeId;
    /** Higher than at any earlier boot of this node; u32. */
    readonly bootEpoch: number;
    /** The X25519 public key of this boot, 32 bytes. */
    readonly boxKey: Uint8Array;
    /** At least one; the first is where packets are sent. */
    readonly addresses: readonly MemberAddress[];
  };
  /** Checked by `checkSwimConfig`. */
  readonly config: SwimConfig;
  /** Where chance starts; the same seed and inputs give the same effects. */
  readonly seed: number;
  /** `cluster.expected_size`: of this the quorum is taken. */
  readonly expectedSize: number;
  /** What a packet may take before it is sealed: the datagram’s limit less the seal’s overhead. */
  readonly plaintextBytesMax: number;
  /** Signs with this node’s claim key, under the claims’ domain. */
  readonly sign: Sign;
  readonly utf8: Utf8;
  /** Whether the shell can send packets over links: then they are the second way to a member. */
  readonly overLinks?: boolean;
  /** Parts of the rules switched off, to measure what each is worth. No node runs so. */
  readonly trial?: SwimTrial;
}

/**
 * The rules with less in them. Lifeguard’s other two parts are switched off by numbers: local health by `awarenessMax` 0,
 * the suspicion that shortens with confirmations by `suspicionMaxMult` 1.
 */
export interface SwimTrial {
  /** Lifeguard’s buddy system: a packet to an accused member carries the accusation. */
  readonly buddy: boolean;
  /**
   * False for SWIM’s own belief: one suspicion that runs out is a death, a death is believed as it comes, and only the
   * subject’s next incarnation refutes either.
   */
  readonly certified: boolean;
}

/** How a packet travels: as a datagram, or over the link because datagrams do not get through. */
export type Via = 'datagram' | 'link';

/** Everything that one member knows and does; changed in place by `step`, read through the views. */
export interface SwimState {
  readonly options: SwimOptions;
  readonly self: Self;
  readonly roster: Roster;
  readonly broadcasts: BroadcastQueue;
  readonly probes: Map<number, Probe>;
  readonly awareness: Awareness;
  readonly chance: Chance;
  /** Nodes whose directory entry was asked for since the last probe tick. */
  readonly directoryAsks: Set<NodeId>;
  /** Whom was asked meanwhile: one answer has all that it knows. */
  readonly directoryAsked: Set<NodeId>;
  /** For whom this node has probed others since the last probe tick, and how often. */
  readonly relays: Map<NodeId, number>;
  /** Nodes that an authority revoked or suspended, members or not: nothing that they say or sign counts. */
  revoked: ReadonlySet<NodeId>;
  /** Counts inputs: orders events that share a millisecond. */
  turn: number;
  nextSeq: number;
  nextSuspicionRound: number;
  gossipScheduled: boolean;
  /** When the first of the dead is to be contacted again; early rather than late. */
  nextReachMs: number;
  partition: PartitionMode;
  mode: 'active' | 'leaving' | 'left';
}

/** What can happen to a member. `now` is in milliseconds of a clock that never goes back. */
export type SwimInput =
  /** First: starts the timers; and again when the shell has lost all of them. */
  | { readonly type: 'start'; readonly now: number }
  /** A packet whose seal proved `from` and whose claims were verified. */
  | {
      readonly type: 'packet';
      readonly from: NodeId;
      readonly packet: Packet;
      /** Default: a datagram. */
      readonly via?: Via;
      readonly now: number;
    }
  /** A `schedule` effect has come due. */
  | { readonly type: 'timer'; readonly timer: SwimTimer; readonly now: number }
  /** Verified claims from a push/pull over the link to `from`. */
  | {
      readonly type: 'claims';
      readonly from: NodeId;
      readonly claims: readonly SignedClaim[];
      readonly now: number;
    }
  /** Verified claims of an earlier boot’s `snapshot`: what this node knew before it stopped. */
  | { readonly type: 'restored'; readonly claims: readonly SignedClaim[]; readonly now: number }
  /** A claim from `from` could not be verified, because the directory lacks the key of `node`. */
  | { readonly type: 'directory.missing'; readonly from: NodeId; readonly node: NodeId; readonly now: number }
  /** The link to `peer` broke: a hint that starts a probe, never a verdict. */
  | { readonly type: 'link.lost'; readonly peer: NodeId; readonly now: number }
  /**
   * A link to `peer` is up and authenticated: as good as an ack. `bootEpoch` as its `hello` gave it: a boot newer than
   * the one known says nothing about the old one.
   */
  | { readonly type: 'link.ready'; readonly peer: NodeId; readonly bootEpoch?: number; readonly now: number }
  /** All nodes that are revoked or suspended now, and no others. */
  | { readonly type: 'revoked'; readonly nodes: readonly NodeId[]; readonly now: number }
  /** Go in good order. */
  | { readonly type: 'leave'; readonly now: number };

export type SwimTimer =
  | { readonly type: 'probe' }
  | { readonly type: 'probe.timeout'; readonly seq: number }
  | { readonly type: 'probe.nack'; readonly seq: number }
  | { readonly type: 'probe.end'; readonly seq: number }
  | { readonly type: 'suspicion'; readonly node: NodeId; readonly round: number }
  | { readonly type: 'probation'; readonly node: NodeId }
  | { readonly type: 'gossip' }
  | { readonly type: 'push-pull' };

/** What the shell is asked to do. */
export type SwimEffect =
  /** Seal and send as one datagram; or send over the link, if there is one. */
  | {
      readonly type: 'send';
      readonly to: NodeId;
      readonly address: MemberAddress;
      readonly packet: Packet;
      readonly via: Via;
    }
  /** Answer with the input `timer` after the delay. Stale timers are ignored. */
  | { readonly type: 'schedule'; readonly timer: SwimTimer; readonly delayMs: number }
  /** That timer has nothing to say any more. It is ignored anyway: to cancel it spares an idle process the waking. */
  | { readonly type: 'cancel'; readonly timer: Extract<SwimTimer, { type: 'probe.timeout' }> }
  /** A newcomer, or a change of a member’s status, counters or addresses. */
  | { readonly type: 'member.changed'; readonly member: Member }
  | { readonly type: 'partition.changed'; readonly mode: PartitionMode }
  /** Exchange `pushPull` documents over the link. */
  | { readonly type: 'push-pull'; readonly with: NodeId }
  /** Ask peers for the certificate and the key binding of a node. */
  | { readonly type: 'need-directory'; readonly node: NodeId }
  /** An earlier boot of this node signed claims that outrank ours: start again with `known + 1`. */
  | { readonly type: 'epoch-stale'; readonly known: number }
  /** The leave claim was sent as often as it should be: the process may go. */
  | { readonly type: 'left' };

export interface SwimStep {
  /** The state that was given, changed in place. */
  readonly state: SwimState;
  readonly effects: readonly SwimEffect[];
}

/** One step under way: what its functions share. */
export interface Turn {
  readonly state: SwimState;
  readonly now: number;
  readonly effects: SwimEffect[];
  /** The claims are this node’s own memory: no news to others, and no proof that anybody lives now. */
  readonly restores: boolean;
}
