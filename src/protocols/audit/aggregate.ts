import { limits } from '../../limits.ts';
import type { AuditType } from './event-type.ts';
import type { AuditEvent } from './record.ts';

interface Counted {
  /** What stands for all of them. */
  readonly first: AuditEvent;
  count: number;
}

/** One key of a window, for who meets it at the rate of messages: counting is one addition. */
export interface Tally {
  /** Events after the first, which was written in full. */
  count: number;
  /** The window is over: the next event begins another tally. */
  ended: boolean;
}

interface Kept extends Tally {
  readonly first: AuditEvent;
}

/**
 * Repetitions within one window: the first event of a key is written in full, the rest is counted, so that a flood of
 * granted messages costs two records a minute. Holds at most `limits.auditAggregateKeysMax` keys; what comes beside
 * them is counted under the type alone, and `metadata.others` marks that. The shell calls `flush` at the window’s end;
 * counts that were not flushed are lost with the process.
 *
 * Mutable for the sake of the path of a message; it has no clock and no chance of its own.
 */
export class AuditAggregate {
  readonly #keysMax: number;
  #kept = new Map<string, Kept>();
  #others = new Map<AuditType, Counted>();

  constructor(keysMax: number = limits.auditAggregateKeysMax) {
    this.#keysMax = keysMax;
  }

  /** Keys that the window holds. */
  get size(): number {
    return this.#kept.size + this.#others.size;
  }

  /** `write`: the first of its key, to be written in full. `counted`: it will be in the next `flush`. */
  add(event: AuditEvent): 'write' | 'counted' {
    const key = keyOf(event);
    const known = this.#kept.get(key);
    if (known) {
      known.count += event.count ?? 1;
      return 'counted';
    }
    if (this.#kept.size >= this.#keysMax) {
      countOther(this.#others, event);
      return 'counted';
    }
    this.#kept.set(key, { first: event, count: 0, ended: false });
    return 'write';
  }

  /** The tally of an event’s key; undefined while the window has none. */
  tally(event: AuditEvent): Tally | undefined {
    return this.#kept.get(keyOf(event));
  }

  /** Counts an event that was to be written in full and cannot be. */
  missed(event: AuditEvent): void {
    const known = this.#kept.get(keyOf(event));
    if (known) known.count += event.count ?? 1;
    else countOther(this.#others, event);
  }

  /** A record for each key that came again, in the order of their first events, and an empty window. */
  flush(): readonly AuditEvent[] {
    const events: AuditEvent[] = [];
    for (const kept of this.#kept.values()) {
      kept.ended = true;
      if (kept.count > 0) events.push(summary(kept));
    }
    for (const other of this.#others.values()) events.push(summary(other));
    this.#kept = new Map();
    this.#others = new Map();
    return events;
  }
}

/** Counts an event for which there is no room of its own. There are as many of these as there are types. */
export function countOther(others: Map<AuditType, Counted>, event: AuditEvent): void {
  const known = others.get(event.type);
  if (known) known.count += event.count ?? 1;
  else others.set(event.type, { first: otherOf(event), count: event.count ?? 1 });
}

/** The record for counted events: it always says how many, one included, because the first one stands apart. */
export function summary({ first, count }: Counted): AuditEvent {
  return { ...first, count };
}

function otherOf(event: AuditEvent): AuditEvent {
  return {
    type: event.type,
    at: event.at,
    identity: 'various',
    sourceIp: '',
    nodeId: event.nodeId,
    outcome: event.outcome,
    reasons: ['There was no room to count these apart.'],
    metadata: { others: true },
  };
}

/** For messages: sender, receiver and operation. For anything else two events are alike when all but the time is. */
function keyOf(event: AuditEvent): string {
  const { type, identity, metadata } = event;
  if (type === 'AccessGranted')
    // None of the three can have a space in it, and no other key begins like this one.
    return `${metadata.sender ?? identity} ${metadata.receiver} ${metadata.operation}`;
  return JSON.stringify([type, identity, event.sourceIp, event.outcome, event.code, event.reasons, metadata]);
}
