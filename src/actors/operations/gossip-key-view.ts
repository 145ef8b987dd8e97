import type { Result } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { RotationStage } from '../../protocols/gossip-keys/stage.ts';
import type { KeyChange } from '../../protocols/gossip-keys/state.ts';
import type { Caller } from './control.ts';

/** A gossip key by its name; the key itself is never shown. */
export interface GossipKeyView {
  readonly epoch: number;
  /** 128 bits of SHA-256, hexadecimal. */
  readonly hash: string;
  /** The node that made it; empty for the first key of a cluster. */
  readonly proposer: string;
}

/** What a member has said of its own keys; `sealing` is absent while this node has no link to it. */
export interface MemberKeysView {
  readonly nodeId: NodeId;
  readonly self: boolean;
  readonly sealing?: GossipKeyView;
  readonly candidate?: GossipKeyView;
}

/** The gossip keys as one node sees them. */
export interface GossipKeysView {
  readonly stage: RotationStage;
  /** Seals what this node sends, since then. */
  readonly sealing: GossipKeyView & { readonly since: string };
  /** Held ready until enough members hold it. */
  readonly candidate?: GossipKeyView;
  /** Opens still. */
  readonly retiring: readonly GossipKeyView[];
  /** When the next rotation is due by the interval. */
  readonly nextAt: string;
  /** Why one is due now, if one is. */
  readonly due?: string;
  /** Live members, this node first. */
  readonly members: readonly MemberKeysView[];
}

/** What an operator sees of the gossip keys, and can do. */
export interface GossipKeyControl {
  gossipKeys(): GossipKeysView;
  /**
   * Has this node propose a new key; class A audited before. It seals when the others hold it. PARTITION_MINORITY,
   * AUDIT_BLOCKED.
   */
  rotateGossipKey(caller: Caller): Promise<Result<GossipKeysView>>;
}

/** A change of one key, as it is told to whoever watches. */
export interface GossipKeyEvent {
  readonly type: 'gossip-key.changed';
  readonly nodeId: NodeId;
  readonly change: KeyChange;
  readonly epoch: number;
  readonly hash: string;
  readonly stage: RotationStage;
}
