import { limits } from '../../../limits.ts';
import { AuditAggregate } from '../../../protocols/audit/aggregate.ts';
import { DenialWindow } from '../../../protocols/audit/denials.ts';
import { GrantTallies } from '../../../protocols/audit/grants.ts';
import type { AuditEvent } from '../../../protocols/audit/record.ts';
import type { Clock } from '../../kernel/ports.ts';

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
  readonly #grants = new GrantTallies();
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

  /** Counts a grant that the window knows; false when `count` has to be told of it. For the path of a message. */
  countGrant(sender: string, receiver: string, operation: string): boolean {
    return this.#grants.count(sender, receiver, operation);
  }

  /** From now on `countGrant` knows this grant, if the window has room for it. */
  rememberGrant(sender: string, receiver: string, operation: string, event: AuditEvent): void {
    const tally = this.#aggregate.tally(event);
    if (tally) this.#grants.remember(sender, receiver, operation, tally);
  }

  /** Ends all windows now, and their timers: nothing keeps the process alive. */
  end(): void {
    this.#options.clock.clearTimeout(this.#aggregateTimer);
    this.#options.clock.clearTimeout(this.#denialTimer);
    this.#aggregateTimer = undefined;
    this.#denialTimer = undefined;
    this.#options.write([...this.#flushAggregate(), ...this.#denials.flush()]);
  }

  #startAggregate(): void {
    this.#aggregateTimer ??= this.#after(limits.auditAggregateWindowMs, () => this.#endAggregate());
  }

  #endAggregate(): void {
    this.#aggregateTimer = undefined;
    if (this.#options.canWrite()) this.#options.write(this.#flushAggregate());
    else this.#startAggregate();
  }

  #flushAggregate(): readonly AuditEvent[] {
    this.#grants.clear();
    return this.#aggregate.flush();
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
