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
  };
  return columns.map((column) => cell(cells[column])).join(',');
}

/** A spreadsheet takes a cell that begins so for a formula, and an attacker chooses some of these texts. */
const formula = /^[=+\-@\t\r]/;

function cell(text: string): string {
  const safe = formula.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
