import type { SiemDestination } from '../../../config/siem.ts';
import { type AuditRecord, auditLine } from '../../../protocols/audit/record.ts';
import { cefLine } from '../../../protocols/siem/cef.ts';
import { hecBody } from '../../../protocols/siem/hec.ts';
import { ocsfEvent } from '../../../protocols/siem/ocsf.ts';
import { otlpRequest } from '../../../protocols/siem/otlp.ts';
import { syslogMessage } from '../../../protocols/siem/syslog.ts';
import { HttpSink } from './http-sink.ts';
import type { SiemSink } from './sink.ts';
import { type SinkTls, SyslogSink } from './syslog-sink.ts';

/** What a destination’s files hold. */
export interface SiemSecrets {
  readonly tls: SinkTls;
  readonly token?: string | undefined;
}

export interface SinkContext {
  readonly nodeId: string;
  readonly version: string;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The sink for one destination of the configuration. */
export function siemSink(destination: SiemDestination, secrets: SiemSecrets, context: SinkContext): SiemSink {
  const { nodeId, version, pid, now } = context;
  const text = (record: AuditRecord): string => recordText(record, destination.format, version);
  const { tls, token } = secrets;
  switch (destination.kind) {
    case 'syslog': {
      const { address, serverName, facility, hostname = nodeId, enterpriseId } = destination;
      const form = { facility, hostname, procId: String(pid), enterpriseId };
      return new SyslogSink({
        address,
        serverName,
        tls,
        messageOf: (record) => syslogMessage(record, text(record), form),
      });
    }
    case 'hec': {
      const { url, sourceType, index } = destination;
      return new HttpSink({
        url,
        tls,
        headers: { authorization: `Splunk ${token}` },
        bodyOf: (records) => hecBody(records, { sourceType, index }, text),
        refusalIn: hecRefusal,
      });
    }
    case 'otlp':
      return new HttpSink({
        url: destination.url,
        tls,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        bodyOf: (records) => otlpRequest(records, { nodeId, version, observedAt: now() }, text),
        refusalIn: otlpRefusal,
      });
  }
}

/** A record in one of the formats that a receiver can be given. */
function recordText(record: AuditRecord, format: 'json' | 'ocsf' | 'cef', version: string): string {
  if (format === 'cef') return cefLine(record, version);
  // As JSON, the very bytes that the log’s tree is over: a checkpoint can be checked against them.
  return format === 'ocsf' ? JSON.stringify(ocsfEvent(record, version)) : auditLine(record);
}

const jsonOf = (answer: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(answer);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
};

/** The collector says `{"text":"Success","code":0}`. */
function hecRefusal(answer: string): string | undefined {
  const { code, text } = jsonOf(answer);
  return code === undefined || code === 0
    ? undefined
    : `it answered code ${String(code)}: ${String(text).slice(0, 200)}`;
}

/** A success can be partial: what was rejected is lost, unless it is sent again. */
function otlpRefusal(answer: string): string | undefined {
  const { partialSuccess } = jsonOf(answer) as {
    partialSuccess?: { rejectedLogRecords?: unknown; errorMessage?: unknown } | null;
  };
  const rejected = Number(partialSuccess?.rejectedLogRecords ?? 0);
  if (!(rejected > 0)) return undefined;
  return `it rejected ${rejected} records: ${String(partialSuccess?.errorMessage ?? '').slice(0, 200)}`;
}
