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
  readonly requestId?: string;
  /** Never a secret. For a message: `sender`, `receiver`, `operation`. */
  readonly metadata: AuditMetadata;
  /** How many such events this one stands for, when it is more than one. */
  readonly count?: number;
}

export type Outcome = 'success' | 'refused' | 'failure';
export type AuditMetadata = Readonly<Record<string, string | number | boolean>>;

/** A line of the log. */
export interface AuditRecord extends Omit<AuditEvent, 'at'> {
  /** From 1, without a gap. */
  readonly seq: number;
  /** SHA-256 of the line before, 64 hexadecimal digits; zeros in the first. */
  readonly prev: string;
  /** RFC 3339, UTC, with milliseconds. */
  readonly time: string;
  /** The record was too long: reasons or metadata are missing or shortened. */
  readonly cut?: true;
}

/** Gives an event its place. `at` must be a time that RFC 3339 can write (years 1970 to 9999). */
export function auditRecord(event: AuditEvent, seq: number, prev: string): AuditRecord {
  const { at, ...rest } = event;
  return { seq, prev, time: new Date(at).toISOString(), ...rest };
}

/**
 * The record as one line of JSON in fixed key order, without the line break, at most `limits.auditRecordBytesMax`
 * bytes of UTF-8. Never refuses for length: what does not fit is cut and `cut` says so, because a record that an
 * attacker could make too long would be a record that an attacker can prevent.
 */
export function auditLine(record: AuditRecord): string {
  return fitRecord(record, lineOf);
}

function lineOf(record: AuditRecord): string {
  const { seq, prev, time, type, identity, sourceIp, nodeId, outcome, reasons, code, requestId } = record;
  const { metadata, count, cut } = record;
  return JSON.stringify({
    seq,
    prev,
    time,
    type,
    identity,
    sourceIp,
    nodeId,
    outcome,
    reasons,
    code,
    requestId,
    metadata,
    count,
    cut,
  });
}

const metadataValue: Shape<string | number | boolean> = (value, path, problems) =>
  typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
    ? value
    : anyText(auditFields.metadataTextCharsMax)(value, path, problems);

const markOfCut: Shape<true> = (value, path, problems) =>
  value === true ? value : problem(problems, path, 'expected true, or no such key');

const shape = object(
  {
    seq: integer(1, Number.MAX_SAFE_INTEGER),
    prev: text(64, /^[0-9a-f]{64}$/, '64 hexadecimal digits'),
    time: text(24, /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/, 'a time such as 2025-01-31T12:00:00.000Z'),
    type: oneOf(...auditTypes),
    identity: anyText(auditFields.identityCharsMax),
    sourceIp: anyText(auditFields.sourceIpCharsMax),
    nodeId: anyText(auditFields.nodeIdCharsMax),
    outcome: oneOf('success', 'refused', 'failure'),
    reasons: list(anyText(auditFields.reasonCharsMax), limits.reasonsMax),
    metadata: entries(anyText(auditFields.metadataKeyCharsMax), metadataValue, limits.auditMetadataMax),
  },
  {
    code: oneOf(...(Object.keys(errorCodes) as ErrorCode[])),
    requestId: anyText(auditFields.requestIdCharsMax),
    count: integer(1, Number.MAX_SAFE_INTEGER),
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
