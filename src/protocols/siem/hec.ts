import type { AuditRecord } from '../audit/record.ts';

export interface HecForm {
  readonly sourceType: string;
  /** The receiver’s index; its token’s default when absent. */
  readonly index?: string | undefined;
}

/**
 * Records as the body of one request to Splunk’s HTTP event collector (`POST /services/collector/event`): one JSON
 * object after the other. `eventOf` gives the event as JSON text, such as the record itself.
 */
export function hecBody(
  records: readonly AuditRecord[],
  form: HecForm,
  eventOf: (record: AuditRecord) => string,
): string {
  return records
    .map((record) => hecEvent('caxton:audit', Date.parse(record.time), record.nodeId, eventOf(record), form))
    .join('\n');
}

/** A checkpoint of the log as the body of one request: an event of the source `caxton:audit:checkpoint`. */
export const hecCheckpoint = (
  line: string,
  form: HecForm & { readonly nodeId: string; readonly atMs: number },
): string => hecEvent('caxton:audit:checkpoint', form.atMs, form.nodeId, line, form);

function hecEvent(source: string, atMs: number, host: string, event: string, form: HecForm): string {
  const head = JSON.stringify({
    // Seconds with three decimals, as the collector takes it.
    time: atMs / 1_000,
    host,
    source,
    sourcetype: form.sourceType,
    index: form.index,
  });
  return `${head.slice(0, -1)},"event":${event}}`;
}
