import type { Socket } from 'node:net';
import { limits } from '../../../limits.ts';
import type { Address, Clock } from '../../kernel/ports.ts';
import { rateSource } from '../../operations/api/source.ts';

export interface HandshakeGuardOptions {
  readonly clock: Clock;
  /** A connection that this guard cut, or that ended before it became a channel and nobody said why. */
  readonly onRefused: (remote: Address, reason: string) => void;
}

interface Pending {
  readonly socket: Socket;
  readonly remote: Address;
  /** What is counted together: an address, or an IPv6 subscriber’s whole /64. */
  readonly source: string;
  readonly sinceMs: number;
  readonly timer: unknown;
  told: boolean;
}

/**
 * Connections that are not links yet. Each has `linkHandshakeMsMax` for TLS and upgrade together, and when too many
 * wait, the oldest of the source that has most of them makes room: an honest peer needs some milliseconds, so silence
 * holds a place only until somebody else wants it, and whoever floods cuts himself first.
 */
export class HandshakeGuard {
  readonly #options: HandshakeGuardOptions;
  /** In the order of arrival. */
  readonly #pending = new Map<string, Pending>();
  readonly #ofSource = new Map<string, number>();

  constructor(options: HandshakeGuardOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#pending.size;
  }

  /** A connection that TCP just accepted. */
  admit(socket: Socket): void {
    const { clock } = this.#options;
    const remote = remoteOf(socket);
    // A peer that was gone before we looked.
    if (remote.host === '') {
      socket.destroy();
      return;
    }
    const key = keyOf(remote);
    const before = this.#pending.get(key);
    // A client may reset a connection and come back from the same port before the end of the first was told.
    if (before) this.#ended(key, before.socket);
    const source = rateSource(remote.host);
    const held = this.#ofSource.get(source) ?? 0;
    if (held >= limits.linkHandshakesPerSourceMax) this.#evictOldest(source);
    else if (this.#pending.size >= limits.linkHandshakesMax) this.#evictOldest(this.#busiestSource());
    const timer = clock.setTimeout(() => this.#cut(key, 'HANDSHAKE_TIMEOUT'), limits.linkHandshakeMsMax);
    this.#pending.set(key, { socket, remote, source, sinceMs: clock.monotonic(), timer, told: false });
    this.#ofSource.set(source, (this.#ofSource.get(source) ?? 0) + 1);
    // What TLS has to say about it comes within the same turn.
    socket.once('close', () => setImmediate(() => this.#ended(key, socket)));
  }

  /** Somebody has reported why this one was refused. */
  told(remote: Address): void {
    const pending = this.#pending.get(keyOf(remote));
    if (pending) pending.told = true;
  }

  /** It became a channel: says when it began, in milliseconds of the monotonic clock. */
  done(remote: Address): number {
    const key = keyOf(remote);
    const pending = this.#pending.get(key);
    this.#forget(key);
    return pending?.sinceMs ?? this.#options.clock.monotonic();
  }

  /** Ends all of them, without a word: the node stops. */
  cutAll(): void {
    for (const [key, { socket }] of this.#pending) {
      this.#forget(key);
      socket.destroy();
    }
  }

  #ended(key: string, socket: Socket): void {
    const pending = this.#pending.get(key);
    // The port of a client may be in use again by then.
    if (pending?.socket !== socket) return;
    this.#forget(key);
    if (!pending.told) this.#options.onRefused(pending.remote, 'CLOSED_BEFORE_HANDSHAKE');
  }

  #evictOldest(source: string): void {
    for (const [key, pending] of this.#pending)
      if (pending.source === source) {
        this.#cut(key, 'TOO_MANY_HANDSHAKES');
        return;
      }
  }

  #busiestSource(): string {
    let busiest = '';
    let most = 0;
    for (const [source, count] of this.#ofSource)
      if (count > most) {
        busiest = source;
        most = count;
      }
    return busiest;
  }

  #cut(key: string, reason: string): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    this.#forget(key);
    pending.socket.destroy();
    if (!pending.told) this.#options.onRefused(pending.remote, reason);
  }

  #forget(key: string): void {
    const pending = this.#pending.get(key);
    if (!pending) return;
    this.#pending.delete(key);
    this.#options.clock.clearTimeout(pending.timer);
    const left = this.#ofSource.get(pending.source)! - 1;
    if (left > 0) this.#ofSource.set(pending.source, left);
    else this.#ofSource.delete(pending.source);
  }
}

/** The TCP socket and the TLS socket on top of it are two objects with one remote address. */
const keyOf = ({ host, port }: Address): string => `${host} ${port}`;

/** Where a socket comes from; an empty host when it has been destroyed already. */
export const remoteOf = (socket: Socket): Address => ({
  host: socket.remoteAddress ?? '',
  port: socket.remotePort ?? 0,
});
