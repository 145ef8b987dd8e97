import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import type { NodeId, TrustDomain } from '../../names.ts';
import type { Utf8 } from '../msgpack/writer.ts';
import type { CloseReason } from './close-codes.ts';
import { encodeFrame, type Frame } from './frame.ts';
import { decodeHello, decodeReady, encodeHello, encodeReady, type Hello } from './hello.ts';

/**
 * The greeting of a link. The dialer says hello, the acceptor answers with its own, and each says ready once it has
 * judged the other; the link is up for a side when it has sent and received ready. Anything out of order closes.
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
  readonly phase: 'new' | 'awaiting-hello' | 'judging' | 'awaiting-ready' | 'up' | 'closed';
  /** The peer’s hello, once it was found to agree with its certificate. */
  readonly peer: Hello | undefined;
}

export type HandshakeInput =
  | { readonly type: 'open' }
  | { readonly type: 'frame'; readonly frame: Frame }
  /** The shell’s answer to the effect `peer`. */
  | { readonly type: 'admit'; readonly yes: true }
  | { readonly type: 'admit'; readonly yes: false; readonly reason: string }
  | { readonly type: 'timeout' };

export type HandshakeEffect =
  | { readonly type: 'send'; readonly bytes: Uint8Array }
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
});

export function handshakeStep(state: HandshakeState, input: HandshakeInput): HandshakeStep {
  switch (input.type) {
    case 'open':
      return open(state);
    case 'frame':
      return hear(state, input.frame);
    case 'admit':
      return input.yes ? admit(state) : decline(state, input.reason);
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
    case 'awaiting-ready':
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

function admit(state: HandshakeState): HandshakeStep {
  const { peer, options } = state;
  if (state.phase !== 'judging' || !peer) return outOfOrder(state, 'an admission');
  const ready: HandshakeEffect = {
    type: 'send',
    bytes: encodeFrame(
      'ready',
      encodeReady(options.utf8, { version: commonVersion(peer, options.own)!, heartbeatMs: options.heartbeatMs }),
    ),
  };
  const effects = options.side === 'acceptor' ? [ownHello(state), ready] : [ready];
  return { state: { ...state, phase: 'awaiting-ready' }, effects };
}

const decline = (state: HandshakeState, reason: string): HandshakeStep =>
  state.phase === 'judging'
    ? closing(state, 'duplicate', refuse('ALREADY_EXISTS', reason))
    : outOfOrder(state, 'a declination');

function hearReady(state: HandshakeState, frame: Frame): HandshakeStep {
  if (frame.content.length > 0) return outOfOrder(state, 'content behind ready');
  const decoded = decodeReady(state.options.utf8, frame.header);
  if (!decoded.ok) return closing(state, 'protocolViolation', decoded);
  const { version, heartbeatMs } = decoded.value.unverified;
  if (version !== commonVersion(state.peer!, state.options.own))
    return outOfOrder(state, `ready for version ${version}`);
  return { state: { ...state, phase: 'up' }, effects: [{ type: 'ready', version, peerHeartbeatMs: heartbeatMs }] };
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
