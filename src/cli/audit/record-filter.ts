import { auditTypes } from '../../protocols/audit/event-type.ts';
import { outcomes } from '../../protocols/audit/record.ts';
import { type Invocation, UsageError } from '../command.ts';

/** A record as it came: the log’s own format may grow fields that this version does not know. */
export type AuditRow = Readonly<Record<string, unknown>>;

/** Which records are wanted. */
export interface RecordFilter {
  readonly wanted: (row: AuditRow) => boolean;
  /** Nothing was asked for: all of them. */
  readonly all: boolean;
}

/** Reads the options about which records are wanted. Throws UsageError for what no record can have. */
export function readFilter({ text, list }: Pick<Invocation, 'text' | 'list'>): RecordFilter {
  const types = known(list('type'), auditTypes, 'type');
  const wantedOutcomes = known(list('outcome'), outcomes, 'outcome');
  const identity = text('identity');
  const since = readTime(text('since'));
  const wanted = (row: AuditRow): boolean =>
    (types.size === 0 || types.has(String(row.type))) &&
    (wantedOutcomes.size === 0 || wantedOutcomes.has(String(row.outcome))) &&
    (identity === undefined || String(row.identity).includes(identity)) &&
    (since === undefined || Date.parse(String(row.time)) >= since);
  const all = types.size === 0 && wantedOutcomes.size === 0 && identity === undefined && since === undefined;
  return { wanted, all };
}

function known(given: readonly string[], all: readonly string[], option: string): ReadonlySet<string> {
  for (const value of given) {
    if (all.includes(value)) continue;
    throw new UsageError(`--${option} has no “${value}”: it is ${all.join(', ')}.`);
  }
  return new Set(given);
}

function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;
  const time = form.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) throw new UsageError('--since is a time such as 2026-01-31 or 2026-01-31T12:00:00Z.');
  return time;
}

/** The record, or an empty row for what is none. */
export const rowOf = (record: unknown): AuditRow =>
  typeof record === 'object' && record !== null && !Array.isArray(record) ? { ...record } : {};

/** Its number; 0 when it has none. */
export const sequenceOf = (row: AuditRow): number => (Number.isSafeInteger(row.seq) ? Number(row.seq) : 0);
