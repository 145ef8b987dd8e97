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
    .map((record) => {
      const head = JSON.stringify({
        // Seconds with three decimals, as the collector takes it.
        time: Date.parse(record.time) / 1_000,
        host: record.nodeId,
        source: 'caxton:audit',
        sourcetype: form.sourceType,
        index: form.index,
      });
      return `${head.slice(0, -1)},"event":${eventOf(record)}}`;
    })
    .join('\n');
}
