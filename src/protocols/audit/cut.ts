import { limits } from '../../limits.ts';
import type { AuditDecision, AuditMetadata, AuditRecord } from './record.ts';

/** Bounds of a record’s fields in UTF-16 units. */
export const auditFields = {
  identityCharsMax: 256,
  sourceIpCharsMax: 64,
  nodeIdCharsMax: 64,
  /** The name of a policy. */
  policyCharsMax: 256,
  /** Ids, hashes, serials. */
  shortCharsMax: 128,
  reasonCharsMax: 512,
  metadataKeyCharsMax: 64,
  metadataTextCharsMax: 1_024,
} as const;

interface Room {
  readonly reasonsMax: number;
  readonly reasonCharsMax: number;
  readonly metadataMax: number;
  readonly metadataTextCharsMax: number;
}

/** Tried in this order. A unit can take six bytes as JSON (`\\u0000`); the last fits even so. */
const rooms: readonly Room[] = [
  {
    reasonsMax: limits.reasonsMax,
    reasonCharsMax: auditFields.reasonCharsMax,
    metadataMax: limits.auditMetadataMax,
    metadataTextCharsMax: auditFields.metadataTextCharsMax,
  },
  { reasonsMax: 8, reasonCharsMax: 256, metadataMax: 16, metadataTextCharsMax: 128 },
  { reasonsMax: 4, reasonCharsMax: 256, metadataMax: 4, metadataTextCharsMax: 64 },
];

/** The line of the record, cut as little as the three steps above allow, with `cut` set when anything went. */
export function fitRecord(record: AuditRecord, lineOf: (record: AuditRecord) => string): string {
  if (isShort(record)) {
    const line = lineOf(record);
    // Three bytes at most for each UTF-16 unit, and most lines are far shorter than that.
    if (3 * line.length <= limits.auditRecordBytesMax || utf8Length(line) <= limits.auditRecordBytesMax) return line;
  }
  for (const room of rooms) {
    const line = lineOf(fitted(record, room));
    if (utf8Length(line) <= limits.auditRecordBytesMax) return line;
  }
  throw new Error('the smallest form of an audit record does not fit its limit');
}

/** Whether no field is over its bound, so that nothing needs to be rebuilt: nearly always. */
function isShort(record: AuditRecord): boolean {
  const { reasons, metadata, identity, sourceIp, nodeId, decision } = record;
  if (identity.length > auditFields.identityCharsMax || sourceIp.length > auditFields.sourceIpCharsMax) return false;
  if (nodeId.length > auditFields.nodeIdCharsMax || reasons.length > limits.reasonsMax) return false;
  // Two reasons may be the same sentence; one is kept.
  if (reasons.length > 1 || reasons.some((reason) => reason.length > auditFields.reasonCharsMax)) return false;
  for (const field of shortFields) if ((record[field]?.length ?? 0) > auditFields.shortCharsMax) return false;
  if (
    decision &&
    (decision.policy.length > auditFields.policyCharsMax || (decision.layer ?? '').length > auditFields.shortCharsMax)
  )
    return false;
  let entries = 0;
  for (const key in metadata) {
    const value = metadata[key];
    entries += 1;
    if (entries > limits.auditMetadataMax || key.length > auditFields.metadataKeyCharsMax || refusedKeys.has(key))
      return false;
    if (typeof value === 'string' ? value.length > auditFields.metadataTextCharsMax : !isFiniteOrFlag(value))
      return false;
  }
  return true;
}

const shortFields = ['requestId', 'traceId', 'policyHash', 'certificateSerial'] as const;
const isFiniteOrFlag = (value: unknown): boolean => typeof value === 'boolean' || Number.isFinite(value);

function fitted(record: AuditRecord, room: Room): AuditRecord {
  let cut = record.cut === true;
  const short = (text: string, charsMax: number): string => {
    if (text.length <= charsMax) return text;
    cut = true;
    return cutText(text, charsMax);
  };
  const kept = record.reasons.slice(0, room.reasonsMax);
  if (kept.length < record.reasons.length) cut = true;
  const reasons = [...new Set(kept.map((reason) => short(reason, room.reasonCharsMax)))];
  const { cut: _, decision, ...rest } = record;
  const ids: { -readonly [Field in (typeof shortFields)[number]]?: string } = {};
  for (const field of shortFields) {
    const value = record[field];
    if (value !== undefined) ids[field] = short(value, auditFields.shortCharsMax);
  }
  const metadata = fittedMetadata(record.metadata, room, short);
  if (Object.keys(metadata).length < Object.keys(record.metadata).length) cut = true;
  return {
    ...rest,
    identity: short(record.identity, auditFields.identityCharsMax),
    sourceIp: short(record.sourceIp, auditFields.sourceIpCharsMax),
    nodeId: short(record.nodeId, auditFields.nodeIdCharsMax),
    reasons,
    ...ids,
    ...(decision && { decision: fittedDecision(decision, short) }),
    metadata,
    ...(cut && { cut: true }),
  };
}

function fittedDecision(
  { effect, policy, layer }: AuditDecision,
  short: (text: string, charsMax: number) => string,
): AuditDecision {
  const fittedPolicy = short(policy, auditFields.policyCharsMax);
  return {
    effect,
    policy: fittedPolicy,
    ...(layer !== undefined && { layer: short(layer, auditFields.shortCharsMax) }),
  };
}

/** Names that a strict reader of JSON refuses as keys. */
const refusedKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

function fittedMetadata(
  metadata: AuditMetadata,
  room: Room,
  short: (text: string, charsMax: number) => string,
): AuditMetadata {
  const entries = Object.entries(metadata)
    .filter(([key]) => key.length <= auditFields.metadataKeyCharsMax && !refusedKeys.has(key))
    .slice(0, room.metadataMax)
    .map(([key, value]): [string, string | number | boolean] => {
      if (typeof value === 'string') return [key, short(value, room.metadataTextCharsMax)];
      // JSON has no word for NaN and the infinities.
      return [key, typeof value === 'number' && !Number.isFinite(value) ? String(value) : value];
    });
  return Object.fromEntries(entries);
}

/** At most `charsMax` UTF-16 units, the last one `…` when something went; never half a surrogate pair. */
export function cutText(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  const last = text.charCodeAt(charsMax - 2);
  const end = last >= 0xd800 && last <= 0xdbff ? charsMax - 2 : charsMax - 1;
  return `${text.slice(0, end)}…`;
}

/** Bytes of a well-formed text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    // Each half of a pair is two of its four bytes.
    else if (unit >= 0xd800 && unit <= 0xdfff) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
