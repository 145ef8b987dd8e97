import type { Result } from '../../errors.ts';
import type { ActorPacket } from '../../protocols/link/actor-frame.ts';
import type { Unverified } from '../../unverified.ts';

/**
 * What carries messages between kernels. Towards one node, ordered, once each and reliable for as long as it is not
 * `lost`; who the other node is has been proved by whoever implements this.
 */
export interface Transport {
  /** This node’s own id: the part before `!` in its addresses. */
  readonly nodeId: string;
  /**
   * Never throws. UNREACHABLE: the node is not known or not connected. INBOX_FULL: too much is on its way to it.
   * MALFORMED, LIMIT_EXCEEDED: the content cannot be carried. What ends things (`refused`, `forget`, `demonitor`, `down`,
   * `exit`) and answers are taken while a node that is not lost is out of reach, and the former whatever waits.
   */
  send(node: string, packet: Packet): Result<void>;
  /** Called once, by the kernel. */
  attach(receiver: PacketReceiver): void;
}

export interface PacketReceiver {
  /** Never throws. A refusal: the node had no right to this, or it was malformed; it has been kept from everybody. */
  packet(from: string, packet: Arrival): Result<void>;
  /** The node cannot be reached any more. What it held here is let go, and who watched it hears of it. */
  lost(node: string): void;
}

/** A message or answer from another node, as it came: reading it costs time, so that is not done for strangers. */
export interface Sealed {
  /** MALFORMED. To be called while the packet is being handed in. */
  open(): Result<Opened>;
}

/** Well-formed, and nothing is known about it otherwise. */
export interface Opened extends Unverified<unknown> {
  /** About what it takes of memory. */
  readonly weightBytes: number;
}

type Carrying<P extends ActorPacket, C> = P extends { readonly kind: 'tell' | 'ask' | 'answer' }
  ? P & { readonly content: C }
  : P;

/** On its way out. The transport turns the content into bytes, and refuses what it cannot. */
export type Packet = Carrying<ActorPacket, unknown>;

/** What came in. */
export type Arrival = Carrying<ActorPacket, Sealed>;
