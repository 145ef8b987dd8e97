import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import {
  type ActorPacket,
  decodeActorHeader,
  decodeStreamControl,
  encodeActorHeader,
  encodeStreamControl,
  type StreamControl,
} from '../../../protocols/link/actor-frame.ts';
import { ActorStream, endingWindow, packetCost, usualWindow } from '../../../protocols/link/actor-stream.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import type { Clock } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { LinkEnd } from './link-session-options.ts';
import type { PeerLink } from './links.ts';

export interface PeerStreamOptions {
  readonly clock: Clock;
  readonly peer: string;
  /** A number that no stream between the two nodes had in this boot of either. */
  readonly newStream: () => number;
  /** In order, once each. */
  readonly onPacket: (link: PeerLink, packet: ActorPacket, content: Uint8Array) => void;
  /** What was between the two nodes is void. */
  readonly onLost: () => void;
  /** The end of this object. */
  readonly onGone: () => void;
  /** Whether the cluster knows that this boot of the peer is gone. */
  readonly departed: (bootEpoch: number) => boolean;
  /** Whether the peer may send more: if not, its acknowledgements wait, and so does it. */
  readonly patient: () => boolean;
}

/** What ends something here for good, so that it must not be lost. */
const endings: ReadonlySet<ActorPacket['kind']> = new Set(['refused', 'forget', 'demonitor', 'down', 'exit']);

/**
 * The packets between this node and one boot of another, over whatever links there are one after the other. On each link
 * the two agree first where they stand. `gap`: there is no link; the peer has `limits.actorResumeMs` to come back.
 */
export class PeerStream {
  readonly #options: PeerStreamOptions;
  readonly #bootEpoch: number;
  #stream = new ActorStream();
  /** What the stream is called; `undefined`: nobody has begun it. */
  #id: number | undefined;
  /** The peer is known to hold it too. */
  #established = false;
  #phase: 'gap' | 'opening' | 'open' = 'gap';
  #link: PeerLink | undefined;
  #grace: unknown;
  #timer: unknown;

  constructor(options: PeerStreamOptions, bootEpoch: number) {
    this.#options = options;
    this.#bootEpoch = bootEpoch;
  }

  get bootEpoch(): number {
    return this.#bootEpoch;
  }

  /** A link to the peer is up: from now on everything goes over this one. */
  attach(link: PeerLink): void {
    this.#options.clock.clearTimeout(this.#grace);
    this.#link = link;
    this.#phase = 'opening';
    if (link.side === 'dialer') this.#open(link);
  }

  /** A link has ended. */
  closed(link: PeerLink, reason: LinkEnd['reason']): void {
    if (link !== this.#link) return;
    this.#link = undefined;
    this.#phase = 'gap';
    // Silence has lasted longer already than anybody would be waited for.
    if (reason === 'goodbye' || reason === 'silence' || this.#departed) this.end();
    else this.#grace = this.#options.clock.setTimeout(() => this.end(), limits.actorResumeMs);
  }

  /** The cluster has found the peer dead, or it has left. If a link stands all the same, all begins anew on it. */
  died(): void {
    if (this.#link === undefined) this.end();
    else this.#startOver(this.#link);
  }

  /** The peer is lost for good, or this node stops. */
  end(): void {
    this.stop();
    this.#options.onGone();
    this.#options.onLost();
  }

  stop(): void {
    const { clock } = this.#options;
    this.#phase = 'gap';
    this.#link = undefined;
    clock.clearTimeout(this.#grace);
    clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** UNREACHABLE or INBOX_FULL, as `Transport.send` says. */
  send(packet: ActorPacket, content: Uint8Array): Result<void> {
    const { peer } = this.#options;
    const ending = endings.has(packet.kind);
    if (!ending && !this.#reaches(packet)) return refuse('UNREACHABLE', `${peer} cannot be reached.`);
    const grants = this.#phase === 'open' && this.#stream.owes !== 'nothing' && this.#options.patient();
    const ack = grants ? this.#stream.received : this.#stream.granted;
    const header = encodeActorHeader(utf8, { ack, packet });
    if (!this.#stream.push({ header, content }, ending ? endingWindow : usualWindow)) {
      if (ending) this.#giveUp();
      return refuse('INBOX_FULL', `Too much is on its way to ${peer} already.`);
    }
    if (grants) this.#stream.grant();
    this.#pump();
    return ok(undefined);
  }

  /** A frame of kind `actors`. One of a link that was replaced is left: it comes again on the present one. */
  receive(link: PeerLink, { header, content }: Frame): void {
    if (link !== this.#link || this.#phase !== 'open') return;
    const read = decodeActorHeader(utf8, header);
    if (!read.ok) {
      this.#violated(link, read.refusal.reasons[0]);
      return;
    }
    const { ack, packet } = read.value.unverified;
    if (!this.#stream.take(packetCost({ header, content }))) this.#violated(link, 'It sent more than the window.');
    else if (!this.#stream.acknowledge(ack)) this.#violated(link, 'It acknowledged what was never sent.');
    else {
      this.#options.onPacket(link, packet, content);
      this.#oweAcknowledgement();
    }
  }

  /** A frame of kind `actor-stream`. */
  control(link: PeerLink, { header, content }: Frame): void {
    if (link !== this.#link) return;
    const read = decodeStreamControl(utf8, header);
    if (!read.ok || content.length > 0) {
      this.#violated(link, read.ok ? 'A control of a stream has content.' : read.refusal.reasons[0]);
      return;
    }
    const control = read.value.unverified;
    // Only the dialler opens; otherwise two could open at once.
    if ((control.kind === 'opened' || control.kind === 'reset') !== (link.side === 'dialer') && control.kind !== 'ack')
      this.#violated(link, `${control.kind} is not for this side to say.`);
    else if (control.kind === 'open') this.#opening(link, control);
    else if (control.kind === 'opened') this.#opened(link, control);
    else if (control.stream !== this.#id) return;
    else if (control.kind === 'reset') this.#startOver(link);
    else if (this.#phase === 'open') this.#acknowledged(link, control.received);
  }

  get #departed(): boolean {
    return this.#options.departed(this.#bootEpoch);
  }

  #reaches({ kind }: ActorPacket): boolean {
    if (this.#phase === 'open') return true;
    // An answer is waited for, and the peer may come back in time.
    if (this.#phase === 'gap') return kind === 'answer';
    return !this.#departed;
  }

  #say(link: PeerLink, control: StreamControl): void {
    link.send('actor-stream', encodeStreamControl(utf8, control));
  }

  #open(link: PeerLink): void {
    this.#id ??= this.#options.newStream();
    this.#phase = 'opening';
    this.#say(link, { kind: 'open', stream: this.#id, received: this.#stream.grant(), resume: this.#established });
  }

  /** The dialler says where it stands. */
  #opening(link: PeerLink, { stream, received }: StreamControl & { readonly kind: 'open' }): void {
    const resumed = this.#id === stream;
    if (resumed && !this.#stream.acknowledge(received)) {
      this.#violated(link, 'It acknowledged what was never sent.');
      return;
    }
    // What this side had begun and the other has never heard of goes on under the other’s number.
    this.#phase = 'opening';
    if (!resumed && this.#established) this.#forgetAll();
    this.#id = stream;
    this.#say(link, { kind: 'opened', stream, received: this.#stream.grant(), resumed });
    this.#flows();
  }

  /** The other side says where it stands. An answer to an opening that is superseded says nothing any more. */
  #opened(link: PeerLink, { stream, received, resumed }: StreamControl & { readonly kind: 'opened' }): void {
    if (stream !== this.#id || this.#phase !== 'opening') return;
    if (!resumed && this.#established) this.#forgetAll();
    if (!this.#stream.acknowledge(resumed ? received : 0)) {
      this.#violated(link, 'It acknowledged what was never sent.');
      return;
    }
    this.#flows();
  }

  #flows(): void {
    this.#established = true;
    this.#phase = 'open';
    this.#stream.rewind();
    this.#pump();
  }

  #acknowledged(link: PeerLink, received: number): void {
    if (this.#stream.acknowledge(received)) this.#pump();
    else this.#violated(link, 'It acknowledged what was never sent.');
  }

  /** Too much waits that must not be lost: a peer that takes nothing is served no longer. */
  #giveUp(): void {
    if (this.#link === undefined) this.end();
    else this.#startOver(this.#link);
  }

  #startOver(link: PeerLink): void {
    const stream = this.#id;
    this.#id = undefined;
    this.#phase = 'opening';
    if (link.side === 'dialer') this.#established = false;
    else if (stream !== undefined) this.#say(link, { kind: 'reset', stream });
    this.#forgetAll();
    // Whoever heard of the loss may have done anything.
    if (link.side === 'dialer' && this.#link === link) this.#open(link);
  }

  #forgetAll(): void {
    this.#stream = new ActorStream();
    this.#established = false;
    this.#options.onLost();
  }

  #violated(link: PeerLink, text: string): void {
    // Not to be taken up again: the same would come again on the next link.
    this.end();
    link.violated(text);
  }

  #pump(): void {
    const link = this.#link;
    if (link === undefined || this.#phase !== 'open') return;
    for (let sent = this.#stream.next; sent !== undefined; sent = this.#stream.next) {
      if (!link.send('actors', sent.header, sent.content).ok) {
        // The link’s own buffer is full of others’ frames.
        this.#wake();
        return;
      }
      this.#stream.wrote();
    }
  }

  #oweAcknowledgement(): void {
    if (this.#phase !== 'open') return;
    const owes = this.#stream.owes;
    if (owes === 'now' && this.#options.patient()) this.#acknowledge();
    else if (owes !== 'nothing') this.#wake();
  }

  #acknowledge(): void {
    if (this.#link === undefined || this.#id === undefined) return;
    this.#say(this.#link, { kind: 'ack', stream: this.#id, received: this.#stream.grant() });
  }

  #wake(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      if (this.#phase !== 'open') return;
      if (this.#stream.owes !== 'nothing') {
        if (this.#options.patient()) this.#acknowledge();
        else this.#wake();
      }
      this.#pump();
    }, limits.actorAckMs);
  }
}
