import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import { joinChain } from '../../../crypto/certificate-chain.ts';
import { limits } from '../../../limits.ts';
import type { Address, Clock, LinkChannel, LinkChannelHandler } from '../../kernel/ports.ts';

/** The protocol that both ends must have agreed on in TLS (ALPN): a client that offers none is not one of ours. */
export const linkProtocol = 'caxton-link/1';

/** What a link’s TLS offers, best first; without it what Node offers, which is the same but for its order. */
export interface LinkTls {
  readonly ciphers: string;
  readonly groups: string;
}

/** In the words of node:tls. Links know no other version than TLS 1.3, whatever is configured. */
export const versionAndSuites = (tls: LinkTls | undefined) =>
  ({ minVersion: 'TLSv1.3', ...(tls && { ciphers: tls.ciphers, ecdhCurve: tls.groups }) }) as const;

/** How long an orderly close may take before the connection is cut. */
const closeMsMax = 1_000;
/** Bytes of a close reason that a WebSocket control frame can carry. */
const closeReasonBytesMax = 123;

/** Pieces of one unfinished message as TLS delivered them: the largest of an honest peer comes in under 200. */
const messagePiecesMax = 4_096;

/**
 * Settings that both ends of the WebSocket share. Compression would leak lengths of secrets, and costs memory. A peer of
 * ours neither cuts a message into fragments nor pings (frames do that): both make small bytes cost much here.
 */
export const webSocketOptions = {
  perMessageDeflate: false,
  maxPayload: limits.linkMessageBytesMax,
  maxFragments: 1,
  maxBufferedChunks: messagePiecesMax,
  autoPong: false,
} as const;

/** What a channel knows of itself from the start. */
interface ChannelFacts extends TlsFacts {
  readonly side: 'dialer' | 'acceptor';
  /** When the connection began, in milliseconds of the monotonic clock. */
  readonly sinceMs: number;
}

/** A WebSocket over an authenticated TLS socket as a link channel. */
export class WebSocketChannel implements LinkChannel {
  readonly side: 'dialer' | 'acceptor';
  readonly remote: Address;
  readonly peerCertificate: Uint8Array;
  readonly tls: LinkChannel['tls'];
  readonly sinceMs: number;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  #handler: LinkChannelHandler | undefined;
  #congested = false;
  #closed = false;

  constructor(facts: ChannelFacts, socket: WebSocket, clock: Clock) {
    this.side = facts.side;
    this.sinceMs = facts.sinceMs;
    this.remote = facts.remote;
    this.peerCertificate = facts.peerCertificate;
    this.tls = facts.tls;
    this.#socket = socket;
    this.#clock = clock;
    socket.binaryType = 'nodebuffer';
    // Nothing is read before somebody listens.
    socket.pause();
    socket.on('message', (data, isBinary) => this.#message(data as Buffer, isBinary));
    socket.on('close', (code, reason) => this.#ended(code, reason.toString()));
    for (const control of ['ping', 'pong'] as const)
      socket.on(control, () => this.#handler?.violated(`Got a WebSocket ${control}, which no link has.`));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  setHandler(handler: LinkChannelHandler): void {
    this.#handler = handler;
    this.#socket.resume();
  }

  send(message: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(message, { binary: true }, () => this.#sent());
    if (this.bufferedBytes > limits.linkBufferBytesHigh) this.#congested = true;
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    const text = Buffer.from(reason).subarray(0, closeReasonBytesMax).toString().replaceAll('\ufffd', '');
    this.#socket.close(code, text);
    // A paused socket would never hear the answer.
    this.#socket.resume();
    const timer = this.#clock.setTimeout(() => this.#socket.terminate(), closeMsMax);
    this.#socket.once('close', () => this.#clock.clearTimeout(timer));
  }

  #message(data: Buffer, isBinary: boolean): void {
    // A Buffer’s `slice` shares memory, an Uint8Array’s copies; who is promised the latter must get one.
    if (isBinary) this.#handler?.message(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    else this.#handler?.violated('Got text where bytes belong.');
  }

  /** What ws refused in the peer’s bytes is the peer’s; what else failed is told by the close that follows. */
  #failed({ code = '', message }: NodeJS.ErrnoException): void {
    if (code.startsWith('WS_ERR_')) this.#handler?.violated(`Got what is no message of a link: ${message}.`);
  }

  #sent(): void {
    if (!this.#congested || this.bufferedBytes > limits.linkBufferBytesHigh) return;
    this.#congested = false;
    this.#handler?.drained();
  }

  #ended(code: number, reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler?.closed(code, reason);
  }
}

export interface TlsFacts {
  readonly remote: Address;
  readonly peerCertificate: Uint8Array;
  readonly tls: LinkChannel['tls'];
}

/**
 * What TLS says about the peer, or why the socket is no link. `shown` is what `shownChain` gave for the socket: to be
 * asked once and at once, since Node takes what it hands out from OpenSSL’s own list.
 */
export function tlsFacts(
  socket: TLSSocket,
  side: 'dialer' | 'acceptor',
  shown: Uint8Array | undefined,
): TlsFacts | string {
  if (!shown) return 'NO_CERTIFICATE: the peer showed no certificate';
  if (!socket.authorized) return `the peer’s certificate was not accepted (${String(socket.authorizationError)})`;
  // A resumed session would skip the judgement; none is offered, so this one is somebody’s mistake or worse.
  if (socket.isSessionReused()) return 'RESUMED_SESSION: the peer resumed a TLS session';
  if (socket.alpnProtocol !== linkProtocol) return `NO_ALPN: the peer did not agree on the protocol ${linkProtocol}`;
  // A server is not told the group by Node, so the dialer says it in its hello.
  const exchange = side === 'dialer' ? (socket.getEphemeralKeyInfo() as { readonly name?: string } | null) : null;
  return {
    remote: { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 },
    peerCertificate: shown,
    tls: {
      protocol: socket.getProtocol() ?? '',
      cipher: socket.getCipher().standardName,
      group: exchange?.name,
    },
  };
}

/** What a peer showed: its certificate and the intermediates behind it, in DER. A root that came with them is left out. */
export function shownChain(socket: TLSSocket): Uint8Array | undefined {
  const leaf: X509Certificate | undefined = socket.getPeerX509Certificate();
  if (!leaf) return undefined;
  const parts = [leaf];
  for (let above = leaf.issuerCertificate; above; above = above.issuerCertificate) {
    if (above.checkIssued(above) || parts.length >= limits.chainCertificatesMax) break;
    parts.push(above);
  }
  return joinChain(parts.map(({ raw }) => raw));
}
