import { addressText } from '../actors/address.ts';
import type {
  Address,
  Clock,
  DatagramSocket,
  LinkChannel,
  LinkDialOptions,
  LinkListenOptions,
  LinkServer,
  Network,
  Random,
} from '../actors/kernel/ports.ts';
import { CaxtonError } from '../errors.ts';
import { type FindSocket, MemoryDatagrams, travel } from './network/datagrams.ts';
import { LinkDial } from './network/link-dial.ts';
import { MemoryLinkServer } from './network/link-server.ts';
import { type PathConditions, Paths, quietPath, type Traveller } from './network/paths.ts';
import { type Host, keyOf, type Place, placeOf, type Traffic, type World } from './network/world.ts';
import { seededRandom } from './seeded-random.ts';

export interface MemoryNetworkOptions {
  /** Every delay is counted by it. */
  readonly clock: Clock;
  /** Decides jitter and what datagrams suffer; default: seeded with 1. */
  readonly random?: Random;
  /** How all paths behave; default: one millisecond each way, and nothing goes wrong. */
  readonly conditions?: Partial<PathConditions>;
}

export interface HostOptions {
  /** Where its connections come from, and what it listens on when told to listen everywhere. Default `127.0.0.1`. */
  readonly address?: string;
  /** By which it judges certificates; default: the network’s. */
  readonly clock?: Clock;
}

const firstFreePort = 49_152;

/**
 * A network of many hosts in one process. Each host has the `Network` port: links over what behaves as mutual TLS 1.3
 * (chains, validity and purpose of certificates are judged; nothing is encrypted), and datagrams. All of it runs by the
 * clock and chance that it is given, so under a `ManualClock` a run with one seed is always the same.
 *
 * Hosts may share an address, such as 127.0.0.1: an address with its port belongs to whoever bound it. What separates
 * hosts is their name, so a configuration made for one machine can be taken apart here.
 *
 * ```ts
 * const clock = new ManualClock();
 * const net = new MemoryNetwork({ clock, random: seededRandom(7), conditions: { loss: 0.1 } });
 * const a = await net.host('a').bindDatagrams({ host: '10.0.0.1', port: 7700 });
 * net.partition(['a'], ['b', 'c']);
 * net.heal();
 * ```
 */
export class MemoryNetwork {
  readonly #world: World;
  readonly #paths: Paths;
  readonly #hosts = new Map<string, { readonly host: Host; readonly network: Network }>();
  readonly #linkPlaces = new Map<string, Place<MemoryLinkServer>>();
  readonly #datagramPlaces = new Map<string, Place<MemoryDatagrams>>();
  readonly #listeners = new Set<(seen: Traffic) => void>();
  #nextPort = firstFreePort;

  constructor(options: MemoryNetworkOptions) {
    const { clock, random = seededRandom(1), conditions } = options;
    this.#paths = new Paths(random, { ...quietPath, ...conditions });
    this.#world = {
      clock,
      paths: this.#paths,
      pipes: new Set(),
      traffic: (seen) => {
        for (const listener of this.#listeners) listener(seen);
      },
      nextPort: () => {
        this.#nextPort = this.#nextPort >= 0xffff ? firstFreePort : this.#nextPort + 1;
        return this.#nextPort;
      },
    };
  }

  /** The network as a host of this name has it. The same one until it crashes, then that of its next life. */
  host(name: string, options: HostOptions = {}): Network {
    const known = this.#hosts.get(name);
    if (known?.host.alive) return known.network;
    const { address = '127.0.0.1', clock = this.#world.clock } = options;
    const host: Host = { name, address, clock, channels: new Set(), alive: true };
    const network: Network = {
      listenLinks: async (asked) => this.#listen(host, asked),
      dialLink: async (asked) => this.#dial(host, asked),
      bindDatagrams: async (asked) => this.#bind(host, asked),
    };
    this.#hosts.set(name, { host, network });
    this.#paths.setDown(name, false);
    this.#paths.setPaused(name, false);
    this.#paths.setMuted(name, false);
    this.#flow();
    return network;
  }

  /** Changes how a path behaves, or all that were not changed by themselves. One way: the other way is another path. */
  setConditions(change: Partial<PathConditions>, from?: string, to?: string): void {
    this.#paths.setConditions(change, from, to);
  }

  /** Hosts of different groups no longer reach each other; one in no group reaches all. Replaces an earlier partition. */
  partition(...groups: readonly (readonly string[])[]): void {
    this.#paths.partition(groups);
    this.#flow();
  }

  /**
   * Blocks one way: nothing that `from` sends reaches `to`, while the other way stays open. Links stay up, half open:
   * what is sent over them waits, as TCP would repeat it, and arrives when the way is open again. With `what` only
   * datagrams, or only links.
   */
  cut(from: string, to: string, what?: Traveller): void {
    this.#paths.cut(from, to, what);
  }

  /** Ends every partition and every cut. */
  heal(): void {
    this.#paths.heal();
    this.#flow();
  }

  /** Breaks all links between two hosts at once; both ends hear it (1006). They may be dialled again. */
  breakLinks(one: string, other: string): void {
    for (const channel of [...(this.#hosts.get(one)?.host.channels ?? [])]) {
      const { peer } = channel;
      if (peer?.host.name !== other) continue;
      channel.reset();
      peer.reset();
    }
  }

  /** As when a machine is frozen: what comes for the host waits. Its timers are not held; see `HostClock.hold`. */
  pause(name: string): void {
    this.#paths.setPaused(name, true);
  }

  /** What waited for a paused host arrives now. */
  resume(name: string): void {
    this.#paths.setPaused(name, false);
    for (const { host, endpoint } of this.#datagramPlaces.values()) if (host.name === name) endpoint?.resume();
    this.#flow();
  }

  /** As when a process is held in each send: what the host sends stays with it. It hears, and its timers run. */
  mute(name: string): void {
    this.#paths.setMuted(name, true);
  }

  /** What a muted host wanted to send leaves now, in order. */
  unmute(name: string): void {
    this.#paths.setMuted(name, false);
    for (const { host, endpoint } of this.#datagramPlaces.values()) if (host.name === name) endpoint?.unmute();
    this.#flow();
  }

  /** Sends a datagram that was seen once more, as somebody on the wire could: with its sender’s address. */
  replay({ kind, from, source, destination, bytes }: Traffic): void {
    if (kind !== 'datagram') return;
    travel(this.#world, { from, source, destination, bytes, target: this.#socketAt(destination) });
  }

  /** What a host holds now: ends of links, listeners and datagram sockets. For who looks for what was left open. */
  heldBy(name: string): { readonly links: number; readonly listeners: number; readonly sockets: number } {
    const open = (places: ReadonlyMap<string, Place<unknown>>): number =>
      [...places.values()].filter(({ host, endpoint }) => host.name === name && endpoint !== undefined).length;
    const links = this.#hosts.get(name)?.host.channels.size ?? 0;
    return { links, listeners: open(this.#linkPlaces), sockets: open(this.#datagramPlaces) };
  }

  /**
   * Ends the process of a host: ports are free, its handlers hear nothing any more. Its peers hear a reset; with
   * `silently` they do not, as when the power fails, and nothing answers there until the host is back.
   */
  crash(name: string, options: { readonly silently?: boolean } = {}): void {
    const known = this.#hosts.get(name);
    if (!known?.host.alive) return;
    const { silently = false } = options;
    known.host.alive = false;
    for (const places of [this.#linkPlaces, this.#datagramPlaces])
      for (const place of places.values()) if (place.host === known.host) void place.endpoint?.close();
    for (const channel of [...known.host.channels]) channel.die(silently);
    if (silently) this.#paths.setDown(name, true);
  }

  /** Calls the listener for everything that is sent, lost things too. Returns the function that ends it. */
  onTraffic(listener: (seen: Traffic) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #listen(host: Host, options: LinkListenOptions): LinkServer {
    return this.#occupy(this.#linkPlaces, host, options.address, 'TCP', (address, onClosed) => {
      return new MemoryLinkServer(this.#world, host, address, options, onClosed);
    });
  }

  #bind(host: Host, asked: Address): DatagramSocket {
    return this.#occupy(this.#datagramPlaces, host, asked, 'UDP', (address, onClosed) => {
      return new MemoryDatagrams(this.#world, host, address, this.#socketAt, onClosed);
    });
  }

  readonly #socketAt: FindSocket = (to) => {
    const place = this.#datagramPlaces.get(keyOf(to));
    return place && { name: place.host.name, socket: () => this.#datagramPlaces.get(keyOf(to))?.endpoint };
  };

  #dial(host: Host, options: LinkDialOptions): Promise<LinkChannel> {
    this.#mustLive(host);
    const key = keyOf(options.address);
    const name = this.#linkPlaces.get(key)?.host.name ?? this.#nameOf(options.address) ?? host.name;
    const destination = { name, server: () => this.#linkPlaces.get(key)?.endpoint };
    const local = { host: host.address, port: this.#world.nextPort() };
    return new LinkDial(this.#world, host, local, destination, options).result;
  }

  #occupy<Endpoint extends { readonly host: Host }>(
    places: Map<string, Place<Endpoint>>,
    host: Host,
    asked: Address,
    what: string,
    make: (address: Address, onClosed: () => void) => Endpoint,
  ): Endpoint {
    this.#mustLive(host);
    if (!Number.isInteger(asked.port) || asked.port < 0 || asked.port > 0xffff)
      throw new CaxtonError('CONFIG_INVALID', `${addressText(asked)} (${what}) cannot be used: EINVAL.`);
    let address = asked;
    while (address.port === 0 || (asked.port === 0 && places.get(keyOf(placeOf(host, address)))?.endpoint))
      address = { host: asked.host, port: this.#world.nextPort() };
    const key = keyOf(placeOf(host, address));
    if (places.get(key)?.endpoint)
      throw new CaxtonError('ADDRESS_IN_USE', `${addressText(asked)} (${what}) is taken by another process.`);
    const place: Place<Endpoint> = { host, endpoint: undefined };
    place.endpoint = make(address, () => {
      place.endpoint = undefined;
    });
    // It stays when it is free again: whose it was says which way leads there.
    places.set(key, place);
    return place.endpoint;
  }

  #mustLive(host: Host): void {
    if (!host.alive) throw new CaxtonError('STOPPED', `The host ${host.name} was crashed by the test.`);
  }

  #nameOf({ host: address }: Address): string | undefined {
    return [...this.#hosts.values()].find(({ host }) => host.address === address)?.host.name;
  }

  /** A way has opened: what waited goes on. */
  #flow(): void {
    for (const pipe of [...this.#world.pipes]) pipe.deliver();
  }
}
