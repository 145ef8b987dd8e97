import type { NodeEvent } from '../actors/operations/control.ts';
import { sha256 } from '../crypto/port.ts';

/** An event of one node of a test cluster, and when it happened. */
export interface TracedEvent {
  /** Milliseconds of virtual time since the clock’s start. */
  readonly atMs: number;
  readonly event: NodeEvent;
}

/** What differs between two runs with one seed: the process, and what hangs on ECDSA’s random signatures. */
const unstable = new Set(['pid', 'hash']);

/** One event as a line of text: time, node, type, and the rest as JSON without what differs from run to run. */
export function traceLine({ atMs, event }: TracedEvent): string {
  const { type, nodeId, ...rest } = event;
  const facts = JSON.stringify(rest, (key, value: unknown) => (unstable.has(key) ? undefined : value));
  return `${atMs.toFixed(3)} ${nodeId} ${type} ${facts}`;
}

/** SHA-256 over the lines of a trace, hex: equal for two runs in which the same happened at the same time. */
export const traceHash = (events: readonly TracedEvent[]): string =>
  Buffer.from(sha256(Buffer.from(events.map((one) => `${traceLine(one)}\n`).join('')))).toString('hex');
