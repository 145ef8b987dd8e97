import type { AuditRecord, Outcome } from '../audit/record.ts';

/** INFO, WARN and ERROR of the log data model; FATAL’s number is for what ends a program, and none of these does. */
const severities: Readonly<Record<Outcome, readonly [number, string]>> = {
  success: [9, 'INFO'],
  refused: [13, 'WARN'],
  failure: [17, 'ERROR'],
};

type Value =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean };

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

/**
 * Records as one export request for logs of the OpenTelemetry protocol, in its JSON form (`POST …/v1/logs`). Names of
 * attributes are the semantic conventions’ where there are any. `version` is the product’s; `observedAt` in
 * milliseconds since 1970. `body` is the text of each record’s body.
 */
export function otlpRequest(
  records: readonly AuditRecord[],
  options: { readonly nodeId: string; readonly version: string; readonly observedAt: number },
  body: (record: AuditRecord) => string,
): string {
  const logRecords = records.map((record) => {
    const [severityNumber, severityText] = severities[record.outcome];
    return {
      timeUnixNano: nanos(Date.parse(record.time)),
      observedTimeUnixNano: nanos(options.observedAt),
      severityNumber,
      severityText,
      eventName: `caxton.audit.${record.type}`,
      body: { stringValue: body(record) },
      attributes: attributesOf(record),
    };
  });
  return requestOf(logRecords, options);
}

/** A checkpoint of the log as one export request: a log record with the event name `caxton.audit.checkpoint`. */
export function otlpCheckpoint(
  { size, line }: { readonly size: number; readonly line: string },
  options: { readonly nodeId: string; readonly version: string; readonly observedAt: number },
): string {
  const [severityNumber, severityText] = severities.success;
  const at = nanos(options.observedAt);
  const record = {
    timeUnixNano: at,
    observedTimeUnixNano: at,
    severityNumber,
    severityText,
    eventName: 'caxton.audit.checkpoint',
    body: { stringValue: line },
    attributes: attributes({ 'caxton.audit.size': size }),
  };
  return requestOf([record], options);
}

function requestOf(
  logRecords: readonly object[],
  { nodeId, version }: { readonly nodeId: string; readonly version: string },
): string {
  const resource = attributes({ 'service.name': 'caxton', 'service.version': version, 'service.instance.id': nodeId });
  const scope = { name: 'caxton.audit', version };
  return JSON.stringify({ resourceLogs: [{ resource: { attributes: resource }, scopeLogs: [{ scope, logRecords }] }] });
}

function attributesOf(record: AuditRecord): readonly Attribute[] {
  const { seq, type, outcome, identity, sourceIp, code, reasons, requestId, count, metadata } = record;
  return attributes({
    'caxton.audit.sequence': seq,
    'caxton.audit.type': type,
    'caxton.audit.outcome': outcome,
    'user.id': identity,
    ...(sourceIp === '' ? {} : { 'client.address': sourceIp }),
    ...(code === undefined ? {} : { 'error.type': code }),
    ...(reasons.length === 0 ? {} : { 'caxton.audit.reasons': reasons.join(' ') }),
    ...(requestId === undefined ? {} : { 'caxton.request.id': requestId }),
    ...(count === undefined ? {} : { 'caxton.audit.count': count }),
    ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`caxton.audit.metadata.${key}`, value])),
  });
}

const attributes = (values: Readonly<Record<string, string | number | boolean>>): readonly Attribute[] =>
  Object.entries(values).map(([key, value]) => ({ key, value: typed(value) }));

function typed(value: string | number | boolean): Value {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  // 64-bit integers are decimal strings in the JSON form of protocol buffers.
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** As a decimal string: such a number has more digits than a double. */
const nanos = (ms: number): string => `${ms}000000`;
