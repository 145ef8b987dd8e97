import { limits } from '../../limits.ts';
import { countOther, summary } from './aggregate.ts';
import type { AuditType } from './event-type.ts';
import type { AuditEvent } from './record.ts';

interface Denied {
  /** The first that was not written in full; undefined until there is one. */
  first: AuditEvent | undefined;
  inFull: number;
  count: number;
}

/**
 * Denials within one window: the first `limits.auditDenialsInFullMax` of a source for a reason are written in full, and
 * no more than `limits.auditDenialsInFullTotalMax` of all together; the rest is counted. So the first trace of an
 * attack is exact, and its volume fills no disk. Past `limits.auditDenialKeysMax` sources and reasons, newcomers are
 * counted under their type alone.
 */
export class DenialWindow {
  readonly #inFullMax: number;
  readonly #inFullTotalMax: number;
  readonly #keysMax: number;
  #denied = new Map<string, Denied>();
  #others = new Map<AuditType, { first: AuditEvent; count: number }>();
  #inFull = 0;

  constructor(
    bounds: { readonly inFullMax?: number; readonly inFullTotalMax?: number; readonly keysMax?: number } = {},
  ) {
    this.#inFullMax = bounds.inFullMax ?? limits.auditDenialsInFullMax;
    this.#inFullTotalMax = bounds.inFullTotalMax ?? limits.auditDenialsInFullTotalMax;
    this.#keysMax = bounds.keysMax ?? limits.auditDenialKeysMax;
  }

  /** `write`: put it into the log in full, now. `counted`: it will be in the next `flush`. */
  add(event: AuditEvent): 'write' | 'counted' {
    const denied = this.#of(event);
    if (!denied) {
      countOther(this.#others, event);
      return 'counted';
    }
    if (denied.inFull < this.#inFullMax && this.#inFull < this.#inFullTotalMax) {
      denied.inFull++;
      this.#inFull++;
      return 'write';
    }
    denied.first ??= event;
    denied.count += event.count ?? 1;
    return 'counted';
  }

  /** One record for each source and reason that had more than was written in full, and an empty window. */
  flush(): readonly AuditEvent[] {
    const events: AuditEvent[] = [];
    for (const { first, count } of this.#denied.values()) if (first) events.push(summary({ first, count }));
    for (const other of this.#others.values()) events.push(summary(other));
    this.#denied = new Map();
    this.#others = new Map();
    this.#inFull = 0;
    return events;
  }

  #of(event: AuditEvent): Denied | undefined {
    const key = keyOf(event);
    const known = this.#denied.get(key);
    if (known || this.#denied.size >= this.#keysMax) return known;
    const denied: Denied = { first: undefined, inFull: 0, count: 0 };
    this.#denied.set(key, denied);
    return denied;
  }
}

/**
 * A source is an address, or inside the cluster an identity; a reason is a code where there is one. Sentences and
 * whatever else the denied party can vary stay out of the key.
 */
const keyOf = ({ type, sourceIp, identity, code, reasons }: AuditEvent): string =>
  JSON.stringify([type, sourceIp === '' ? identity : sourceIp, code ?? reasons[0]]);
