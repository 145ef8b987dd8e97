import { type ErrorCode, errorCodes, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import {
  anyText,
  entries,
  integer,
  list,
  malformed,
  object,
  oneOf,
  problem,
  readShape,
  type Shape,
  text,
} from '../json/shape.ts';
import { parseJson } from '../json/text.ts';
import { auditFields, fitRecord } from './cut.ts';
import { type AuditType, auditTypes } from './event-type.ts';

/** Something to be audited, before it has a place in the log (ADR-0016’s `SecurityAuditLog`). */
export interface AuditEvent {
  readonly type: AuditType;
  /** When it happened, milliseconds since 1970. */
  readonly at: number;
  /** Who did it: an agent, a SPIFFE id, `apikey:dev`, `anonymous`. */
  readonly identity: string;
  /** Where from; empty when it happened inside the node. */
  readonly sourceIp: string;
  readonly nodeId: string;
  readonly outcome: Outcome;
  readonly reasons: readonly string[];
  readonly code?: ErrorCode;
  /** What judged: for everything that was allowed or denied by rules. All its reasons are in `reasons`. */
  readonly decision?: AuditDecision;
  readonly requestId?: string;
  /** W3C trace id: 32 hexadecimal digits. */
  readonly traceId?: string;
  /** SHA-256 of the policies that were in force, hexadecimal. */
  readonly policyHash?: string;
  /** Of the certificate that stood for the identity. */
  readonly certificateSerial?: string;
  /** Never a secret, and never what a message says. For a message: `sender`, `receiver`, `operation`. */
  readonly metadata: AuditMetadata;
  /** How many such events this one stands for, when it is more than one. */
  readonly count?: number;
}

export const outcomes = ['success', 'refused', 'failure'] as const;
export type Outcome = (typeof outcomes)[number];

/** Which rule decided: the policy’s name and, of a denial, the check that denied first. */
export interface AuditDecision {
  readonly effect: 'allow' | 'deny';
  readonly policy: string;
  readonly layer?: string;
}
export type AuditMetadata = Readonly<Record<string, string | number | boolean>>;

/** A record of the log. */
export interface AuditRecord extends Omit<AuditEvent, 'at'> {
  /** From 1, without a gap. */
  readonly seq: number;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  /** The policy of the log left out what is not needed to tell who did what: reasons and most of the metadata. */
  readonly level?: 'metadata';
  /** The record was too long: reasons or metadata are missing or shortened. */
  readonly cut?: true;
}

/** Gives an event its place. `at` must be a time that RFC 3339 can write (years 1970 to 9999). */
export function auditRecord({ at, ...rest }: AuditEvent, seq: number): AuditRecord {
  return { seq, time: timeText(at), ...rest };
}

let lastAt = Number.NaN;
let lastText = '';
/** Many records fall into one millisecond, and writing a time costs a third of writing a record. */
function timeText(at: number): string {
  if (at !== lastAt) {
    lastText = new Date(at).toISOString();
    lastAt = at;
  }
  return lastText;
}

/**
 * The record as JSON in fixed key order, in one line without its break, at most `limits.auditRecordBytesMax` bytes of
 * UTF-8. Never refuses for length: what does not fit is cut and `cut` says so, because a record that an attacker could
 * make too long would be a record that an attacker can prevent. Throws for what could not be read again: a bug of
 * whoever made the event.
 */
export function auditLine(record: AuditRecord): string {
  const fault = faultOf(record);
  if (fault !== undefined) throw new TypeError(fault);
  return fitRecord(record, lineOf);
}

function lineOf(record: AuditRecord): string {
  const { seq, time, type, identity, sourceIp, nodeId, outcome, reasons, code, decision, requestId } = record;
  const { traceId, policyHash, certificateSerial, metadata, count, level, cut } = record;
  return JSON.stringify({
    seq,
    time,
    type,
    identity,
    sourceIp,
    nodeId,
    outcome,
    reasons,
    code,
    decision: decision && { effect: decision.effect, policy: decision.policy, layer: decision.layer },
    requestId,
    traceId,
    policyHash,
    certificateSerial,
    metadata,
    count,
    level,
    cut,
  });
}

/** What the compiler promises, looked at once more: a record that nobody can read again is worse than a throw. */
function faultOf({
  type,
  identity,
  sourceIp,
  nodeId,
  outcome,
  reasons,
  metadata,
  count,
}: AuditRecord): string | undefined {
  if (!types.has(type)) return 'The event has no known type.';
  if (typeof identity !== 'string' || typeof sourceIp !== 'string' || typeof nodeId !== 'string')
    return 'The event’s identity, address or node is no text.';
  if (outcome !== 'success' && outcome !== 'refused' && outcome !== 'failure') return 'The event has no outcome.';
  if (!Array.isArray(reasons) || reasons.some((reason) => typeof reason !== 'string')) return 'A reason is no text.';
  if (count !== undefined && !(Number.isSafeInteger(count) && count > 0)) return 'The event stands for no number.';
  if (typeof metadata !== 'object') return 'The event has no metadata.';
  for (const key in metadata)
    if (!isPlain(metadata[key])) return `The metadata ${key} is neither text, number nor flag.`;
  return undefined;
}

const types: ReadonlySet<string> = new Set(auditTypes);
const isPlain = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const metadataValue: Shape<string | number | boolean> = (value, path, problems) =>
  typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
    ? value
    : anyText(auditFields.metadataTextCharsMax)(value, path, problems);

const markOfCut: Shape<true> = (value, path, problems) =>
  value === true ? value : problem(problems, path, 'expected true, or no such key');

const shape = object(
  {
    seq: integer(1, Number.MAX_SAFE_INTEGER),
    time: text(24, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, 'a time such as 2025-01-31T12:00:00.000Z'),
    type: oneOf(...auditTypes),
    identity: anyText(auditFields.identityCharsMax),
    sourceIp: anyText(auditFields.sourceIpCharsMax),
    nodeId: anyText(auditFields.nodeIdCharsMax),
    outcome: oneOf(...outcomes),
    reasons: list(anyText(auditFields.reasonCharsMax), limits.reasonsMax),
    metadata: entries(anyText(auditFields.metadataKeyCharsMax), metadataValue, limits.auditMetadataMax),
  },
  {
    code: oneOf(...(Object.keys(errorCodes) as ErrorCode[])),
    decision: object(
      { effect: oneOf('allow', 'deny'), policy: anyText(auditFields.policyCharsMax) },
      { layer: anyText(auditFields.shortCharsMax) },
    ),
    requestId: anyText(auditFields.shortCharsMax),
    traceId: anyText(auditFields.shortCharsMax),
    policyHash: anyText(auditFields.shortCharsMax),
    certificateSerial: anyText(auditFields.shortCharsMax),
    count: integer(1, Number.MAX_SAFE_INTEGER),
    level: oneOf('metadata'),
    cut: markOfCut,
  },
);

/** Reads a line that `auditLine` wrote, without its line break. LIMIT_EXCEEDED, MALFORMED. */
export function readAuditLine(line: string): Result<AuditRecord> {
  const json = parseJson(line, { charsMax: limits.auditRecordBytesMax, depthMax: limits.documentDepthMax });
  if (!json.ok) return json;
  const read = readShape(shape, json.value, malformed('The audit record'));
  if (!read.ok) return read;
  const { metadata, ...rest } = read.value;
  return { ok: true, value: { ...rest, metadata: Object.fromEntries(metadata) } };
}
