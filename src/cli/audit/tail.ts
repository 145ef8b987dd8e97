import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '../../client.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { shortTime, writeJson, writeJsonLine } from '../output.ts';
import { styleFor } from '../style.ts';
import { table } from '../table.ts';
import { type AuditRow, type RecordFilter, readFilter, rowOf, sequenceOf } from './record-filter.ts';

const limitDefault = 20;
/** Between two looks for new records. */
const followMs = 500;

/** `caxton audit tail`: the newest records that are wanted, and with `--follow` those that come. */
export async function tail(invocation: Invocation): Promise<ExitCode> {
  const { terminal, json, text, flag } = invocation;
  const limit = readLimit(text('limit'));
  const filter = readFilter(invocation);
  const follow = flag('follow');
  return withNode(invocation, async ({ client, node }) => {
    const { rows, last } = await newest(client, filter, limit);
    const show = shower(invocation);
    if (json && !follow) writeJson(terminal, { items: rows });
    else if (rows.length > 0) show(rows);
    else if (!follow) terminal.out(last === 0 ? 'The audit log is empty.\n' : 'No record is like that.\n');
    if (!follow) return 0;
    for await (const page of coming(client, last, (what) => terminal.err(`${node.id} ${what}.\n`))) {
      const fresh = page.filter(filter.wanted);
      if (fresh.length > 0) show(fresh);
    }
    return 0;
  });
}

/** What a node that stops, or is started again, answers with meanwhile. */
const passing: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMED_OUT', 'STOPPED']);

/**
 * The records of one node from number `last` on as they come, a page at a time, without end. Its restart is waited for;
 * that and whatever is missing is told.
 */
async function* coming(
  client: Client,
  last: number,
  tell: (what: string) => void,
): AsyncGenerator<readonly AuditRow[], never> {
  let isLost = false;
  for (let seen = last; ; ) {
    let page: readonly AuditRow[];
    try {
      page = (await client.auditRecords({ from: seen + 1, limit: limits.apiRecordsMax })).map(rowOf);
      // Its log may be another one now, and one that is shorter has nothing behind the last record.
      const newestNow = isLost && page.length === 0 ? await client.auditRecords({ limit: 1 }) : undefined;
      const end = newestNow && Math.max(0, ...newestNow.map(rowOf).map(sequenceOf));
      if (isLost) tell('answers again');
      isLost = false;
      if (end !== undefined && end < seen) {
        tell(`has a log that ends with record ${end}: ${seen} had been shown`);
        seen = 0;
        continue;
      }
    } catch (error) {
      if (!(error instanceof CaxtonError && passing.has(error.code))) throw error;
      if (!isLost) tell('does not answer; waiting for it');
      isLost = true;
      page = [];
    }
    const first = oldestOf(page);
    if (seen > 0 && first > seen + 1) tell(`does not have the records ${seen + 1} to ${first - 1} any more`);
    yield page;
    seen = Math.max(seen, ...page.map(sequenceOf));
    if (page.length < limits.apiRecordsMax) await pause(followMs);
  }
}

/** The newest wanted records, oldest first, and the number of the newest of all. */
async function newest(client: Client, { wanted, all }: RecordFilter, limit: number) {
  const pageSize = limits.apiRecordsMax;
  let page = (await client.auditRecords({ limit: all ? limit : pageSize })).map(rowOf);
  const last = Math.max(0, ...page.map(sequenceOf));
  let rows = page.filter(wanted);
  for (let first = oldestOf(page); !all && rows.length < limit && first > 1; first = oldestOf(page)) {
    const from = Math.max(1, first - pageSize);
    page = (await client.auditRecords({ from, limit: first - from })).map(rowOf);
    if (page.length === 0) break;
    rows = [...page.filter(wanted), ...rows];
  }
  return { rows: rows.slice(-limit), last };
}

const oldestOf = (page: readonly AuditRow[]): number => {
  const [first] = page;
  return first === undefined ? 0 : sequenceOf(first);
};

/** Prints records: as a table with its head at the first time only, or as JSON, one a line. */
function shower({ terminal, json }: Invocation): (rows: readonly AuditRow[]) => void {
  const { dim, good, bad } = styleFor(terminal.outIsTerminal, terminal.env);
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
  return (rows) => {
    if (json) for (const row of rows) writeJsonLine(terminal, row);
    else terminal.out(table(columns, rows, { width: terminal.columns, head: dim }));
  };
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return limitDefault;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limits.apiRecordsMax)
    throw new UsageError(`--limit is a whole number from 1 to ${limits.apiRecordsMax}.`);
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
