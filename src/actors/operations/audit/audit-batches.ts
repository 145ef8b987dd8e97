import { ok, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { classOf } from '../../../protocols/audit/event-type.ts';
import type { AuditEvent } from '../../../protocols/audit/record.ts';
import { type AuditFile, UnwritableEvent } from './audit-file.ts';
import { asError } from './audit-folder-error.ts';
import type { AuditQueue, Entry } from './audit-queue.ts';
import { type AuditReserve, isDiskFull } from './audit-reserve.ts';

export interface AuditBatchesOptions {
  readonly file: AuditFile;
  readonly queue: AuditQueue;
  readonly reserve: AuditReserve;
  readonly folder: string;
  /** The event that stands for one that could not be written. */
  readonly lost: (error: UnwritableEvent) => AuditEvent;
}

/** Any entry. */
export const everything = (): boolean => true;
/** Entries whose acts wait for them to be durable. */
export const isClassA = ({ event }: Entry): boolean => classOf(event.type) === 'A';

/** Takes entries from the queue, makes them durable in batches, and answers who waits. For one writer. */
export class AuditBatches {
  readonly #options: AuditBatchesOptions;
  /** Counted events whose window is over, to be written before anything else. */
  #summaries: Entry[] = [];
  /** Acts that were refused because their record could not be made durable. */
  refused = 0;

  constructor(options: AuditBatchesOptions) {
    this.#options = options;
  }

  /** Events that are written before what waits in the queue. */
  summarise(events: readonly AuditEvent[]): void {
    for (const event of events) this.#summaries.push({ event });
    this.#options.queue.wake();
  }

  /** Writes one batch of what `accepts` takes; false when nothing of it waits. */
  async writeNext(accepts: (entry: Entry) => boolean): Promise<boolean> {
    const count = limits.auditBatchRecordsMax;
    const batch = accepts === everything ? this.#summaries.splice(0, count) : [];
    batch.push(...this.#options.queue.take(count - batch.length, accepts));
    if (batch.length === 0) return false;
    await this.#commit(batch);
    return true;
  }

  /** Makes entries durable, in as many blocks as they need. Rejects when the disk refuses; the rest is answered then. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    const { file } = this.#options;
    for (let rest = entries; rest.length > 0; ) {
      const before = file.committed?.range.size ?? 0;
      let count: number;
      try {
        count = await file.commit(rest.map(({ event }) => event));
      } catch (error) {
        if (!(error instanceof UnwritableEvent)) throw this.#failed(rest, error);
        rest = this.#without(error, rest);
        continue;
      }
      for (let i = 0; i < count; i++) rest[i]!.answer?.settle(ok({ sequence: before + i + 1 }));
      rest = rest.slice(count);
    }
  }

  /** What becomes of a batch that the disk did not take. Acts go on waiting when the reserve may still help them. */
  #failed(entries: readonly Entry[], error: unknown): unknown {
    const { queue, reserve, folder } = this.#options;
    const mayHelp = isDiskFull(error) && reserve.isHeld;
    const waitsOn = (entry: Entry): boolean => !entry.answer || (mayHelp && isClassA(entry));
    queue.putBack(entries.filter(waitsOn));
    const reasons = asError(error, folder).reasons;
    const { refusal } = refuse('AUDIT_BLOCKED', 'The record could not be made durable.', ...reasons);
    for (const entry of entries) {
      if (!entry.answer || waitsOn(entry)) continue;
      this.refused += 1;
      entry.answer.settle({ ok: false, refusal });
    }
    return error;
  }

  /** A bug in one event must not keep all others from being recorded: it goes back to its maker, or into the log. */
  #without(error: UnwritableEvent, entries: readonly Entry[]): readonly Entry[] {
    const { index } = error;
    const { answer } = entries[index]!;
    answer?.fail(error);
    return answer ? entries.toSpliced(index, 1) : entries.with(index, { event: this.#options.lost(error) });
  }
}
