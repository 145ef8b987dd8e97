import type { Client } from '../../client.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AuditRecord, auditLine, readAuditLine } from '../../protocols/audit/record.ts';
import { printableLines } from '../../protocols/printable.ts';
import { cefLine } from '../../protocols/siem/cef.ts';
import { csvHead, csvRow } from '../../protocols/siem/csv.ts';
import { ocsfEvent } from '../../protocols/siem/ocsf.ts';
import { version } from '../../version.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { withNode } from '../connect.ts';
import { newFile } from './new-file.ts';
import { readFilter, rowOf } from './record-filter.ts';

const formats = ['json', 'ocsf', 'cef', 'csv'] as const;

/** `caxton audit export`: records as lines of one format, to standard output or into a new file. */
export async function exportRecords(invocation: Invocation): Promise<ExitCode> {
  const { terminal, text } = invocation;
  const format = formats.find((name) => name === (text('format') ?? 'json'));
  if (format === undefined) throw new UsageError(`--format is ${formats.join(', ')}.`);
  const from = readSequence(text('from'), 'from') ?? 1;
  const to = readSequence(text('to'), 'to') ?? Number.MAX_SAFE_INTEGER;
  if (to < from) throw new UsageError('--to is before --from.');
  const { wanted } = readFilter(invocation);
  const lineOf = await lines(format);
  const file = text('file');
  return withNode(invocation, async ({ client }) => {
    const write = file === undefined ? undefined : await newFile(file);
    const put = async (texts: readonly string[]): Promise<void> => {
      if (texts.length === 0) return;
      const end = format === 'csv' ? '\r\n' : '\n';
      // What a stranger had recorded must not steer the terminal of who looks.
      const shown = write || !terminal.outIsTerminal ? texts : texts.map(printableLines);
      const whole = shown.map((line) => line + end).join('');
      if (write) await write.appendFile(whole);
      else await terminal.write(whole);
    };
    try {
      if (format === 'csv') await put([csvHead]);
      let count = 0;
      for await (const records of pages(client, from, to, (what) => terminal.err(what))) {
        const chosen = records.filter((record) => wanted(rowOf(record)));
        count += chosen.length;
        await put(chosen.map(lineOf));
      }
      if (write) await write.sync();
      if (file !== undefined) terminal.err(`${count} records are in ${file}.\n`);
    } finally {
      await write?.close();
    }
    return 0;
  });
}

/**
 * Records from number `from` to `to`, a page at a time, as far as the log goes now. Throws for a gap: an export is evidence,
 * and one that leaves something out must not look whole.
 */
async function* pages(
  client: Client,
  from: number,
  to: number,
  tell: (what: string) => void,
): AsyncGenerator<readonly AuditRecord[]> {
  for (let next = from; next <= to; ) {
    const limit = Math.min(limits.apiRecordsMax, to - next + 1);
    const page = await client.auditRecords({ from: next, limit });
    const records = page.map((record) => unwrap(readAuditLine(JSON.stringify(record))));
    const first = records[0]?.seq;
    if (first === undefined) return;
    if (first > next && next === from) {
      tell(`The records before ${first} are not kept any more.\n`);
      next = first;
    }
    for (const { seq } of records) {
      if (seq !== next)
        throw new CaxtonError('FILE_UNREADABLE', [
          `Record ${next} cannot be read any more: what was exported ends before it.`,
          `caxton audit verify says whether it was changed; --from ${next + 1} goes on behind it.`,
        ]);
      next += 1;
    }
    yield records.filter(({ seq }) => seq <= to);
  }
}

async function lines(format: (typeof formats)[number]): Promise<(record: AuditRecord) => string> {
  const release = await version();
  switch (format) {
    case 'json':
      // The very bytes that the log’s tree is over.
      return auditLine;
    case 'ocsf':
      return (record) => JSON.stringify(ocsfEvent(record, release));
    case 'cef':
      return (record) => cefLine(record, release);
    case 'csv':
      return csvRow;
  }
}

function readSequence(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const sequence = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(sequence)) throw new UsageError(`--${option} is the number of a record, from 1.`);
  return sequence;
}
