import type { AuditEvent } from '../../../protocols/audit/record.ts';

/** An event as its witness tells it. `at` defaults to now; the node is always the log’s own. */
export type AuditDraft = Omit<AuditEvent, 'at' | 'nodeId'> & { readonly at?: number };

/** Where a record stands in the log; 0: its event is only counted, or not kept at all. */
export interface AuditPlace {
  readonly sequence: number;
}

const latestTimeMs = Date.UTC(9999, 11, 31);

/** The whole event. Throws a RangeError for a time that no record can have: there, where the caller is to blame. */
export function eventOf(draft: AuditDraft, nodeId: string, now: number): AuditEvent {
  const event = { ...draft, at: draft.at ?? now, nodeId };
  if (!(event.at >= 0 && event.at <= latestTimeMs)) throw new RangeError(`not a time for an audit record: ${event.at}`);
  return event;
}
