import type { Address, LinkChannel, LinkChannelHandler } from '../../actors/kernel/ports.ts';
import { limits } from '../../limits.ts';
import type { Pipe } from './pipe.ts';
import type { Host, World } from './world.ts';

/** How long an orderly close may take before the connection is cut. */
const closeMsMax = 1_000;
/** Bytes of a close reason that a WebSocket control frame can carry. */
const closeReasonBytesMax = 123;
/** RFC 6455 §7.4.1: there was no close frame; a message was too big. */
const cutCode = 1006;
const tooBigCode = 1009;

export interface ChannelFacts {
  readonly side: 'dialer' | 'acceptor';
  readonly local: Address;
  readonly remote: Address;
  readonly peerCertificate: Uint8Array;
  /** How long the way from the dial to here took, in milliseconds. */
  readonly tookMs: number;
}

/** One end of a link of the memory network. Behaves like a WebSocket over TLS, closing included. */
export class MemoryChannel implements LinkChannel {
  readonly side: 'dialer' | 'acceptor';
  readonly remote: Address;
  readonly peerCertificate: Uint8Array;
  readonly tls: LinkChannel['tls'];
  readonly sinceMs: number;
  readonly host: Host;
  readonly #world: World;
  readonly #local: Address;
  readonly #out: Pipe;
  readonly #in: Pipe;
  #peer: MemoryChannel | undefined;
  #handler: LinkChannelHandler | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #congested = false;
  #closeTimer: unknown;

  constructor(world: World, host: Host, facts: ChannelFacts, pipes: { readonly out: Pipe; readonly in: Pipe }) {
    this.side = facts.side;
    this.remote = facts.remote;
    this.peerCertificate = facts.peerCertificate;
    // What two nodes of Node 24 agree on. A server is not told the group.
    const group = facts.side === 'dialer' ? 'X25519MLKEM768' : undefined;
    this.tls = { protocol: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', group };
    this.sinceMs = host.clock.monotonic() - facts.tookMs;
    this.host = host;
    this.#world = world;
    this.#local = facts.local;
    this.#out = pipes.out;
    this.#in = pipes.in;
    host.channels.add(this);
    this.#out.onSent = () => this.#sent();
  }

  /** Makes the two ends of one link known to each other. */
  static join(one: MemoryChannel, other: MemoryChannel): void {
    one.#peer = other;
    other.#peer = one;
  }

  get peer(): MemoryChannel | undefined {
    return this.#peer;
  }

  get bufferedBytes(): number {
    return this.#out.queuedBytes;
  }

  setHandler(handler: LinkChannelHandler): void {
    this.#handler = handler;
    this.#in.deliver();
  }

  send(message: Uint8Array): void {
    if (this.#state !== 'open') return;
    const bytes = Uint8Array.from(message);
    this.#out.push({
      bytes: bytes.length,
      ready: this.#peerReads,
      arrive: () => this.#peer?.message(bytes),
    });
    if (this.bufferedBytes > limits.linkBufferBytesHigh) this.#congested = true;
    this.#world.traffic({
      kind: 'link',
      from: this.host.name,
      to: this.#peer?.host.name,
      source: this.#local,
      destination: this.remote,
      bytes: Uint8Array.from(bytes),
      copies: 1,
    });
  }

  close(code: number, reason: string): void {
    if (!isCloseCode(code)) throw new TypeError('A close code is 1000, or from 3000 to 4999.');
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#sendClose(code, cutText(reason));
    this.#closeTimer = this.#world.clock.setTimeout(() => this.cut(), closeMsMax);
    // Whoever closes reads on until the answer comes.
    this.#in.deliver();
  }

  /** Whether messages can be handed over; one that has ended takes them to answer with a reset. */
  get isReading(): boolean {
    return this.#handler !== undefined || this.#state !== 'open';
  }

  message(bytes: Uint8Array): void {
    if (this.#state === 'closed') {
      this.#sendReset();
      return;
    }
    if (bytes.length <= limits.linkMessageBytesMax) {
      this.#handler?.message(bytes);
      return;
    }
    this.#sendClose(tooBigCode, '');
    this.#end(cutCode, '');
  }

  /** The peer’s close has come: the answer to ours, or the first. */
  closedByPeer(code: number, reason: string): void {
    if (this.#state === 'open') this.#sendClose(code, reason);
    this.#end(code, reason);
  }

  /** Ends without a word; the peer hears that it ended. */
  cut(): void {
    if (this.#state === 'closed') return;
    this.#out.abandon();
    this.#sendReset();
    this.#end(cutCode, '');
  }

  /** The connection broke, and this end knows. */
  reset(): void {
    this.#end(cutCode, '');
  }

  /** The process at this end is gone: its handler hears nothing any more; the peer does unless it went `silently`. */
  die(silently: boolean): void {
    this.#handler = undefined;
    this.#out.abandon();
    if (this.#state !== 'closed' && !silently) this.#sendReset();
    this.#end(cutCode, '');
  }

  /** A peer that gave up before the link stood reads nothing, but then this end is told to end. */
  readonly #peerReads = (): boolean => this.#peer?.isReading ?? this.#state === 'closed';

  #sendClose(code: number, reason: string): void {
    this.#out.push({
      bytes: 0,
      ready: this.#peerReads,
      arrive: () => this.#peer?.closedByPeer(code, reason),
    });
  }

  #sendReset(): void {
    this.#out.push({ bytes: 0, ready: () => true, arrive: () => this.#peer?.reset() });
  }

  #sent(): void {
    if (!this.#congested || this.bufferedBytes > limits.linkBufferBytesHigh) return;
    this.#congested = false;
    if (this.#state === 'open') this.#handler?.drained();
  }

  #end(code: number, reason: string): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#world.clock.clearTimeout(this.#closeTimer);
    this.host.channels.delete(this);
    this.#handler?.closed(code, reason);
    this.#handler = undefined;
    // What is still coming finds nobody.
    this.#in.deliver();
    this.#out.deliver();
  }
}

/** RFC 6455 §7.4: what an application may send. */
const isCloseCode = (code: number): boolean =>
  Number.isInteger(code) &&
  ((code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999));

const cutText = (reason: string): string =>
  Buffer.from(reason).subarray(0, closeReasonBytesMax).toString().replaceAll('\ufffd', '');
