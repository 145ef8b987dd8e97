import type { NodeId } from '../../../names.ts';
import type { SwimEffect } from '../../../protocols/swim/swim.ts';
import type { Address, DatagramSocket } from '../../kernel/ports.ts';
import { gossipFeature, linkPacket, sealPacket } from './gossip-datagram.ts';
import type { GossipOptions } from './gossip-options.ts';
import { UnprovenAddresses } from './unproven-addresses.ts';

type PacketSenderOptions = Pick<GossipOptions, 'seals' | 'links' | 'metrics' | 'clock'>;
type Send = Extract<SwimEffect, { type: 'send' }>;

const noBytes = new Uint8Array(0);

/** Sends packets the way that the rules chose: sealed in a datagram, or as a frame over the link. */
export class PacketSender {
  readonly #options: PacketSenderOptions;
  readonly #unproven: UnprovenAddresses;

  constructor(options: PacketSenderOptions) {
    this.#options = options;
    this.#unproven = new UnprovenAddresses(options.clock);
  }

  /** A datagram of a member came from there. */
  heard(from: NodeId, source: Address, bytes: number): void {
    this.#unproven.heard(from, source, bytes);
  }

  /** Without a link it becomes a datagram after all: one of the two may get through. Lost without a socket. */
  send(effect: Send, socket: DatagramSocket | undefined): void {
    if (effect.via === 'datagram' || !this.#overLink(effect)) this.#asDatagram(effect, socket);
  }

  #overLink({ to, packet }: Send): boolean {
    const { links, metrics } = this.#options;
    const link = links.get(to);
    if (!link?.hello.features.includes(gossipFeature)) return false;
    metrics.count('gossip_sent_over_links');
    link.send('gossip', noBytes, linkPacket(packet));
    return true;
  }

  #asDatagram({ to, address, packet }: Send, socket: DatagramSocket | undefined): void {
    const { seals, metrics } = this.#options;
    const datagram = sealPacket(seals, to, packet);
    if (!datagram) {
      metrics.count('gossip_unsealable');
      return;
    }
    if (!this.#unproven.admits(to, address, datagram.length)) {
      metrics.count('gossip_withheld');
      return;
    }
    metrics.count('gossip_sent');
    socket?.send(datagram, address);
  }
}
