import { limits } from '../../limits.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';

const limitDefault = 20;

/** A record as it came: the log’s own format may grow fields that this version does not know. */
type AuditRow = Readonly<Record<string, unknown>>;

export async function tail(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text } = invocation;
  const limit = readLimit(text('limit'));
  const records = await withNode(invocation, ({ client }) => client.auditRecords({ limit }));
  if (json) {
    writeJson(terminal, { items: records });
    return 0;
  }
  const { dim, good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
  const rows = records.map((record): AuditRow => (typeof record === 'object' && record !== null ? { ...record } : {}));
  const columns = [
    { title: 'SEQ', cell: (row: AuditRow) => textOf(row.seq) },
    { title: 'TIME (UTC)', cell: (row: AuditRow) => shortTime(textOf(row.time)) },
    { title: 'TYPE', cell: (row: AuditRow) => textOf(row.type) },
    {
      title: 'OUTCOME',
      cell: (row: AuditRow) => textOf(row.outcome),
      paint: (padded: string, row: AuditRow) => (row.outcome === 'success' ? good : bad)(padded),
    },
    { title: 'IDENTITY', cell: (row: AuditRow) => textOf(row.identity) },
    { title: 'SOURCE', cell: (row: AuditRow) => textOf(row.sourceIp) },
    { title: 'DETAILS', cell: detailsOf },
  ];
  if (rows.length === 0) terminal.out('The audit log is empty.\n');
  else terminal.out(table(columns, rows, { width: terminal.columns, head: dim }));
  return 0;
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return limitDefault;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limits.apiRecordsMax)
    throw new UsageError(`--limit is a whole number from 1 to ${limits.apiRecordsMax}.`, 'caxton audit tail --help');
  return limit;
}

const textOf = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

function detailsOf(row: AuditRow): string {
  const { count, code, reasons, metadata } = row;
  const metadataText =
    typeof metadata === 'object' && metadata !== null
      ? Object.entries(metadata).map(([key, value]) => `${key}=${textOf(value)}`)
      : [];
  return [
    ...(count === undefined ? [] : [`×${textOf(count)}`]),
    ...metadataText,
    ...(code === undefined ? [] : [textOf(code)]),
    ...(Array.isArray(reasons) ? reasons.map(textOf) : []),
  ].join(' ');
}
