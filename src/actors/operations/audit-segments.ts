import { join } from 'node:path';
import { sha256 } from '../../crypto/port.ts';
import { CaxtonError } from '../../errors.ts';
import { type ChainState, chainStart, chainStep } from '../../protocols/audit/chain.ts';
import { type AuditRecord, readAuditLine } from '../../protocols/audit/record.ts';
import type { Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { AuditVerification } from './control.ts';

/** `audit-<first record, twelve digits>.jsonl`: sorted by name is sorted by record. */
export const segmentName = (firstSeq: number): string => `audit-${String(firstSeq).padStart(12, '0')}.jsonl`;
const isSegment = (name: string): boolean => /^audit-\d{12}\.jsonl$/.test(name);

const lineBreak = 0x0a;

export const segmentsIn = async (disk: Disk, folder: string): Promise<readonly string[]> =>
  (await disk.list(folder)).filter(isSegment);

/** Whole lines of a file, without their breaks, and where the last of them ends. */
export function wholeLines(bytes: Uint8Array): { readonly lines: readonly Uint8Array[]; readonly end: number } {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let at = bytes.indexOf(lineBreak); at >= 0; at = bytes.indexOf(lineBreak, start)) {
    lines.push(bytes.subarray(start, at));
    start = at + 1;
  }
  return { lines, end: start };
}

export interface OpenedSegment {
  readonly path: string;
  readonly chain: ChainState;
  /** Bytes after the last whole line: a record that a crash cut. */
  readonly tornBytes: number;
  readonly wholeBytes: number;
}

/**
 * Finds where the log ends and checks the newest segment. A torn last line is what a crash leaves; anything else that
 * does not fit is damage: MALFORMED, because to go on would bury it.
 */
export async function openLastSegment(disk: Disk, folder: string): Promise<OpenedSegment | undefined> {
  const name = (await segmentsIn(disk, folder)).at(-1);
  if (name === undefined) return undefined;
  const path = join(folder, name);
  const bytes = (await disk.readFile(path)) ?? new Uint8Array(0);
  const { lines, end } = wholeLines(bytes);
  let chain = await chainBefore(disk, folder, name, lines[0]);
  for (const line of lines) {
    const step = chainStep(chain, line, sha256, utf8);
    if (!step.ok)
      throw new CaxtonError('MALFORMED', [
        `The audit log ${path} is damaged.`,
        ...step.refusal.reasons,
        'Keep the folder for whoever investigates, and give the node a new one (security.audit.log_path).',
      ]);
    chain = step.value;
  }
  return { path, chain, tornBytes: bytes.length - end, wholeBytes: end };
}

/** The chain’s state before a segment, as its own first line states it; `verify` checks that the segments join. */
async function chainBefore(
  disk: Disk,
  folder: string,
  name: string,
  firstLine: Uint8Array | undefined,
): Promise<ChainState> {
  const first = firstLine && readLine(firstLine);
  if (first) return { seq: first.seq - 1, hash: first.prev };
  const names = await segmentsIn(disk, folder);
  const before = names[names.indexOf(name) - 1];
  if (before === undefined) return chainStart;
  const bytes = (await disk.readFile(join(folder, before))) ?? new Uint8Array(0);
  const last = wholeLines(bytes).lines.at(-1);
  const record = last && readLine(last);
  if (!record) return chainStart;
  return { seq: record.seq, hash: Buffer.from(sha256(last)).toString('hex') };
}

function readLine(line: Uint8Array): AuditRecord | undefined {
  try {
    const read = readAuditLine(utf8.decode(line));
    return read.ok ? read.value : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the whole log again and follows its chain from the first record to `head`. */
export async function verifySegments(disk: Disk, folder: string, head: ChainState): Promise<AuditVerification> {
  let chain = chainStart;
  const bad = (reason: string): AuditVerification => ({
    valid: false,
    records: chain.seq,
    headSequence: head.seq,
    headHash: head.hash,
    firstBad: { sequence: chain.seq + 1, reason },
  });
  for (const name of await segmentsIn(disk, folder)) {
    const { lines } = wholeLines((await disk.readFile(join(folder, name))) ?? new Uint8Array(0));
    for (const line of lines) {
      const step = chainStep(chain, line, sha256, utf8);
      if (!step.ok) return bad(step.refusal.reasons.join(' '));
      chain = step.value;
      // Records that were written after the question are not part of the answer.
      if (chain.seq === head.seq) break;
    }
  }
  if (chain.seq < head.seq) return bad(`The log ends at record ${chain.seq}; the node has written ${head.seq}.`);
  if (chain.hash !== head.hash) return bad('The last record is not the one that the node wrote.');
  return { valid: true, records: chain.seq, headSequence: head.seq, headHash: head.hash };
}

/** The newest records, oldest first. */
export async function lastRecords(disk: Disk, folder: string, limit: number): Promise<readonly AuditRecord[]> {
  const records: AuditRecord[] = [];
  for (const name of (await segmentsIn(disk, folder)).toReversed()) {
    const { lines } = wholeLines((await disk.readFile(join(folder, name))) ?? new Uint8Array(0));
    for (let at = lines.length - 1; at >= 0 && records.length < limit; at--) {
      const record = readLine(lines[at]!);
      if (record) records.push(record);
    }
    if (records.length >= limit) break;
  }
  return records.reverse();
}
