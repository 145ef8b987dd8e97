import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';

/** What a frame is about, with its code on the wire: append only. */
export const frameKinds = {
  hello: 1,
  ready: 2,
  ping: 3,
  pong: 4,
  goodbye: 5,
  message: 6,
  refusal: 7,
  registry: 8,
  'push-pull': 9,
  'push-pull-reply': 10,
  actors: 11,
  'actor-stream': 12,
  gossip: 13,
  'registry-acknowledgement': 14,
  'notice-request': 16,
  notice: 17,
  checkpoint: 24,
  cosignature: 25,
  'certificate-request': 32,
  'certificate-answer': 33,
  renewed: 34,
  'join-request': 35,
  'join-answer': 36,
  'roots-acknowledgement': 40,
  'server-certificate-request': 41,
  'gossip-keys': 48,
  'gossip-key-request': 49,
  'gossip-key': 50,
} as const;

export type FrameKind = keyof typeof frameKinds;

export interface Frame {
  readonly kind: FrameKind;
  /** Views into the message that carried the frame: copy what outlives it. */
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** u8 version, u8 kind, u16 flags, u32 header length, u32 content length, all big-endian; then header and content. */
export const framePrefixBytes = 12;
const formatVersion = 1;
const kindOf = new Map<number, FrameKind>(Object.entries(frameKinds).map(([kind, code]) => [code, kind as FrameKind]));
const noBytes = new Uint8Array(0);

/** Bytes of a frame with these parts. */
export const frameBytes = (header: Uint8Array, content: Uint8Array = noBytes): number =>
  framePrefixBytes + header.length + content.length;

/** Writes a frame into `into` at `at`, which must have room for `frameBytes`; returns where it ends. */
export function writeFrame(
  into: Uint8Array,
  at: number,
  kind: FrameKind,
  header: Uint8Array,
  content: Uint8Array = noBytes,
): number {
  into[at] = formatVersion;
  into[at + 1] = frameKinds[kind];
  into[at + 2] = 0;
  into[at + 3] = 0;
  writeUint32(into, at + 4, header.length);
  writeUint32(into, at + 8, content.length);
  into.set(header, at + framePrefixBytes);
  into.set(content, at + framePrefixBytes + header.length);
  return at + framePrefixBytes + header.length + content.length;
}

/** One frame in bytes of its own. Throws RangeError over the limits: senders check before. */
export function encodeFrame(kind: FrameKind, header: Uint8Array, content: Uint8Array = noBytes): Uint8Array {
  if (header.length > limits.headerBytesMax || frameBytes(header, content) > limits.frameBytesMax)
    throw new RangeError(`a ${kind} frame of ${frameBytes(header, content)} bytes is over the limit`);
  const bytes = new Uint8Array(frameBytes(header, content));
  writeFrame(bytes, 0, kind, header, content);
  return bytes;
}

/**
 * Takes a link message apart into its frames. Strict: an unknown version, kind or flag, a length over its limit, a cut
 * frame or no frame at all refuses the whole message. PROTOCOL_VIOLATION, LIMIT_EXCEEDED.
 */
export function decodeFrames(message: Uint8Array): Result<readonly Frame[]> {
  if (message.length > limits.linkMessageBytesMax)
    return refuse('LIMIT_EXCEEDED', `A link message has at most ${limits.linkMessageBytesMax} bytes.`);
  const frames: Frame[] = [];
  let at = 0;
  do {
    if (frames.length >= limits.linkFramesPerMessageMax)
      return refuse('LIMIT_EXCEEDED', `A link message has at most ${limits.linkFramesPerMessageMax} frames.`);
    const frame = readFrame(message, at);
    if (!frame.ok) return frame;
    frames.push(frame.value);
    at += frameBytes(frame.value.header, frame.value.content);
  } while (at < message.length);
  return ok(frames);
}

function readFrame(message: Uint8Array, at: number): Result<Frame> {
  if (at + framePrefixBytes > message.length) return refuse('PROTOCOL_VIOLATION', 'A frame is cut short.');
  if (message[at] !== formatVersion)
    return refuse('PROTOCOL_VIOLATION', `A frame has format ${message[at]}, not ${formatVersion}.`);
  const kind = kindOf.get(message[at + 1]!);
  if (kind === undefined) return refuse('PROTOCOL_VIOLATION', `A frame has the unknown kind ${message[at + 1]}.`);
  if (message[at + 2] !== 0 || message[at + 3] !== 0)
    return refuse('PROTOCOL_VIOLATION', 'A frame has flags that this version does not know.');
  const headerLength = readUint32(message, at + 4);
  const contentLength = readUint32(message, at + 8);
  if (headerLength > limits.headerBytesMax)
    return refuse('LIMIT_EXCEEDED', `A frame’s header has at most ${limits.headerBytesMax} bytes.`);
  if (framePrefixBytes + headerLength + contentLength > limits.frameBytesMax)
    return refuse('LIMIT_EXCEEDED', `A frame has at most ${limits.frameBytesMax} bytes.`);
  const contentAt = at + framePrefixBytes + headerLength;
  if (contentAt + contentLength > message.length) return refuse('PROTOCOL_VIOLATION', 'A frame is cut short.');
  return ok({
    kind,
    header: message.subarray(at + framePrefixBytes, contentAt),
    content: message.subarray(contentAt, contentAt + contentLength),
  });
}

function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = (value >>> 16) & 0xff;
  into[at + 2] = (value >>> 8) & 0xff;
  into[at + 3] = value & 0xff;
}

const readUint32 = (from: Uint8Array, at: number): number =>
  from[at]! * 0x100_0000 + from[at + 1]! * 0x1_0000 + from[at + 2]! * 0x100 + from[at + 3]!;
