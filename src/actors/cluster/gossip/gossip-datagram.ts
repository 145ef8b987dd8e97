import { sealOverheadBytes } from '../../../crypto/seal.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { decodePacket, encodePacket, type Packet } from '../../../protocols/swim/packet.ts';
import type { Unverified } from '../../../unverified.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { PairSeals } from './pair-seals.ts';

/** What a packet may take before it is sealed. */
export const plaintextBytesMax = limits.datagramBytesMax - sealOverheadBytes;

/** A packet as a datagram for one member; undefined while its box key is not known. */
export const sealPacket = (seals: PairSeals, to: NodeId, packet: Packet): Uint8Array | undefined =>
  seals.seal(to, encodePacket(packet, utf8, plaintextBytesMax));

/**
 * Opens a datagram: who sealed it is proven, the claims in it are not. LIMIT_EXCEEDED, SEAL_INVALID, REPLAYED,
 * MALFORMED.
 */
export function openPacket(
  seals: PairSeals,
  datagram: Uint8Array,
): Result<{ readonly from: NodeId; readonly packet: Unverified<Packet> }> {
  const opened = seals.open(datagram);
  if (!opened.ok) return opened;
  const decoded = decodePacket(opened.value.plaintext, utf8);
  return decoded.ok ? ok({ from: opened.value.from, packet: decoded.value }) : decoded;
}

/** What a node offers in its hello that takes packets over links. */
export const gossipFeature = 'gossip/1';

/** A packet for a link, which seals and names the sender itself. */
export const linkPacket = (packet: Packet): Uint8Array => encodePacket(packet, utf8, plaintextBytesMax);

/** Takes a packet from a link, bounded as one in a datagram is. MALFORMED. */
export function decodeLinkPacket(content: Uint8Array): Result<Unverified<Packet>> {
  if (content.length > plaintextBytesMax)
    return refuse('MALFORMED', `A packet over a link has at most ${plaintextBytesMax} bytes.`);
  return decodePacket(content, utf8);
}
