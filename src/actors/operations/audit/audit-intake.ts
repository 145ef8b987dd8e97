import { limits } from '../../../limits.ts';
import { isDenial } from '../../../protocols/audit/event-type.ts';
import { type AuditPolicy, withoutDetail } from '../../../protocols/audit/level.ts';
import type { AuditEvent } from '../../../protocols/audit/record.ts';
import type { Answer, AuditQueue } from './audit-queue.ts';
import type { AuditWindows } from './audit-windows.ts';

export interface AuditIntakeOptions {
  readonly policy: AuditPolicy;
  readonly windows: AuditWindows;
  readonly queue: AuditQueue;
  /** Whether the log takes everything now; otherwise half of the queue is kept for acts that wait. */
  readonly isHindered: () => boolean;
}

/** What becomes of an event by the log’s policy: a place in the queue, a count in a window, or nothing. */
export class AuditIntake {
  readonly #options: AuditIntakeOptions;

  /** Whether messages that were let through are kept in any way. */
  readonly keepsGrants: boolean;

  constructor(options: AuditIntakeOptions) {
    this.#options = options;
    this.keepsGrants = options.policy.AccessGranted.success !== 'none';
  }

  /** Whether events like this one are kept in any way. */
  isKept({ type, outcome }: AuditEvent): boolean {
    return this.#options.policy[type][outcome] !== 'none';
  }

  /** Whether the event gets a record of its own; otherwise it was counted, or is not kept. */
  isWritten(event: AuditEvent): boolean {
    const { policy, windows } = this.#options;
    const level = policy[event.type][event.outcome];
    if (level === 'none') return false;
    if (level === 'aggregate') return windows.count(event) === 'write';
    return !isDenial(event) || windows.deny(event) === 'write';
  }

  /** Queues an event with who waits for it; false when there is no room. */
  add(event: AuditEvent, answer: Answer): boolean {
    return this.#options.queue.add({ event: this.#reduced(event), answer });
  }

  /** Queues an event that nobody waits for. */
  note(event: AuditEvent): void {
    const { queue, windows, isHindered } = this.#options;
    const hasRoom = !isHindered() || queue.size < limits.auditQueueRecordsMax / 2;
    // Where there is no room for a record of its own it is counted: nothing goes without a trace.
    if (!hasRoom || !queue.add({ event: this.#reduced(event) })) windows.missed(event);
  }

  #reduced(event: AuditEvent): AuditEvent {
    return this.#options.policy[event.type][event.outcome] === 'metadata' ? withoutDetail(event) : event;
  }
}
