import { limits } from '../../limits.ts';

/** A packet that was given to the stream. */
export interface Sent {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** How much may be under way. */
export interface Window {
  readonly bytes: number;
  readonly packets: number;
}

/** For what begins something: it can be refused. */
export const usualWindow: Window = { bytes: limits.actorWindowBytes, packets: limits.actorWindowPackets };
/** For what ends something: room for the end of everything that the two may have with each other. */
export const endingWindow: Window = { bytes: limits.actorWindowBytesMax, packets: Number.POSITIVE_INFINITY };

/** What a packet takes of the window. */
export const packetCost = ({ header, content }: Sent): number =>
  header.length + content.length + limits.actorPacketBytes;

/**
 * Packets between two nodes, counted, so that they arrive in order and once each although links come and go: both sides
 * count what they sent and took; who sent keeps a packet until the other says that it has it; on a new link both say how
 * far they got, and what is missing goes again. How much may be under way is bounded, by both.
 *
 * A plain rule: writes nothing and knows no time.
 */
export class ActorStream {
  /** Sent and not acknowledged, oldest first; from `#head` on. */
  #kept: Sent[] = [];
  #head = 0;
  #keptCost = 0;
  /** Packets acknowledged by the other. */
  #acked = 0;
  /** Of those kept, how many are written to the present link. */
  #written = 0;
  #received = 0;
  /** Acknowledged to the other. */
  #granted = 0;
  /** Cost of what was taken and not acknowledged. */
  #owedCost = 0;

  /** Whether nothing went out or came in. */
  get untouched(): boolean {
    return this.#acked === 0 && this.#kept.length === 0 && this.#received === 0;
  }

  /** Packets of the other that were taken. */
  get received(): number {
    return this.#received;
  }

  /** How many of them the other may know of: what every packet carries back. */
  get granted(): number {
    return this.#granted;
  }

  /** Cost of what is under way. */
  get underWay(): number {
    return this.#keptCost;
  }

  /** Packets that the other has not acknowledged. */
  get waiting(): number {
    return this.#kept.length - this.#head;
  }

  /** Takes a packet to be sent; false when it would be more under way than the window. */
  push(sent: Sent, { bytes, packets }: Window): boolean {
    const cost = packetCost(sent);
    if (this.#keptCost + cost > bytes || this.waiting >= packets) return false;
    this.#kept.push(sent);
    this.#keptCost += cost;
    return true;
  }

  /** The next packet that the present link has not had; `wrote` when it has. */
  get next(): Sent | undefined {
    return this.#kept[this.#head + this.#written];
  }

  wrote(): void {
    this.#written += 1;
  }

  /** A new link: what was written to the one before and not received is written again. */
  rewind(): void {
    this.#written = 0;
  }

  /**
   * The other has taken so many. False: it cannot have, so it is no peer to be followed. A number that is behind is an
   * old one that was repeated.
   */
  acknowledge(received: number): boolean {
    const more = received - this.#acked;
    if (more > this.waiting) return false;
    for (let left = more; left > 0; left -= 1) {
      this.#keptCost -= packetCost(this.#kept[this.#head]!);
      // Let go of the bytes at once; the array follows when half of it is empty.
      this.#kept[this.#head] = nothing;
      this.#head += 1;
    }
    if (more > 0) {
      this.#acked = received;
      this.#written = Math.max(0, this.#written - more);
    }
    if (this.#head > 64 && this.#head * 2 > this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    }
    return true;
  }

  /** One more came. False: more is under way than anybody may have, by `limits.actorWindowBytesMax`. */
  take(cost: number): boolean {
    this.#received += 1;
    this.#owedCost += cost;
    return this.#owedCost <= limits.actorWindowBytesMax;
  }

  /** Whether so much has been taken that the other should be told without waiting. */
  get owes(): 'nothing' | 'soon' | 'now' {
    const packets = this.#received - this.#granted;
    if (packets === 0) return 'nothing';
    return packets >= limits.actorAckPackets || this.#owedCost >= limits.actorAckBytes ? 'now' : 'soon';
  }

  /** Everything taken so far is acknowledged: with the next packet, or by itself. Returns how many there were. */
  grant(): number {
    this.#granted = this.#received;
    this.#owedCost = 0;
    return this.#received;
  }
}

const nothing: Sent = { header: new Uint8Array(0), content: new Uint8Array(0) };
