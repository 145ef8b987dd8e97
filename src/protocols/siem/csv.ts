import type { AuditRecord } from '../audit/record.ts';

const columns = [
  'seq',
  'time',
  'type',
  'outcome',
  'identity',
  'sourceIp',
  'nodeId',
  'code',
  'reasons',
  'requestId',
  'count',
  'metadata',
  'decision',
  'policyHash',
  'traceId',
  'certificateSerial',
  'shortened',
] as const;

/** The first line of a file of records, without its line break (CR LF by RFC 4180). */
export const csvHead: string = columns.join(',');

/** A record of the log as one row of `csvHead`’s columns (RFC 4180), without its line break. */
export function csvRow(record: AuditRecord): string {
  const cells: Readonly<Record<(typeof columns)[number], string>> = {
    seq: String(record.seq),
    time: record.time,
    type: record.type,
    outcome: record.outcome,
    identity: record.identity,
    sourceIp: record.sourceIp,
    nodeId: record.nodeId,
    code: record.code ?? '',
    reasons: record.reasons.join(' '),
    requestId: record.requestId ?? '',
    count: record.count === undefined ? '' : String(record.count),
    metadata: JSON.stringify(record.metadata),
    decision: record.decision === undefined ? '' : JSON.stringify(record.decision),
    policyHash: record.policyHash ?? '',
    traceId: record.traceId ?? '',
    certificateSerial: record.certificateSerial ?? '',
    shortened: [record.level, record.cut && 'cut'].filter((word) => word !== undefined).join(' '),
  };
  return columns.map((column) => cell(cells[column])).join(',');
}

/**
 * A spreadsheet takes a cell that begins so for a formula, some of them behind spaces, behind what cannot be seen (which
 * they drop) or in the wide forms as well, and an attacker chooses some of these texts.
 */
const formula = /^[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠]|^[\t\r\n]/u;

function cell(text: string): string {
  const safe = formula.test(text) ? `'${text}` : text;
  // A semicolon or a tab is the separator elsewhere.
  return /[",;\t\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
