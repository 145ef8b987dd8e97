import { isIPv6 } from 'node:net';
import type { Address, DatagramSocket } from '../../actors/kernel/ports.ts';
import { limits } from '../../limits.ts';
import { type Host, isPort, placeOf, type World } from './world.ts';

/** Finds who has an address now, or had it last. */
export type FindSocket = (
  to: Address,
) => { readonly name: string; readonly socket: () => MemoryDatagrams | undefined } | undefined;

/** A datagram socket of the memory network. */
export class MemoryDatagrams implements DatagramSocket {
  readonly address: Address;
  readonly host: Host;
  readonly #world: World;
  readonly #source: Address;
  readonly #find: FindSocket;
  readonly #onClosed: () => void;
  readonly #handlers: ((bytes: Uint8Array, from: Address) => void)[] = [];
  #open = true;
  /** On their way here, or waiting for a host that is paused. */
  #coming = 0;
  #held: (() => void)[] = [];
  /** What the host may not send now. */
  #unsent: { readonly bytes: Uint8Array; readonly to: Address }[] = [];

  constructor(world: World, host: Host, address: Address, find: FindSocket, onClosed: () => void) {
    this.#world = world;
    this.host = host;
    this.address = address;
    this.#source = placeOf(host, address);
    this.#find = find;
    this.#onClosed = onClosed;
  }

  send(bytes: Uint8Array, to: Address): void {
    if (!this.#open || !this.host.alive || !isPort(to.port) || bytes.length > limits.datagramBytesMax) return;
    if (isIPv6(to.host) !== isIPv6(this.address.host)) return;
    if (this.#world.paths.isMuted(this.host.name)) {
      if (this.#unsent.length < limits.memoryDatagramsMax) this.#unsent.push({ bytes: Uint8Array.from(bytes), to });
      return;
    }
    const target = this.#find(to);
    travel(this.#world, { from: this.host.name, source: this.#source, bytes, destination: to, target });
  }

  onMessage(handler: (bytes: Uint8Array, from: Address) => void): void {
    this.#handlers.push(handler);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#held = [];
    this.#unsent = [];
    this.#onClosed();
  }

  /** One more is on its way; false when too many are. */
  expect(): boolean {
    if (this.#coming >= limits.memoryDatagramsMax) return false;
    this.#coming += 1;
    return true;
  }

  arrive(bytes: Uint8Array, from: Address, sender: string): void {
    const { paths } = this.#world;
    if (paths.isPaused(this.host.name)) {
      this.#held.push(() => this.arrive(bytes, from, sender));
      return;
    }
    this.#coming -= 1;
    if (!this.#open || !this.host.alive || !paths.reaches(sender, this.host.name, 'datagram')) return;
    for (const handler of this.#handlers) handler(bytes, from);
  }

  /** The host runs again: what waited for it arrives now. */
  resume(): void {
    const held = this.#held;
    this.#held = [];
    for (const arrive of held) arrive();
  }

  /** The host may send again: what waited leaves now. */
  unmute(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const { bytes, to } of unsent) this.send(bytes, to);
  }
}

export interface Travel {
  readonly from: string;
  readonly source: Address;
  readonly destination: Address;
  readonly bytes: Uint8Array;
  readonly target: ReturnType<FindSocket>;
}

/** Sends one datagram on its way, with whatever the path does to it. */
export function travel(world: World, { from, source, destination, bytes, target }: Travel): void {
  const { paths, clock } = world;
  const delays = target && paths.reaches(from, target.name, 'datagram') ? paths.datagram(from, target.name) : [];
  const copies = delays.length;
  world.traffic({
    kind: 'datagram',
    from,
    to: target?.name,
    source,
    destination,
    bytes: Uint8Array.from(bytes),
    copies,
  });
  for (const delayMs of delays) {
    const copy = Uint8Array.from(bytes);
    const socket = target?.socket();
    if (!socket?.expect()) continue;
    clock.setTimeout(() => socket.arrive(copy, source, from), delayMs);
  }
}
