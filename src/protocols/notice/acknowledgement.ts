import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { integer, malformed, name, object, oneOf, readShape, text, timeMs } from '../json/shape.ts';
import { parseJson } from '../json/text.ts';

/**
 * A member’s word that it has taken a bundle of roots, and which certificate it shows. Bytes are in base64. Signed with the
 * member’s claim key, which `binding` binds to the certificate, so whoever passes it on cannot make one.
 */
export interface RootsAcknowledgement {
  readonly v: 1;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly generation: number;
  /** SHA-256 of the bundle as it was signed. */
  readonly hash: string;
  /** Milliseconds since 1970, by the member’s clock. For people. */
  readonly at: number;
  /** DER of the member’s certificate, and behind it that of its intermediates. */
  readonly certificate: string;
  readonly binding: string;
}

/** An acknowledgement as it travels: the payload that was signed, and the signature. */
export interface SignedAcknowledgement {
  readonly payload: string;
  readonly signature: string;
}

/** What a node offers in its hello that understands acknowledgements. */
export const acknowledgementFeature = 'roots/1';

const base64 = (charsMax: number) => text(charsMax, /^[A-Za-z0-9+/]+={0,2}$/, 'base64');

const envelope = object({
  payload: text(limits.acknowledgementCharsMax),
  signature: base64(128),
});

const shape = object({
  v: oneOf(1),
  clusterId: text(255),
  nodeId: name(isNodeId, 'a node id'),
  generation: integer(1, Number.MAX_SAFE_INTEGER),
  hash: base64(44),
  at: timeMs,
  certificate: base64(Math.ceil(limits.certificateBytesMax / 3) * 4),
  binding: base64(1_024),
});

/** The exact text to sign: JSON with fixed key order. */
export function acknowledgementPayload(said: RootsAcknowledgement): string {
  const { v, clusterId, nodeId, generation, hash, at, certificate, binding } = said;
  return JSON.stringify({ v, clusterId, nodeId, generation, hash, at, certificate, binding });
}

/** One line, for links and for the API. */
export const acknowledgementText = ({ payload, signature }: SignedAcknowledgement): string =>
  JSON.stringify({ payload, signature });

const what = malformed('The acknowledgement of a bundle of roots');

/** Takes the line apart; strict, and nothing of it is verified. MALFORMED, LIMIT_EXCEEDED. */
export function readAcknowledgement(
  line: string,
): Result<Unverified<{ readonly said: RootsAcknowledgement } & SignedAcknowledgement>> {
  const outer = parseJson(line, { charsMax: 2 * limits.acknowledgementCharsMax, depthMax: 2 });
  if (!outer.ok) return outer;
  const signed = readShape(envelope, outer.value, what);
  if (!signed.ok) return signed;
  const inner = parseJson(signed.value.payload, { charsMax: limits.acknowledgementCharsMax, depthMax: 2 });
  if (!inner.ok) return inner;
  const said = readShape(shape, inner.value, what);
  return said.ok ? { ok: true, value: unverified({ said: said.value, ...signed.value }) } : said;
}
