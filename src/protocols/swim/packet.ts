import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';
import { readClaim, readNodeId, type SignedClaim } from './claim.ts';

/**
 * One datagram of the gossip before it is sealed: `[kind, seq, target | nil, [claim…]]` in strict MessagePack. Answers
 * go to the authenticated sender and never to an address that a packet names.
 */
export type PacketHead =
  /** “Are you there?” `target` guards against a packet that reached somebody else. */
  | { readonly kind: 'ping'; readonly seq: number; readonly target: NodeId }
  /** “Ask `target` for me and tell me what you hear.” */
  | { readonly kind: 'ping-req'; readonly seq: number; readonly target: NodeId }
  /** The answer to a ping, or to a ping-req whose target answered. */
  | { readonly kind: 'ack'; readonly seq: number }
  /** “The target of your ping-req has not answered yet, but I am well.” */
  | { readonly kind: 'nack'; readonly seq: number }
  /** Claims only. */
  | { readonly kind: 'gossip' };

export type Packet = PacketHead & { readonly claims: readonly SignedClaim[] };

/** The wire code of a kind is its place here: append only. */
const kinds = ['ping', 'ping-req', 'ack', 'nack', 'gossip'] as const;

/** An upper bound of what the head takes: five type and length bytes, a nine-byte seq, the target. */
export const headBytes = (head: PacketHead): number => 16 + ('target' in head ? head.target.length + 1 : 0);

/**
 * Encodes a packet for sealing.
 *
 * @param plaintextBytesMax what fits a datagram after the seal’s overhead; a packet over it is a bug and throws
 */
export function encodePacket(packet: Packet, utf8: Utf8, plaintextBytesMax: number): Uint8Array {
  const writer = new Writer(utf8, plaintextBytesMax).array(4).uint(kinds.indexOf(packet.kind));
  writer.uint('seq' in packet ? packet.seq : 0);
  if ('target' in packet) writer.str(packet.target);
  else writer.nil();
  writer.array(packet.claims.length);
  for (const { wire } of packet.claims) writer.raw(wire);
  if (writer.length > plaintextBytesMax)
    throw new RangeError(`packet of ${writer.length} bytes: ${plaintextBytesMax} fit`);
  return writer.finish();
}

/**
 * Decodes the opened plaintext of a datagram, strictly. The claims in it are not yet verified.
 *
 * @returns MALFORMED when any byte is not as a Caxton node would have written it
 */
export function decodePacket(bytes: Uint8Array, utf8: Utf8): Result<Unverified<Packet>> {
  return strictly('packet', () => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(4);
    const head = readHead(reader);
    const claims: SignedClaim[] = [];
    for (let left = reader.array(limits.datagramClaimsMax); left > 0; left--) {
      claims.push(readClaim(reader, bytes, utf8));
    }
    reader.end();
    return { ...head, claims };
  });
}

function readHead(reader: Reader): PacketHead {
  const kind = kinds[reader.uint(kinds.length - 1)]!;
  const seq = reader.uint();
  if ((seq === 0) !== (kind === 'gossip')) throw new MalformedBytes('a sequence number where none belongs, or none');
  if (kind === 'ping' || kind === 'ping-req') return { kind, seq, target: readNodeId(reader) };
  if (!reader.nil()) throw new MalformedBytes('a target where none belongs');
  return kind === 'gossip' ? { kind } : { kind, seq };
}
