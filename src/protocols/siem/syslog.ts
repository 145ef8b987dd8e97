import type { AuditRecord, Outcome } from '../audit/record.ts';

/** RFC 5424, 6.2.1. */
const facilities = {
  user: 1,
  auth: 4,
  authpriv: 10,
  /** “log audit” of the RFC. */
  audit: 13,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

export type Facility = keyof typeof facilities;

/** info, warning and error of RFC 5424; critical for what says that an agent has turned. */
const severities: Readonly<Record<Outcome, number>> = { success: 6, refused: 4, failure: 3 };
const grave: ReadonlySet<string> = new Set(['AgentCompromised', 'AuditForked', 'PrivilegeEscalation']);

export interface SyslogForm {
  readonly facility: Facility;
  /** The host’s name in the header; printable ASCII without spaces, at most 255. */
  readonly hostname: string;
  /** Process id. */
  readonly procId: string;
  /** The private enterprise number behind the names of our structured data (RFC 5424, 7.2.2). */
  readonly enterpriseId: number;
}

/**
 * A record of the log as one syslog message (RFC 5424). `message` is the text of MSG, such as the record as JSON, as
 * CEF or as an OCSF event. Every field that a stranger can influence is in MSG or escaped.
 */
export function syslogMessage(record: AuditRecord, message: string, form: SyslogForm): string {
  const severity = grave.has(record.type) ? 2 : severities[record.outcome];
  const own = ['seq', record.seq, 'node', record.nodeId, 'outcome', record.outcome] as const;
  const data = `[caxton@${form.enterpriseId} ${parameters(own)}][meta ${parameters(['sequenceId', sequenceId(record.seq)])}]`;
  // The byte order mark says that MSG is UTF-8 (6.4).
  return `${header(severity, record.time, record.type, form)} ${data} \uFEFF${message}`;
}

/** A checkpoint of the log as one syslog message of type `AuditCheckpoint`, a notice. `line` is its evidence as JSON. */
export function syslogCheckpoint(
  { size, line }: { readonly size: number; readonly line: string },
  form: SyslogForm & { readonly nodeId: string; readonly time: string },
): string {
  const own = ['size', size, 'node', form.nodeId] as const;
  const data = `[caxton@${form.enterpriseId} ${parameters(own)}]`;
  return `${header(5, form.time, 'AuditCheckpoint', form)} ${data} \uFEFF${line}`;
}

function header(severity: number, time: string, type: string, form: SyslogForm): string {
  const priority = facilities[form.facility] * 8 + severity;
  return `<${priority}>1 ${time} ${word(form.hostname, 255)} caxton ${word(form.procId, 128)} ${word(type, 32)}`;
}

/** 1 to 2^31 − 1, then again from 1 (7.3.1). */
const sequenceId = (seq: number): number => ((seq - 1) % 2_147_483_647) + 1;

/** PRINTUSASCII, or “-” for nothing (6). */
const word = (text: string, charsMax: number): string => text.replace(/[^\x21-\x7e]/g, '_').slice(0, charsMax) || '-';

function parameters(pairs: readonly (string | number)[]): string {
  const texts: string[] = [];
  for (let at = 0; at < pairs.length; at += 2) {
    const value = String(pairs[at + 1]).replace(/["\\\]]/g, '\\$&');
    texts.push(`${pairs[at]}="${value}"`);
  }
  return texts.join(' ');
}
