import type { Address, Clock } from '../../actors/kernel/ports.ts';
import type { MemoryChannel } from './channel.ts';
import type { Paths } from './paths.ts';
import type { Pipe } from './pipe.ts';

/** Something that went over the memory network, as a listener on the wire would see it. */
export interface Traffic {
  readonly kind: 'datagram' | 'link';
  /** Names of hosts; `to` is undefined when nobody ever had the address. */
  readonly from: string;
  readonly to: string | undefined;
  readonly source: Address;
  readonly destination: Address;
  /** A copy: of a link what TLS would hide, of a datagram what goes over the wire. */
  readonly bytes: Uint8Array;
  /** How often it is on its way: 0 when it was lost or the way is blocked, 2 when it was doubled. */
  readonly copies: number;
}

/** One process of the memory network, from its start to its end. */
export interface Host {
  readonly name: string;
  /** Where its connections come from, and what it listens on when it is told to listen everywhere. */
  readonly address: string;
  /** By which it judges certificates. */
  readonly clock: Clock;
  readonly channels: Set<MemoryChannel>;
  alive: boolean;
}

/** Who has an address now, or had it last. */
export interface Place<Endpoint> {
  host: Host;
  endpoint: Endpoint | undefined;
}

/** What the parts of one memory network share. */
export interface World {
  /** All delays are counted by it. */
  readonly clock: Clock;
  readonly paths: Paths;
  /** Pipes in which something is under way. */
  readonly pipes: Set<Pipe>;
  traffic(seen: Traffic): void;
  /** A free port for whoever asks for none. */
  nextPort(): number;
}

export const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= 0xffff;

const wildcards = new Set(['0.0.0.0', '::', '']);

/** The address under which others find what a host binds. */
export const placeOf = (host: Host, address: Address): Address => ({
  host: wildcards.has(address.host) ? host.address : literal(address.host),
  port: address.port,
});

export const keyOf = ({ host, port }: Address): string => `${literal(host)} ${port}`;

/** The one name that everybody has. */
const literal = (host: string): string => (host === 'localhost' ? '127.0.0.1' : host);
