import { limits } from '../../limits.ts';
import type { AuditType } from './event-type.ts';
import type { AuditEvent } from './record.ts';

interface Counted {
  /** The first of its kind, which stands for all. */
  readonly first: AuditEvent;
  count: number;
}

/**
 * Class B events within one window: each distinct one is kept once and the repetitions are counted, so that a flood of
 * granted messages costs one record a second. Holds at most `limits.auditAggregateKeysMax` distinct ones; the rest is
 * counted under the type alone, and `metadata.others` marks that. The shell calls `flush` at the window’s end; what was
 * not flushed is lost with the process.
 *
 * Mutable for the sake of the path of a message; it has no clock and no chance of its own.
 */
export class AuditAggregate {
  readonly #keysMax: number;
  #counted = new Map<string, Counted>();
  #others = new Map<AuditType, Counted>();

  constructor(keysMax: number = limits.auditAggregateKeysMax) {
    this.#keysMax = keysMax;
  }

  /** Distinct events that wait to be flushed. */
  get size(): number {
    return this.#counted.size + this.#others.size;
  }

  add(event: AuditEvent): void {
    const key = keyOf(event);
    const known = this.#counted.get(key);
    if (known) known.count += event.count ?? 1;
    else if (this.#counted.size < this.#keysMax) this.#counted.set(key, { first: event, count: event.count ?? 1 });
    else countOther(this.#others, event);
  }

  /** The window’s records in the order of their first event, and an empty window. */
  flush(): readonly AuditEvent[] {
    const events = [...this.#counted.values(), ...this.#others.values()].map(summary);
    this.#counted = new Map();
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

/** The record for a counted event; a count of one goes without saying. */
export function summary({ first, count }: Counted): AuditEvent {
  return count === 1 ? first : { ...first, count };
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
