import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Rate } from '../../../protocols/authorization/rate.ts';
import type { ActorPacket } from '../../../protocols/link/actor-frame.ts';
import { decodePlainData, encodePlainData } from '../../../protocols/msgpack/plain-data.ts';
import type { Member } from '../../../protocols/swim/member.ts';
import { unverified } from '../../../unverified.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import { ReplyRef } from '../../kernel/reply-ref.ts';
import type { Opened, Packet, PacketReceiver, Sealed, Transport } from '../../kernel/transport.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { SendToTarget } from '../../kernel/xstate-bridge.ts';
import { Patience } from '../gossip/patience.ts';
import type { Links, PeerLink } from './links.ts';
import { PeerStream } from './peer-stream.ts';

/** In the hello of a node that takes frames between actors; who does not say so is sent none. */
export const actorsFeature = 'actors/1';

/** Packets of one peer before its acknowledgements wait, each with a thousandth for a byte: about half of a core. */
const packetRate: Rate = { count: 100_000, periodMs: 1_000, burst: 200_000 };
const bytesPerPacket = 1_024;
/** What a packet costs that had no right to come: its denial is audited. */
const deniedCost = 20;

const contentBounds = { bytesMax: limits.contentBytesMax };
const noBytes = new Uint8Array(0);

/** A packet that another node had no right to send. */
export interface Denial {
  readonly link: PeerLink;
  readonly packet: ActorPacket;
  readonly refusal: Refusal;
}

/** What a transport is told of the cluster. */
export interface LinkTransportWorld {
  readonly links: Links;
  /** What the cluster knows of a member. */
  readonly member: (node: NodeId) => Member | undefined;
  readonly onDenied: (denial: Denial) => void;
}

export interface LinkTransportOptions {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/**
 * Carries messages between kernels over the node’s links. A link is TLS with the peer’s own certificate, so `from` is
 * proved; a stream of packets outlives the links of one boot of the peer, and ends with that boot (`PeerStream`).
 */
export class LinkTransport implements Transport {
  readonly nodeId: NodeId;
  readonly #options: LinkTransportOptions;
  readonly #patience: Patience;
  readonly #peers = new Map<string, PeerStream>();
  #receiver: PacketReceiver | undefined;
  #world: LinkTransportWorld | undefined;
  #streams = 0;
  #stopped = false;

  constructor(options: LinkTransportOptions) {
    this.#options = options;
    this.nodeId = options.nodeId;
    this.#patience = new Patience(options.clock, packetRate);
  }

  attach(receiver: PacketReceiver): void {
    this.#receiver = receiver;
  }

  /** Goes over these links from now on. Called once: they are made after the kernel. */
  connect(world: LinkTransportWorld): void {
    this.#world = world;
    const { links } = world;
    links.onReady((link) => this.#linkReady(link));
    links.onClosed((link, _, reason) => this.#peers.get(link.nodeId)?.closed(link, reason));
    links.onFrame('actors', (link, frame) => this.#peers.get(link.nodeId)?.receive(link, frame));
    links.onFrame('actor-stream', (link, frame) => this.#peers.get(link.nodeId)?.control(link, frame));
  }

  /** The cluster has changed its mind about a member. */
  memberChanged({ nodeId, bootEpoch, status }: Member): void {
    const peer = this.#peers.get(nodeId);
    if (peer?.bootEpoch === bootEpoch && isGone(status)) peer.died();
  }

  send(node: string, packet: Packet): Result<void> {
    const peer = this.#peers.get(node);
    if (peer === undefined) return refuse('UNREACHABLE', `There is no link to ${node} that carries actors’ messages.`);
    if ('path' in packet && !isPath(packet.path)) return refuse('MALFORMED', 'That is no address of an actor.');
    const content = this.#encode(packet);
    return content.ok ? peer.send(packet, content.value) : content;
  }

  /** The node has stopped: nobody is waited for. */
  stop(): void {
    this.#stopped = true;
    for (const peer of this.#peers.values()) peer.stop();
    this.#peers.clear();
  }

  #linkReady(link: PeerLink): void {
    if (this.#stopped) return;
    const { nodeId, hello } = link;
    const known = this.#peers.get(nodeId);
    const same = known?.bootEpoch === hello.bootEpoch;
    if (!same) {
      known?.stop();
      this.#peers.delete(nodeId);
    }
    if (hello.features.includes(actorsFeature)) {
      const peer = known && same ? known : this.#peer(nodeId, hello.bootEpoch);
      this.#peers.set(nodeId, peer);
      peer.attach(link);
    }
    // The process that all of it was with is gone. Whoever hears of that may turn to the new one at once.
    if (known && !same) this.#receiver?.lost(nodeId);
  }

  #peer(nodeId: NodeId, bootEpoch: number): PeerStream {
    const peer: PeerStream = new PeerStream(
      {
        clock: this.#options.clock,
        peer: nodeId,
        // Each side has numbers of its own.
        newStream: () => ++this.#streams * 2 + (this.nodeId < nodeId ? 0 : 1),
        onPacket: (link, packet, content) => this.#take(link, packet, content),
        onLost: () => this.#receiver?.lost(nodeId),
        onGone: () => {
          if (this.#peers.get(nodeId) === peer) this.#peers.delete(nodeId);
        },
        departed: (boot) => {
          const member = this.#world?.member(nodeId);
          return member !== undefined && member.bootEpoch === boot && isGone(member.status);
        },
        patient: () => this.#patience.with(nodeId),
      },
      bootEpoch,
    );
    return peer;
  }

  #take(link: PeerLink, packet: ActorPacket, content: Uint8Array): void {
    const { nodeId } = link;
    this.#patience.spend(nodeId, 1 + content.length / bytesPerPacket);
    const sealed: Sealed = { open: () => opened(content) };
    const carries = packet.kind === 'tell' || packet.kind === 'ask' || packet.kind === 'answer';
    const taken =
      !carries && content.length > 0
        ? refuse('MALFORMED', 'It has content that means nothing.')
        : this.#receiver?.packet(nodeId, carries ? { ...packet, content: sealed } : packet);
    if (taken === undefined || taken.ok) return;
    this.#patience.spend(nodeId, deniedCost);
    this.#options.metrics.count('actor_packets_denied', { code: taken.refusal.code });
    this.#world?.onDenied({ link, packet, refusal: taken.refusal });
  }

  #encode(packet: Packet): Result<Uint8Array> {
    if (!('content' in packet) || packet.content === undefined) return ok(noBytes);
    return encodePlainData(utf8, packet.content, contentBounds, (value) => this.#address(value));
  }

  /** A ref goes as the address that it has for everybody; the way back of a question does not go at all. */
  #address(value: object): string | undefined {
    if (!(value instanceof SendToTarget) || value instanceof ReplyRef) return undefined;
    const { path } = value as SendToTarget & { readonly path: string };
    return path.includes('!') ? path : `${this.nodeId}!${path}`;
  }
}

const isGone = (status: Member['status']): boolean => status === 'dead' || status === 'left' || status === 'revoked';

const isPath = (path: string): boolean =>
  path.startsWith('/') &&
  (path.length * 3 <= limits.actorPathBytesMax || utf8.encode(path).length <= limits.actorPathBytesMax);

/** No bytes at all say `undefined`, which is an answer too. */
function opened(content: Uint8Array): Result<Opened> {
  if (content.length === 0) return ok({ ...unverified(undefined), weightBytes: 0 });
  const read = decodePlainData(utf8, content, contentBounds);
  if (!read.ok) return read;
  const { data, weightBytes } = read.value.unverified;
  return ok({ ...unverified(data), weightBytes });
}
