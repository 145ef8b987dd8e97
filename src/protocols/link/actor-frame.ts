import type { Refusal, Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';
import { readRefusal, writeRefusal } from './refusal-frame.ts';

/**
 * What one kernel says to another, less the message or answer, which is the content of the frame. `id` is chosen by
 * whoever began it, from 1, and is only good between the two nodes while neither has lost the other.
 */
export type ActorPacket =
  | { readonly kind: 'tell'; readonly path: string }
  | { readonly kind: 'ask'; readonly path: string; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number }
  | { readonly kind: 'refused'; readonly id: number; readonly refusal: Refusal }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'forget'; readonly id: number }
  /** Tell me when the life at `path` ends; `linked`: and end it when I say so, or am lost. */
  | { readonly kind: 'monitor'; readonly id: number; readonly path: string; readonly linked: boolean }
  | { readonly kind: 'demonitor'; readonly id: number }
  | { readonly kind: 'down'; readonly id: number; readonly reason: string }
  /** The other half of a link has ended: so must this one. */
  | { readonly kind: 'exit'; readonly id: number; readonly reason: string };

/** Its code on the wire is its place here: append only. */
const kinds: readonly ActorPacket['kind'][] = [
  'tell',
  'ask',
  'answer',
  'refused',
  'forget',
  'monitor',
  'demonitor',
  'down',
  'exit',
];
const codes = new Map(kinds.map((kind, code) => [kind, code]));

/** A word for how a life ended: nothing that a log or a program could be led astray with. */
const reasonForm = /^[a-z][a-z-]{0,31}$/;
const reasonBytesMax = 32;

/** `ack`: how many packets of the other node have been taken; see `ActorStream`. */
export interface ActorHeader {
  readonly ack: number;
  readonly packet: ActorPacket;
}

/** `[kind, ack, …]`; a path over `limits.actorPathBytesMax` is for the caller to refuse. */
export function encodeActorHeader(utf8: Utf8, { ack, packet }: ActorHeader): Uint8Array {
  const writer = new Writer(utf8, 96);
  const begin = (count: number): Writer =>
    writer
      .array(2 + count)
      .uint(codes.get(packet.kind)!)
      .uint(ack);
  switch (packet.kind) {
    case 'tell':
      begin(1).str(packet.path);
      break;
    case 'ask':
      begin(2).uint(packet.id).str(packet.path);
      break;
    case 'answer':
    case 'forget':
    case 'demonitor':
      begin(1).uint(packet.id);
      break;
    case 'refused':
      writeRefusal(begin(4).uint(packet.id), packet.refusal);
      break;
    case 'monitor':
      begin(3).uint(packet.id).str(packet.path).bool(packet.linked);
      break;
    case 'down':
    case 'exit':
      begin(2)
        .uint(packet.id)
        .str(reasonForm.test(packet.reason) ? packet.reason : 'unknown');
      break;
  }
  return writer.finish();
}

/** Strict; MALFORMED. */
export function decodeActorHeader(utf8: Utf8, bytes: Uint8Array): Result<Unverified<ActorHeader>> {
  return strictly('packet between actors', () => {
    const reader = new Reader(utf8, bytes);
    const count = reader.array(6);
    const kind = kinds[reader.uint(kinds.length - 1)]!;
    const ack = reader.uint();
    const packet = readPacket(reader, kind, count - 2);
    reader.end();
    return { ack, packet };
  });
}

function readPacket(reader: Reader, kind: ActorPacket['kind'], count: number): ActorPacket {
  const fields = (expected: number): void => {
    if (count !== expected) throw new MalformedBytes(`${kind} with ${count} fields`);
  };
  switch (kind) {
    case 'tell':
      fields(1);
      return { kind, path: readPath(reader) };
    case 'ask':
      fields(2);
      return { kind, id: readId(reader), path: readPath(reader) };
    case 'answer':
    case 'forget':
    case 'demonitor':
      fields(1);
      return { kind, id: readId(reader) };
    case 'refused':
      fields(4);
      return { kind, id: readId(reader), refusal: readRefusal(reader) };
    case 'monitor':
      fields(3);
      return { kind, id: readId(reader), path: readPath(reader), linked: reader.bool() };
    case 'down':
    case 'exit':
      fields(2);
      return { kind, id: readId(reader), reason: readReason(reader) };
  }
}

const readPath = (reader: Reader): string => {
  const path = reader.str(limits.actorPathBytesMax);
  if (!path.startsWith('/')) throw new MalformedBytes('not a path');
  return path;
};

function readId(reader: Reader): number {
  const id = reader.uint();
  if (id === 0) throw new MalformedBytes('0 is no id');
  return id;
}

function readReason(reader: Reader): string {
  const reason = reader.str(reasonBytesMax);
  if (!reasonForm.test(reason)) throw new MalformedBytes('not a reason');
  return reason;
}

/**
 * How two nodes agree on where their stream of packets stands when a link has come up. Whoever dialled the link says
 * `open`, the other `opened`. `received`: packets of the other that were taken in this stream.
 */
export type StreamControl =
  /** `resume`: the dialler holds this stream from an earlier link. */
  | { readonly kind: 'open'; readonly stream: number; readonly received: number; readonly resume: boolean }
  /** `resumed`: so does the other. Otherwise both begin at nothing, and what either held of the other is lost. */
  | { readonly kind: 'opened'; readonly stream: number; readonly received: number; readonly resumed: boolean }
  /** From whoever did not dial: it holds the stream for lost, so begin another. */
  | { readonly kind: 'reset'; readonly stream: number }
  | { readonly kind: 'ack'; readonly stream: number; readonly received: number };

const controls: readonly StreamControl['kind'][] = ['open', 'opened', 'reset', 'ack'];

/** `[kind, stream, received, resume | resumed]`; what a kind has not is 0 or false. */
export function encodeStreamControl(utf8: Utf8, control: StreamControl): Uint8Array {
  const writer = new Writer(utf8, 32).array(4).uint(controls.indexOf(control.kind)).uint(control.stream);
  const again = control.kind === 'open' ? control.resume : control.kind === 'opened' ? control.resumed : false;
  return writer
    .uint(control.kind === 'reset' ? 0 : control.received)
    .bool(again)
    .finish();
}

/** Strict; MALFORMED. */
export function decodeStreamControl(utf8: Utf8, bytes: Uint8Array): Result<Unverified<StreamControl>> {
  return strictly('control of a stream', (): StreamControl => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(4);
    const kind = controls[reader.uint(controls.length - 1)]!;
    const stream = reader.uint();
    const received = reader.uint();
    const again = reader.bool();
    reader.end();
    if (kind === 'open') return { kind, stream, received, resume: again };
    if (kind === 'opened') return { kind, stream, received, resumed: again };
    if (again || (kind === 'reset' && received !== 0)) throw new MalformedBytes(`${kind} with fields of others`);
    return kind === 'ack' ? { kind, stream, received } : { kind, stream };
  });
}
