import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Address, Clock } from '../../kernel/ports.ts';

interface Account {
  /** Where its last authentic datagram came from. */
  host: string | undefined;
  /** Bytes that may still be sent to an address that is not proven. */
  bytes: number;
  atMs: number;
}

/**
 * Keeps a member that claims somebody else’s address from having that flooded: until an authentic datagram has come from
 * the host, it gets a few times what the member has sent and no more (QUIC’s rule, RFC 9000 §8.1). A member behind a
 * translated or named address stays under that, since it is told about as much as it says itself; and a trickle is left,
 * so that nobody is out of reach for good.
 */
export class UnprovenAddresses {
  readonly #clock: Clock;
  readonly #accounts = new Map<NodeId, Account>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An authentic datagram of a member came in. */
  heard(from: NodeId, source: Address, bytes: number): void {
    const account = this.#accountOf(from);
    account.host = source.host;
    account.bytes = Math.min(limits.unprovenBytesMax, account.bytes + limits.unprovenBytesPerByte * bytes);
  }

  /** Whether so much may go to the address that the member claims; counts it. */
  admits(to: NodeId, address: Address, bytes: number): boolean {
    const account = this.#accountOf(to);
    if (account.host === address.host) return true;
    if (account.bytes < bytes) return false;
    account.bytes -= bytes;
    return true;
  }

  #accountOf(node: NodeId): Account {
    const now = this.#clock.monotonic();
    const known = this.#accounts.get(node);
    if (known) {
      const trickle = ((now - known.atMs) / 1_000) * limits.unprovenBytesPerSecond;
      known.bytes = Math.min(limits.unprovenBytesMax, known.bytes + trickle);
      known.atMs = now;
      return known;
    }
    const account: Account = { host: undefined, bytes: limits.unprovenBytesFirst, atMs: now };
    this.#accounts.set(node, account);
    return account;
  }
}
