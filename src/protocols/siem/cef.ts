import type { AuditRecord, Outcome } from '../audit/record.ts';

/** 0 to 10, as ArcSight’s Common Event Format has it. */
const severities: Readonly<Record<Outcome, number>> = { success: 3, refused: 6, failure: 7 };
const grave: ReadonlySet<string> = new Set(['AgentCompromised', 'AuditForked', 'PrivilegeEscalation']);

/**
 * A record of the log as one line of ArcSight’s Common Event Format (CEF:0), without a line break. `version` is the
 * product’s. What CEF has no key for is in `cs6` as JSON.
 */
export function cefLine(record: AuditRecord, version: string): string {
  const { type, outcome, identity, sourceIp, nodeId, seq, time, reasons, code, requestId, metadata, count } = record;
  const severity = grave.has(type) ? 10 : severities[outcome];
  const head = ['CEF:0', 'Caxton', 'caxton-runtime', version, type, type, String(severity)];
  const { sender, receiver, operation, ...others } = metadata;
  const { decision, policyHash, traceId, certificateSerial, level, cut } = record;
  const extension: readonly (readonly [string, string | number | boolean | undefined])[] = [
    ['rt', Date.parse(time)],
    ['externalId', seq],
    ['dvchost', nodeId],
    ['outcome', outcome],
    ['suser', sender ?? identity],
    ['duser', receiver],
    ['act', operation],
    // `src` is for IPv4 only.
    sourceIp.includes(':') ? ['c6a2', sourceIp] : ['src', sourceIp === '' ? undefined : sourceIp],
    ['c6a2Label', sourceIp.includes(':') ? 'Source IPv6 Address' : undefined],
    ['cnt', count],
    ['reason', reasons.length === 0 ? undefined : reasons.join(' ')],
    ['cs1Label', code === undefined ? undefined : 'code'],
    ['cs1', code],
    ['cs2Label', requestId === undefined ? undefined : 'requestId'],
    ['cs2', requestId],
    ['cs3Label', sender === undefined ? undefined : 'identity'],
    ['cs3', sender === undefined ? undefined : identity],
    ['cs4Label', policyHash === undefined ? undefined : 'policyHash'],
    ['cs4', policyHash],
    ['cs5Label', decision && 'decision'],
    ['cs5', decision && [decision.effect, decision.policy, decision.layer].filter((word) => word).join(' ')],
    ['flexString1Label', traceId === undefined ? undefined : 'traceId'],
    ['flexString1', traceId],
    ['flexString2Label', certificateSerial === undefined ? undefined : 'certificateSerial'],
    ['flexString2', certificateSerial],
    // The log left something out, by its policy or for its length.
    ['flexNumber1Label', level === undefined && cut === undefined ? undefined : 'shortened'],
    ['flexNumber1', level === undefined && cut === undefined ? undefined : 1],
    ['cs6Label', 'metadata'],
    ['cs6', JSON.stringify(others)],
  ];
  const pairs = extension.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${inExtension(String(value))}`],
  );
  return `${head.map(inHead).join('|')}|${pairs.join(' ')}`;
}

/** What would steer the terminal of who reads the line, or what receivers take for its end. */
const control = /[\p{Cc}\u2028\u2029]/gu;

/** A line break would begin another event. */
const inHead = (text: string): string =>
  text
    .replace(/[\\|]/g, '\\$&')
    .replace(/[\r\n]+/g, ' ')
    .replace(control, ' ');
const inExtension = (text: string): string =>
  text
    .replace(/[\\=]/g, '\\$&')
    .replace(/\r\n|\r|\n/g, '\\n')
    .replace(control, ' ');
