import type { SiemDestination } from '../../../config/siem.ts';
import { type AuditRecord, auditLine } from '../../../protocols/audit/record.ts';
import { cefLine } from '../../../protocols/siem/cef.ts';
import { hecBody, hecCheckpoint } from '../../../protocols/siem/hec.ts';
import { ocsfEvent } from '../../../protocols/siem/ocsf.ts';
import { otlpCheckpoint, otlpRequest } from '../../../protocols/siem/otlp.ts';
import { syslogCheckpoint, syslogMessage } from '../../../protocols/siem/syslog.ts';
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
        checkpointMessageOf: (checkpoint) =>
          syslogCheckpoint(checkpoint, { ...form, nodeId, time: new Date(now()).toISOString() }),
      });
    }
    case 'hec': {
      const { url, sourceType, index } = destination;
      return new HttpSink({
        url,
        tls,
        headers: { authorization: `Splunk ${token}` },
        bodyOf: (records) => hecBody(records, { sourceType, index }, text),
        checkpointBodyOf: ({ line }) => hecCheckpoint(line, { sourceType, index, nodeId, atMs: now() }),
        refusalIn: hecRefusal,
        now,
      });
    }
    case 'otlp':
      return new HttpSink({
        url: destination.url,
        tls,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        bodyOf: (records) => otlpRequest(records, { nodeId, version, observedAt: now() }, text),
        checkpointBodyOf: (checkpoint) => otlpCheckpoint(checkpoint, { nodeId, version, observedAt: now() }),
        refusalIn: otlpRefusal,
        now,
      });
  }
}

/** A record in one of the formats that a receiver can be given. */
function recordText(record: AuditRecord, format: 'json' | 'ocsf' | 'cef', version: string): string {
  if (format === 'cef') return cefLine(record, version);
  // As JSON, the very bytes that the log’s tree is over: a checkpoint can be checked against them.
  return format === 'ocsf' ? JSON.stringify(ocsfEvent(record, version)) : auditLine(record);
}

/** Undefined for what is no object: some proxy’s page perhaps, which comes with a 200 as well. */
const objectIn = (answer: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(answer);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
};
const notIts = (answer: string): string => `it answered with what no collector says: ${answer.slice(0, 200)}`;

/** The collector says `{"text":"Success","code":0}`; whoever does not say so has not got the records. */
function hecRefusal(answer: string): string | undefined {
  const said = objectIn(answer);
  if (said?.code === 0) return undefined;
  return said?.code === undefined
    ? notIts(answer)
    : `it answered code ${String(said.code)}: ${String(said.text).slice(0, 200)}`;
}

/**
 * A success can be partial. The protocol says that the rest is then not to be sent again, so that nothing comes twice;
 * here nothing may be lost, and what comes twice can be told by its number.
 */
function otlpRefusal(answer: string): string | undefined {
  if (answer === '') return undefined;
  const said = objectIn(answer);
  if (!said) return notIts(answer);
  const { partialSuccess } = said as {
    partialSuccess?: { rejectedLogRecords?: unknown; errorMessage?: unknown } | null;
  };
  const rejected = Number(partialSuccess?.rejectedLogRecords ?? 0);
  if (!(rejected > 0)) return undefined;
  return `it rejected ${rejected} records: ${String(partialSuccess?.errorMessage ?? '').slice(0, 200)}`;
}
