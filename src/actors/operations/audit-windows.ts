import { limits } from '../../limits.ts';
import { AuditAggregate, type Tally } from '../../protocols/audit/aggregate.ts';
import { DenialWindow } from '../../protocols/audit/denials.ts';
import type { AuditEvent } from '../../protocols/audit/record.ts';
import type { Clock } from '../kernel/ports.ts';

export interface AuditWindowsOptions {
  readonly clock: Clock;
  /** Whether counts can be written now; otherwise the window goes on until they can, so that nothing piles up. */
  readonly canWrite: () => boolean;
  /** Takes the counts of a window that is over. */
  readonly write: (events: readonly AuditEvent[]) => void;
}

/** What is counted instead of being written each time: repetitions in windows of a minute. */
export class AuditWindows {
  readonly #options: AuditWindowsOptions;
  readonly #aggregate = new AuditAggregate();
  readonly #denials = new DenialWindow();
  #aggregateTimer: unknown;
  #denialTimer: unknown;

  constructor(options: AuditWindowsOptions) {
    this.#options = options;
  }

  /** `write`: this denial is to be written in full, now. */
  deny(event: AuditEvent): 'write' | 'counted' {
    this.#denialTimer ??= this.#after(limits.auditDenialWindowMs, () => this.#endDenials());
    return this.#denials.add(event);
  }

  /** `write`: this event is the first of its kind in its window, to be written in full, now. */
  count(event: AuditEvent): 'write' | 'counted' {
    this.#startAggregate();
    return this.#aggregate.add(event);
  }

  /** Counts what should have been written and had no room. */
  missed(event: AuditEvent): void {
    this.#startAggregate();
    this.#aggregate.missed(event);
  }

  /** The tally of an event that `count` has seen. */
  tally(event: AuditEvent): Tally | undefined {
    return this.#aggregate.tally(event);
  }

  /** Ends all windows now, and their timers: nothing keeps the process alive. */
  end(): void {
    this.#options.clock.clearTimeout(this.#aggregateTimer);
    this.#options.clock.clearTimeout(this.#denialTimer);
    this.#aggregateTimer = undefined;
    this.#denialTimer = undefined;
    this.#options.write([...this.#aggregate.flush(), ...this.#denials.flush()]);
  }

  #startAggregate(): void {
    this.#aggregateTimer ??= this.#after(limits.auditAggregateWindowMs, () => this.#endAggregate());
  }

  #endAggregate(): void {
    this.#aggregateTimer = undefined;
    if (this.#options.canWrite()) this.#options.write(this.#aggregate.flush());
    else this.#startAggregate();
  }

  #endDenials(): void {
    this.#denialTimer = undefined;
    if (this.#options.canWrite()) this.#options.write(this.#denials.flush());
    else this.#denialTimer = this.#after(limits.auditDenialWindowMs, () => this.#endDenials());
  }

  #after(ms: number, end: () => void): unknown {
    return this.#options.clock.setTimeout(end, ms);
  }
}
