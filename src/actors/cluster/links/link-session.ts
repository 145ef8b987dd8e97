import type { NodeSvid } from '../../../crypto/svid.ts';
import { type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { type CloseReason, closeCodes, reasonOfCloseCode } from '../../../protocols/link/close-codes.ts';
import { decodeFrames, type Frame, type FrameKind } from '../../../protocols/link/frame.ts';
import {
  createHandshake,
  type HandshakeInput,
  type HandshakeState,
  handshakeStep,
} from '../../../protocols/link/handshake.ts';
import { heartbeat, nextLookMs } from '../../../protocols/link/heartbeat.ts';
import type { Hello } from '../../../protocols/link/hello.ts';
import type { LinkChannel } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { LinkEnd, LinkSessionOptions } from './link-session-options.ts';
import { Outbound } from './outbound.ts';
import { Stall } from './stall.ts';

const noBytes = new Uint8Array(0);
/** setTimeout’s bound; a certificate that lives longer is looked at again then. */
const sleepMsMax = 2_000_000_000;

/**
 * One connection to a peer whose certificate was accepted: greets, then carries frames. What happens per frame happens
 * here in plain functions; the peer-connection’s chart hears only of beginnings and ends.
 */
export class LinkSession {
  readonly channel: LinkChannel;
  readonly svid: NodeSvid;
  readonly since: number;
  readonly #options: LinkSessionOptions;
  readonly #outbound: Outbound;
  readonly #stall: Stall;
  #handshake: HandshakeState;
  #hello: Hello | undefined;
  #ended = false;
  #toldCongested = false;
  readonly #onFlowing: (() => void)[] = [];
  #heardAt: number;
  #timer: unknown;
  #expiry: unknown;

  constructor(options: LinkSessionOptions) {
    const { channel, clock, svid } = options;
    this.#options = options;
    this.channel = channel;
    this.svid = svid;
    this.since = clock.now();
    this.#heardAt = clock.monotonic();
    this.#stall = new Stall(this.#heardAt);
    this.#outbound = new Outbound(channel, clock);
    this.#handshake = createHandshake({
      side: channel.side,
      own: { ...options.own, dial: options.dial, group: channel.tls.group ?? '' },
      utf8,
      heartbeatMs: limits.linkHeartbeatMs,
      expect: {
        ...(options.expected === undefined ? {} : { nodeId: options.expected }),
        peerNodeId: svid.nodeId,
        trustDomain: options.trustDomain,
        clusterId: options.clusterId,
      },
    });
  }

  get nodeId(): NodeId {
    return this.svid.nodeId;
  }

  /** The peer’s hello. Only for sessions that were admitted. */
  get hello(): Hello {
    if (!this.#hello) throw new Error('the peer has not said hello yet');
    return this.#hello;
  }

  get side(): 'dialer' | 'acceptor' {
    return this.channel.side;
  }

  get isReady(): boolean {
    return this.#handshake.phase === 'up' && !this.#ended;
  }

  /** Neither up nor over. */
  get isGreeting(): boolean {
    return this.#handshake.phase !== 'up' && !this.#ended;
  }

  /** The number that the dialler gave this link. Only for sessions that were admitted. */
  get dial(): number {
    return this.side === 'dialer' ? this.#options.dial : this.hello.dial;
  }

  /** The negotiated key exchange: read here by the dialer, told by the dialer’s hello to the acceptor. */
  get keyExchange(): string {
    return this.channel.tls.group ?? this.#hello?.group ?? '';
  }

  /** When something was heard last, in milliseconds of the monotonic clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get congested(): boolean {
    return this.channel.bufferedBytes > limits.linkBufferBytesHigh;
  }

  /** Listens and greets. To be called in the turn in which the channel was received. */
  open(): void {
    const { channel, clock } = this.#options;
    channel.setHandler({
      message: (bytes) => this.#receive(bytes),
      violated: (reason) => this.violated(reason),
      drained: () => this.#tellCongestion(false),
      closed: (code, text) => this.#end({ reason: this.#reasonOf(code), text: text || `closed with ${code}` }),
    });
    // One deadline from the first byte of TCP to ready: what TLS and the upgrade took is gone.
    const left = Math.max(0, limits.linkHandshakeMsMax - (clock.monotonic() - channel.sinceMs));
    this.#timer = clock.setTimeout(() => this.#greet({ type: 'timeout' }), left);
    this.#expireAtEnd();
    this.#greet({ type: 'open' });
  }

  /** Queues a frame. UNREACHABLE when the link is down or its buffer full; LIMIT_EXCEEDED for a frame over the bound. */
  send(kind: FrameKind, header: Uint8Array, content: Uint8Array = noBytes): Result<void> {
    if (!this.isReady) return refuse('UNREACHABLE', `The link to ${this.nodeId} is down.`);
    if (this.channel.bufferedBytes > limits.linkBufferBytesMax)
      return refuse('UNREACHABLE', `${limits.linkBufferBytesMax} bytes wait on the link to ${this.nodeId} already.`);
    const sent = this.#outbound.send(kind, header, content);
    this.#tellCongestion(this.congested);
    return sent;
  }

  /** Closes, telling the peer why. */
  close(reason: CloseReason, text: string, refusal?: Refusal): void {
    if (this.#ended) return;
    this.#outbound.flush();
    this.channel.close(closeCodes[reason].code, text);
    this.#end({ reason, text, ...(refusal ? { refusal } : {}) });
  }

  /** Closes because a frame’s content was not in its form: a peer that sends such cannot be followed any further. */
  violated(text: string): void {
    const { refusal } = refuse('PROTOCOL_VIOLATION', text);
    this.close('protocolViolation', text, refusal);
  }

  /** Frames that waited for their turn may fill the buffer between two sends, so what was told is what counts. */
  #tellCongestion(congested: boolean): void {
    if (congested === this.#toldCongested) return;
    this.#toldCongested = congested;
    this.#options.onCongestion(congested);
    if (!congested) for (const work of this.#onFlowing.splice(0)) work();
  }

  /** Calls once when a link that is congested flows again; never when it ends before. */
  whenFlowing(work: () => void): void {
    this.#onFlowing.push(work);
    this.#tellCongestion(this.congested);
  }

  #receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    this.#heardAt = this.#options.clock.monotonic();
    const frames = decodeFrames(bytes);
    if (!frames.ok) {
      const reason = frames.refusal.code === 'LIMIT_EXCEEDED' ? 'limit' : 'protocolViolation';
      this.close(reason, frames.refusal.reasons[0], frames.refusal);
      return;
    }
    for (const frame of frames.value) {
      if (this.#ended) return;
      if (this.isReady) this.#take(frame);
      else this.#greet({ type: 'frame', frame });
    }
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case 'ping':
        // Who has more to read than that hears from us anyway; who reads nothing must not fill our memory with pongs.
        if (!this.congested) this.#outbound.send('pong', noBytes, noBytes);
        return;
      case 'pong':
        return;
      case 'goodbye':
        this.close('goodbye', 'the peer said goodbye');
        return;
      case 'hello':
      case 'ready':
        this.violated(`Got ${frame.kind} on a link that is up.`);
        return;
      default:
        this.#options.onFrame(this, frame);
    }
  }

  #greet(input: HandshakeInput): void {
    const { state, effects } = handshakeStep(this.#handshake, input);
    this.#handshake = state;
    for (const effect of effects) {
      if (this.#ended) return;
      if (effect.type === 'send') this.channel.send(effect.bytes);
      else if (effect.type === 'close') this.close(effect.reason, effect.refusal.reasons.join(' '), effect.refusal);
      else if (effect.type === 'peer') this.#admit(effect.hello);
      else if (effect.type === 'notices.asked') this.#answerNotices(effect.frame);
      else if (effect.type === 'notices.given') this.#takeNotice(effect.frame);
      else this.#up();
    }
  }

  #answerNotices(frame: Frame): void {
    const answer = this.#options.notices.answer(frame);
    if (answer.ok) for (const bytes of answer.value) this.channel.send(bytes);
    else this.#refuseNotices(answer.refusal);
  }

  #takeNotice(frame: Frame): void {
    const taken = this.#options.notices.take(frame);
    if (!taken.ok) this.#refuseNotices(taken.refusal);
    // What came may have revoked this very peer.
    else if (taken.value && !this.#ended) this.#greet({ type: 'reconciled' });
  }

  #refuseNotices(refusal: Refusal): void {
    const reason = refusal.code === 'RATE_LIMIT_EXCEEDED' ? 'limit' : 'protocolViolation';
    this.close(reason, refusal.reasons[0], refusal);
  }

  #admit(hello: Hello): void {
    this.#hello = hello;
    const wanted = this.#options.admit(this, hello);
    if (wanted !== true) {
      this.#greet({ type: 'admit', yes: false, reason: wanted });
      return;
    }
    const request = this.#options.notices.request(hello);
    if (!request.ok) this.#refuseNotices(request.refusal);
    else this.#greet({ type: 'admit', yes: true, request: request.value });
  }

  #up(): void {
    this.#options.clock.clearTimeout(this.#timer);
    this.#beat();
    this.#options.onReady(this);
  }

  #beat(): void {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const config = { heartbeatMs: limits.linkHeartbeatMs, silenceMsMax: limits.linkSilenceMsMax };
    const act = heartbeat(this.#heardAt, this.#outbound.sentAt, now, config);
    if (act === 'close') {
      this.close('silence', `nothing was heard for ${limits.linkSilenceMsMax} ms`);
      return;
    }
    if (this.#stall.lasts(this.#outbound.sentBytes, this.channel.bufferedBytes, now)) {
      const { refusal } = refuse('LIMIT_EXCEEDED', `The peer read nothing for ${limits.linkStallMsMax} ms.`);
      this.close('limit', refusal.reasons[0], refusal);
      return;
    }
    if (act === 'ping') this.#outbound.send('ping', noBytes, noBytes);
    this.#timer = clock.setTimeout(() => this.#beat(), nextLookMs(now, limits.linkHeartbeatMs));
  }

  /** The peer’s word for why it closed; that it is this node, which ends a dialler for good, its certificate must say. */
  #reasonOf(code: number): LinkEnd['reason'] {
    const reason = reasonOfCloseCode(code) ?? 'lost';
    return reason === 'self' && this.nodeId !== this.#options.own.nodeId ? 'lost' : reason;
  }

  /** A link never outlives the certificate that it was accepted with. */
  #expireAtEnd(): void {
    const { clock } = this.#options;
    const left = this.svid.notAfter - clock.now();
    if (left <= 0) this.close('expired', 'the certificate has reached its end');
    else this.#expiry = clock.setTimeout(() => this.#expireAtEnd(), Math.min(left, sleepMsMax));
  }

  #end(end: LinkEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#outbound.stop();
    this.#options.clock.clearTimeout(this.#timer);
    this.#options.clock.clearTimeout(this.#expiry);
    this.#options.onEnd(end);
  }

  /** The last frame before an orderly close. */
  goodbye(text: string): void {
    // Behind the frames that wait: the peer reads nothing after it.
    if (this.isReady) this.#outbound.send('goodbye', noBytes, noBytes);
    this.close('goodbye', text);
  }
}
