import type { Refusal, Result } from '../../errors.ts';

/**
 * What carries messages between kernels. Ordered and reliable towards one node for as long as it is not `lost`; who
 * the other node is has been proved by whoever implements this.
 */
export interface Transport {
  /** This node’s own id: the part before `!` in its addresses. */
  readonly nodeId: string;
  /** Never throws. UNREACHABLE: the node is not known or not connected. INBOX_FULL: too much waits to be written. */
  send(node: string, packet: Packet): Result<void>;
  /** Called once, by the kernel. */
  attach(receiver: PacketReceiver): void;
}

export interface PacketReceiver {
  /** Never throws. */
  packet(from: string, packet: Packet): void;
  /** The node cannot be reached any more. What it held here is let go, and who watched it hears of it. */
  lost(node: string): void;
}

/**
 * `id` is chosen by whoever began it and is only good between the two nodes. `message` and `answer` are carried as
 * they are; the transport turns them into bytes, refuses what it cannot, and has checked what it hands in.
 */
export type Packet =
  | { readonly kind: 'tell'; readonly path: string; readonly message: object }
  | { readonly kind: 'ask'; readonly path: string; readonly message: object; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'refused'; readonly id: number; readonly refusal: Refusal }
  /** Tell me when the life at `path` ends; `linked`: and end it when I say so, or am lost. */
  | { readonly kind: 'monitor'; readonly id: number; readonly path: string; readonly linked: boolean }
  | { readonly kind: 'demonitor'; readonly id: number }
  | { readonly kind: 'down'; readonly id: number; readonly reason: string }
  /** The other half of a link has ended: so must this one. */
  | { readonly kind: 'exit'; readonly id: number; readonly reason: string };
