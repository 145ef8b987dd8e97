import type { Crypto } from '../../crypto/port.ts';
import type { ManagementApi } from '../operations/management-api.ts';
import type { ChartTransition } from './chart-transitions.ts';
import type { LifeHook } from './life-hook.ts';

/**
 * The ports: everything that an actor needs of the world. Each has a Node version (`node-*.ts` beside the room that
 * uses it) and a testing version. No WebSocket, SQLite or file-descriptor words appear here, so that another
 * transport or engine fits behind.
 */
export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly network: Network;
  readonly disk: Disk;
  readonly store: Store;
  readonly metrics: Metrics;
  /** What listens for the management API; undefined: HTTPS at `api.bind`. The testing kit’s listens nowhere. */
  readonly managementApi?: ManagementApi | undefined;
  /** One hook that every actor turn passes; costs nothing while unset. */
  tap: Tap | undefined;
  /** Fault injection (`FaultInjector` of the testing kit). Only the program that makes a node can set it. */
  readonly faults?: LifeHook | undefined;
}

/** Time. Fits XState’s `clock` option as it is. */
export interface Clock {
  /** Milliseconds since 1970 (UTC): for stamps and expiry. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start: for durations. Never goes back. */
  monotonic(): number;
  setTimeout(callback: () => void, delayMs: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** Chance for jitter and shuffling, never for secrets (those come from `crypto`). */
export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
}

/** An endpoint. `host` is a name or a literal address without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a node shows to peers and whom it believes, all PEM. */
export interface TlsIdentity {
  readonly certPem: string;
  readonly keyPem: string;
  /** One or several CA certificates. */
  readonly caPem: string;
}

export interface Network {
  /** Accepts links: mutual TLS 1.3, peer certificate required. Rejects with ADDRESS_IN_USE. */
  listenLinks(options: LinkListenOptions): Promise<LinkServer>;
  /** Dials a link: resolves once bytes can flow; rejects with UNREACHABLE, CERTIFICATE_REFUSED or PROTOCOL_VIOLATION. */
  dialLink(options: LinkDialOptions): Promise<LinkChannel>;
  /** Binds a datagram socket. Rejects with ADDRESS_IN_USE. */
  bindDatagrams(address: Address): Promise<DatagramSocket>;
}

export interface LinkListenOptions {
  readonly address: Address;
  readonly identity: TlsIdentity;
  /** A channel whose TLS handshake is done; who the peer is has not been judged yet. */
  onChannel(channel: LinkChannel): void;
  /**
   * A connection that failed before it became a channel, with TLS’s own reason, and the chain that it showed when it
   * showed one: audit it.
   */
  onRefused(remote: Address, reason: string, shown?: Uint8Array): void;
}

export interface LinkDialOptions {
  readonly address: Address;
  readonly identity: TlsIdentity;
  readonly signal: AbortSignal;
}

export interface LinkServer {
  readonly address: Address;
  /** Replaces certificate, key, CAs **and** ticket keys for new connections. */
  setIdentity(identity: TlsIdentity): void;
  /** Stops accepting; channels that live go on. */
  close(): Promise<void>;
}

/** A message pipe to one peer over authenticated encryption; ordered, reliable until closed. */
export interface LinkChannel {
  readonly side: 'dialer' | 'acceptor';
  readonly remote: Address;
  /**
   * The peer’s certificate in DER, its intermediates behind it. Always present: a channel without one is never handed
   * out.
   */
  readonly peerCertificate: Uint8Array;
  readonly tls: { readonly protocol: string; readonly cipher: string; readonly group: string | undefined };
  /** When the connection under it began, in milliseconds of the monotonic clock. */
  readonly sinceMs: number;
  /** Bytes that wait to be written. */
  readonly bufferedBytes: number;
  /** Must be set at once in the turn in which the channel is received; messages wait until then. */
  setHandler(handler: LinkChannelHandler): void;
  /** Queues one message (may carry several frames). Never throws; a closed channel drops it. */
  send(message: Uint8Array): void;
  /** Closes in order, then cuts after a second. `code` is a WebSocket-style number in 4000..4999. */
  close(code: number, reason: string): void;
}

export interface LinkChannelHandler {
  message(bytes: Uint8Array): void;
  /** The peer broke the rules of the transport itself; the handler says so where it says such things, and closes. */
  violated(reason: string): void;
  /** The send buffer fell below its high mark. */
  drained(): void;
  /** Exactly once. */
  closed(code: number, reason: string): void;
}

export interface DatagramSocket {
  readonly address: Address;
  send(bytes: Uint8Array, to: Address): void;
  onMessage(handler: (bytes: Uint8Array, from: Address) => void): void;
  close(): Promise<void>;
}

export interface Disk {
  /** Undefined when there is no such file. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** At most so many bytes from a place on; fewer, or none, where the file ends. Undefined when there is no such file. */
  readPart(path: string, from: number, bytes: number): Promise<Uint8Array | undefined>;
  /** Writes beside, syncs, renames, syncs the folder: a reader sees the old or the new, never half. */
  writeFileAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  openAppend(path: string, mode: number): Promise<AppendFile>;
  /** Names in a folder, sorted; empty when there is no such folder. */
  list(path: string): Promise<readonly string[]>;
  makeFolder(path: string, mode: number): Promise<void>;
  remove(path: string): Promise<void>;
  stat(path: string): Promise<{ readonly bytes: number; readonly mode: number } | undefined>;
}

export interface AppendFile {
  /** Bytes in the file, appended ones included. */
  readonly bytes: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything appended so far survives a power cut (fdatasync). */
  sync(): Promise<void>;
  /** Cuts the file to a length: only to repair a torn last record. */
  truncate(bytes: number): Promise<void>;
  close(): Promise<void>;
}

/** Durable small records. A resolved write survives a power cut. */
export interface Store {
  get(collection: string, key: string): Promise<Uint8Array | undefined>;
  put(collection: string, key: string, value: Uint8Array): Promise<void>;
  delete(collection: string, key: string): Promise<void>;
  /** All of a collection, by key. */
  entries(collection: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]>;
  close(): Promise<void>;
}

export interface Metrics {
  /** Adds to a counter. Label values come from closed sets, never from a peer’s bytes. */
  count(name: string, labels?: Readonly<Record<string, string>>, amount?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Everything counted so far, sorted by name. */
  read(): readonly MetricSample[];
}

export interface MetricSample {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * Called on the stack where it happens, so it must be quick; what it throws is dropped. It may tell actors something
 * or stop them: that is heard in later turns.
 */
export type Tap = (event: TapEvent) => void;

export type TapEvent =
  | { readonly type: 'actor.started'; readonly path: string; readonly incarnation: number }
  | {
      readonly type: 'actor.stopped';
      readonly path: string;
      readonly incarnation: number;
      readonly reason: string;
      /** What the actor itself said about its end; see `ActorExit`. */
      readonly detail: unknown;
    }
  | { readonly type: 'actor.crashed'; readonly path: string; readonly incarnation: number; readonly error: unknown }
  /** Before each attempt to restart it; `reason` is how its last life ended, or `sibling`. */
  | { readonly type: 'actor.restarted'; readonly path: string; readonly reason: string }
  /** About to be handled by a worker. */
  | { readonly type: 'actor.message'; readonly path: string; readonly message: unknown }
  /** Of a chart or, with `child` not empty, of an actor that it invoked or spawned; see `ChartTransition`. */
  | ({ readonly type: 'actor.transition'; readonly path: string } & ChartTransition);
