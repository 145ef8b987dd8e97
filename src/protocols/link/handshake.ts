import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import type { NodeId, TrustDomain } from '../../names.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import type { CloseReason } from './close-codes.ts';
import { encodeFrame, type Frame } from './frame.ts';
import { decodeHello, decodeReady, encodeHello, encodeReady, type Hello, type Ready } from './hello.ts';

/**
 * The greeting of a link. The dialer says hello, the acceptor answers with its own, and each says ready once it has
 * judged the other; the link is up for a side when it has sent and received ready. A side whose peer holds newer cluster
 * documents asks for them first, and is ready only once it has them. Anything out of order closes.
 */
export interface HandshakeOptions {
  readonly side: 'dialer' | 'acceptor';
  readonly own: Hello;
  readonly utf8: Utf8;
  readonly heartbeatMs: number;
  readonly expect: {
    /** Whom the dialer meant to reach; absent for a seed address. */
    readonly nodeId?: NodeId;
    /** Who the peer’s certificate says it is. */
    readonly peerNodeId: NodeId;
    readonly trustDomain: TrustDomain;
    readonly clusterId: string;
  };
}

export interface HandshakeState {
  readonly options: HandshakeOptions;
  readonly phase: 'new' | 'awaiting-hello' | 'judging' | 'reconciling' | 'awaiting-ready' | 'up' | 'closed';
  /** The peer’s hello, once it was found to agree with its certificate. */
  readonly peer: Hello | undefined;
  /** What the peer said in its ready, if that came while this side was still reconciling. */
  readonly peerReady: Ready | undefined;
  /** The peer has asked for cluster documents: once is enough. */
  readonly wasAsked: boolean;
}

export type HandshakeInput =
  | { readonly type: 'open' }
  | { readonly type: 'frame'; readonly frame: Frame }
  /** The shell’s answer to the effect `peer`; with the header of a `notice-request` when it needs documents first. */
  | { readonly type: 'admit'; readonly yes: true; readonly request?: Uint8Array | undefined }
  | { readonly type: 'admit'; readonly yes: false; readonly reason: string }
  /** The shell has taken the last of the documents that it asked for, and lacks none that the peer has. */
  | { readonly type: 'reconciled' }
  | { readonly type: 'timeout' };

export type HandshakeEffect =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
  /** The peer asks for cluster documents: the shell sends them. */
  | { readonly type: 'notices.asked'; readonly frame: Frame }
  /** A document that was asked for; after the last one the shell answers with `reconciled`, or closes. */
  | { readonly type: 'notices.given'; readonly frame: Frame }
  /** The peer is who it says; the shell decides whether it wants this link and answers with `admit`. */
  | { readonly type: 'peer'; readonly hello: Hello }
  | { readonly type: 'ready'; readonly version: number; readonly peerHeartbeatMs: number }
  | { readonly type: 'close'; readonly reason: CloseReason; readonly refusal: Refusal };

export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly effects: readonly HandshakeEffect[];
}

export const createHandshake = (options: HandshakeOptions): HandshakeState => ({
  options,
  phase: 'new',
  peer: undefined,
  peerReady: undefined,
  wasAsked: false,
});

export function handshakeStep(state: HandshakeState, input: HandshakeInput): HandshakeStep {
  switch (input.type) {
    case 'open':
      return open(state);
    case 'frame':
      return hear(state, input.frame);
    case 'admit':
      return input.yes ? admit(state, input.request) : decline(state, input.reason);
    case 'reconciled':
      return reconciled(state);
    case 'timeout':
      return timeOut(state);
  }
}

function timeOut(state: HandshakeState): HandshakeStep {
  // The timer may have fired in the turn in which the link came up.
  if (state.phase === 'up') return { state, effects: [] };
  const refusal = refuse('TIMED_OUT', `The peer did not finish its greeting (${state.phase}).`);
  return closing(state, 'handshakeTimeout', refusal);
}

function open(state: HandshakeState): HandshakeStep {
  if (state.phase !== 'new') return outOfOrder(state, 'a second opening');
  const effects = state.options.side === 'dialer' ? [ownHello(state)] : [];
  return { state: { ...state, phase: 'awaiting-hello' }, effects };
}

function hear(state: HandshakeState, frame: Frame): HandshakeStep {
  switch (state.phase) {
    case 'awaiting-hello':
      return frame.kind === 'hello' ? hearHello(state, frame) : outOfOrder(state, frame.kind);
    case 'reconciling':
    case 'awaiting-ready':
      if (frame.kind === 'notice-request') return hearRequest(state, frame);
      if (frame.kind === 'notice' && state.phase === 'reconciling')
        return { state, effects: [{ type: 'notices.given', frame }] };
      return frame.kind === 'ready' ? hearReady(state, frame) : outOfOrder(state, frame.kind);
    default:
      return outOfOrder(state, frame.kind);
  }
}

function hearHello(state: HandshakeState, frame: Frame): HandshakeStep {
  if (frame.content.length > 0) return outOfOrder(state, 'content behind a hello');
  const decoded = decodeHello(state.options.utf8, frame.header);
  if (!decoded.ok) return closing(state, 'protocolViolation', decoded);
  const hello = decoded.value.unverified;
  const peer = verifyHello(hello, state.options);
  if (!peer.ok) return closing(state, isSelf(hello, state.options) ? 'self' : 'foreign', peer);
  return { state: { ...state, phase: 'judging', peer: peer.value }, effects: [{ type: 'peer', hello }] };
}

/** `self` ends a dialler for good, so that a peer’s mere word for it is not enough: the certificate must say so too. */
const isSelf = (hello: Hello, { own, expect }: HandshakeOptions): boolean =>
  hello.nodeId === own.nodeId && expect.peerNodeId === own.nodeId;

/** A hello counts only as far as it agrees with the certificate and with this cluster; all reasons are collected. */
function verifyHello(hello: Hello, { own, expect }: HandshakeOptions): Result<Hello> {
  const reasons: string[] = [];
  if (hello.nodeId !== expect.peerNodeId)
    reasons.push(`The peer calls itself ${hello.nodeId}, but its certificate is of ${expect.peerNodeId}.`);
  if (expect.nodeId !== undefined && expect.peerNodeId !== expect.nodeId)
    reasons.push(`${expect.nodeId} was expected, and ${expect.peerNodeId} answered.`);
  if (hello.nodeId === own.nodeId) reasons.push(`The peer has the id of this node, ${own.nodeId}.`);
  if (hello.trustDomain !== expect.trustDomain)
    reasons.push(`The peer is of trust domain ${hello.trustDomain}, this node of ${expect.trustDomain}.`);
  if (hello.clusterId !== expect.clusterId)
    reasons.push('The peer is of another cluster: its cluster id differs from this node’s.');
  // One of the two sides dialled, and that one alone counts its dials.
  if (hello.dial > 0 === own.dial > 0)
    reasons.push(`The peer numbers its dial ${hello.dial}, which its side does not.`);
  if (commonVersion(hello, own) === undefined)
    reasons.push(`The peer speaks link versions ${hello.versions.join(', ')}, this node ${own.versions.join(', ')}.`);
  const [first, ...more] = reasons;
  return first === undefined ? ok(hello) : refuse('PROTOCOL_VIOLATION', first, ...more);
}

const commonVersion = (a: Hello, b: Hello): number | undefined =>
  a.versions.filter((version) => b.versions.includes(version)).toSorted((x, y) => y - x)[0];

function admit(state: HandshakeState, request: Uint8Array | undefined): HandshakeStep {
  const { peer, options } = state;
  if (state.phase !== 'judging' || !peer) return outOfOrder(state, 'an admission');
  const answer = request
    ? ({ type: 'send', bytes: encodeFrame('notice-request', request) } as const)
    : ownReady(options, peer);
  const effects = options.side === 'acceptor' ? [ownHello(state), answer] : [answer];
  return { state: { ...state, phase: request ? 'reconciling' : 'awaiting-ready' }, effects };
}

function hearRequest(state: HandshakeState, frame: Frame): HandshakeStep {
  if (state.wasAsked) return outOfOrder(state, 'a second request for notices');
  return { state: { ...state, wasAsked: true }, effects: [{ type: 'notices.asked', frame }] };
}

function reconciled(state: HandshakeState): HandshakeStep {
  const { peer, peerReady, options } = state;
  if (state.phase !== 'reconciling' || !peer) return outOfOrder(state, 'a reconciliation');
  const ready = ownReady(options, peer);
  if (!peerReady) return { state: { ...state, phase: 'awaiting-ready' }, effects: [ready] };
  return { state: { ...state, phase: 'up' }, effects: [ready, isUp(peerReady)] };
}

const ownReady = ({ utf8, own, heartbeatMs }: HandshakeOptions, peer: Hello): HandshakeEffect => ({
  type: 'send',
  bytes: encodeFrame('ready', encodeReady(utf8, { version: commonVersion(peer, own)!, heartbeatMs })),
});

const isUp = ({ version, heartbeatMs }: Ready): HandshakeEffect => ({
  type: 'ready',
  version,
  peerHeartbeatMs: heartbeatMs,
});

const decline = (state: HandshakeState, reason: string): HandshakeStep =>
  state.phase === 'judging'
    ? closing(state, 'duplicate', refuse('ALREADY_EXISTS', reason))
    : outOfOrder(state, 'a declination');

function hearReady(state: HandshakeState, frame: Frame): HandshakeStep {
  if (frame.content.length > 0) return outOfOrder(state, 'content behind ready');
  const decoded = decodeReady(state.options.utf8, frame.header);
  if (!decoded.ok) return closing(state, 'protocolViolation', decoded);
  const ready = decoded.value.unverified;
  if (ready.version !== commonVersion(state.peer!, state.options.own))
    return outOfOrder(state, `ready for version ${ready.version}`);
  if (state.phase === 'awaiting-ready') return { state: { ...state, phase: 'up' }, effects: [isUp(ready)] };
  if (state.peerReady) return outOfOrder(state, 'a second ready');
  return { state: { ...state, peerReady: ready }, effects: [] };
}

const ownHello = (state: HandshakeState): HandshakeEffect => ({
  type: 'send',
  bytes: encodeFrame('hello', encodeHello(state.options.utf8, state.options.own)),
});

const outOfOrder = (state: HandshakeState, what: string): HandshakeStep =>
  closing(
    state,
    'protocolViolation',
    refuse('PROTOCOL_VIOLATION', `Got ${what} while the greeting was ${state.phase}.`),
  );

function closing(
  state: HandshakeState,
  reason: CloseReason,
  { refusal }: { readonly ok: false; readonly refusal: Refusal },
): HandshakeStep {
  if (state.phase === 'closed') return { state, effects: [] };
  return { state: { ...state, phase: 'closed' }, effects: [{ type: 'close', reason, refusal }] };
}
