import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { AuditAggregate } from '../../protocols/audit/aggregate.ts';
import type { ChainState } from '../../protocols/audit/chain.ts';
import { DenialWindow } from '../../protocols/audit/denials.ts';
import { classOf } from '../../protocols/audit/event-type.ts';
import type { AuditEvent, AuditRecord } from '../../protocols/audit/record.ts';
import type { Clock, Disk } from '../kernel/ports.ts';
import { AuditFile, asError, UnwritableEvent } from './audit-file.ts';
import { AuditQueue, type Entry } from './audit-queue.ts';
import type { AuditHead, AuditVerification } from './control.ts';

/** An event as its witness tells it. `at` defaults to now; the node is always the log’s own. */
export type AuditDraft = Omit<AuditEvent, 'at' | 'nodeId'> & { readonly at?: number };

export type AuditMode = 'opening' | 'writing' | 'rotating' | 'blocked' | 'closing' | 'closed';

export interface AuditLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly nodeId: string;
  /** Made when it is not there; files `audit-<first record>.jsonl`, mode 0600. */
  readonly folder: string;
  /** Records that may wait; default `limits.auditQueueRecordsMax`. */
  readonly queueRecordsMax?: number;
}

const latestTimeMs = Date.UTC(9999, 11, 31);

/**
 * The audit log of a node: JSON lines, each with the hash of the line before. One object for the node’s whole life; its
 * writer (`audit-writer.ts`) opens it, writes and closes, one act at a time, and may be restarted in between.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #recordsMax: number;
  readonly #file: AuditFile;
  readonly #queue: AuditQueue;
  readonly #aggregate = new AuditAggregate();
  readonly #denials = new DenialWindow();
  #mode: AuditMode = 'opening';
  #blocked: Refusal = refuse('AUDIT_BLOCKED', 'The audit log cannot be written.').refusal;
  /** Counted events whose window is over, to be written before anything else. */
  #summaries: Entry[] = [];
  #aggregateTimer: unknown;
  #denialTimer: unknown;
  #turn: Promise<unknown> = Promise.resolve();
  /** Called when the head or the mode has changed. Must not throw. */
  onHead: (head: AuditHead) => void = () => {};

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#recordsMax = options.queueRecordsMax ?? limits.auditQueueRecordsMax;
    this.#file = new AuditFile(options.disk, options.folder);
    this.#queue = new AuditQueue(
      options.clock,
      { recordsMax: this.#recordsMax, waitMsMax: limits.auditWaitMsMax },
      refuse('AUDIT_BLOCKED', 'The audit log was not ready in time.').refusal,
    );
  }

  /** Whether it was ever open in this process. */
  get wasOpened(): boolean {
    return this.#file.wasOpened;
  }

  /**
   * Resolves with the record’s place once it is durable: act only then. While the writer opens, rotates or restarts it
   * waits, at most `limits.auditWaitMsMax`; AUDIT_BLOCKED when the log cannot be written or too many wait.
   *
   * A denial (`classOf`) past the first ones of its source is counted instead and resolves at once: strangers cause
   * those and must not be able to fill the disk.
   */
  record(fact: AuditDraft): Promise<Result<AuditHead>> {
    const event = this.#event(fact);
    if (this.#mode === 'blocked' || this.#mode === 'closed') {
      // What was denied stays denied, so its record need not: it is written once the log recovers.
      if (classOf(event.type) === 'denial') this.note(fact);
      return Promise.resolve({ ok: false, refusal: this.#blocked });
    }
    if (classOf(event.type) === 'denial' && this.#countDenial(event)) return Promise.resolve(ok(this.head()));
    return new Promise((settle, fail) => {
      const sinceMs = this.#options.clock.monotonic();
      if (!this.#queue.add({ event, answer: { settle, fail, sinceMs } }))
        settle(refuse('AUDIT_BLOCKED', `More than ${this.#recordsMax} records wait to be written.`));
    });
  }

  /** Takes note without making anybody wait: counted in windows (class B, repeated denials), or written soon. */
  note(fact: AuditDraft): void {
    const event = this.#event(fact);
    if (this.#mode === 'closed') return;
    const kind = classOf(event.type);
    if (kind === 'denial' && this.#countDenial(event)) return;
    // Where there is no room for a record of its own it is counted: nothing goes without a trace.
    if (kind === 'B' || !this.#queue.add({ event })) this.#count(event);
  }

  /** The newest durable record, and what the writer is doing. */
  head(): AuditHead {
    return this.#headAt(this.#file.head);
  }

  /** The newest durable records, oldest first; at most `limits.apiRecordsMax`. */
  tail(limit: number): Promise<Result<readonly AuditRecord[]>> {
    return this.#file.tail(Math.max(0, Math.min(Math.trunc(limit), limits.apiRecordsMax)));
  }

  /** Reads all files again and checks the chain up to the head that this process knows. */
  verify(): Promise<Result<AuditVerification>> {
    return this.#file.verify();
  }

  /** For the writer: what it is doing. `blocked` and `closed` refuse everybody who waits; `error` says why. */
  setMode(mode: AuditMode, error?: unknown): void {
    this.#mode = mode;
    if (mode === 'blocked' || mode === 'closed') {
      const why = error === undefined ? ['The audit log is closed.'] : asError(error, this.#options.folder).reasons;
      this.#blocked = refuse('AUDIT_BLOCKED', 'The audit log cannot be written.', ...why).refusal;
      this.#queue.refuse(this.#blocked);
    }
    if (mode === 'closed') this.#endWindows();
    this.#tellHead();
  }

  /** For the writer: finds the end of the log and opens it. Rejects when it cannot be trusted or written. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      const repair = await this.#file.open();
      if (!repair) return;
      const { path, cutBytes, reason } = repair;
      await this.#commit([{ event: this.#ownEvent('AuditRepaired', 'success', reason, { file: path, cutBytes }) }]);
    });
  }

  /** For the writer: writes what comes until the signal aborts or the segment is full. Rejects when the disk refuses. */
  write(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      while (!signal.aborted && !this.#file.isFull) {
        if (!(await this.#writeNext())) await this.#queue.changed(signal);
      }
    });
  }

  /** For the writer: goes on in a new segment file. */
  rotate(): Promise<void> {
    return this.#inTurn(() => this.#file.rotate());
  }

  /** For the writer: writes what still waits, counts included, and closes the file. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#endWindows();
      try {
        if (this.#file.isOpen) {
          while (await this.#writeNext());
        }
      } finally {
        await this.#file.close();
      }
    });
  }

  /** After the writer’s end, however it ended: what it left is written, the file closed, and nobody waits any more. */
  async end(): Promise<void> {
    if (this.#mode === 'closed') return;
    // What the disk refuses is refused to whoever waits for it.
    await this.close().catch(() => undefined);
    this.setMode('closed');
  }

  /** Writes one batch; false when nothing waits. */
  async #writeNext(): Promise<boolean> {
    const count = limits.auditBatchRecordsMax;
    const batch = this.#summaries.slice(0, count);
    this.#summaries = this.#summaries.slice(count);
    batch.push(...this.#queue.take(count - batch.length));
    if (batch.length === 0) return false;
    await this.#commit(batch);
    return true;
  }

  async #commit(entries: readonly Entry[]): Promise<void> {
    let states: readonly ChainState[];
    try {
      states = await this.#file.commit(entries.map(({ event }) => event));
    } catch (error) {
      if (error instanceof UnwritableEvent) return this.#commitWithout(error, entries);
      this.#queue.putBack(entries.filter(({ answer }) => !answer));
      const reasons = asError(error, this.#options.folder).reasons;
      const { refusal } = refuse('AUDIT_BLOCKED', 'The record could not be made durable.', ...reasons);
      for (const { answer } of entries) answer?.settle({ ok: false, refusal });
      throw error;
    }
    for (const [index, { answer }] of entries.entries()) answer?.settle(ok(this.#headAt(states[index]!)));
    this.#tellHead();
  }

  /** A bug in one event must not keep all others from being recorded: it goes back to its maker, or into the log. */
  async #commitWithout(error: UnwritableEvent, entries: readonly Entry[]): Promise<void> {
    const { index } = error;
    const { answer } = entries[index]!;
    answer?.fail(error);
    const lost: Entry = { event: this.#ownEvent('SupervisionEvent', 'failure', error.message, {}) };
    const rest = answer ? entries.toSpliced(index, 1) : entries.with(index, lost);
    if (rest.length > 0) await this.#commit(rest);
  }

  #event(fact: AuditDraft): AuditEvent {
    const event = { ...fact, at: fact.at ?? this.#options.clock.now(), nodeId: this.#options.nodeId };
    // Here, where the caller is to blame, and not in the writer, which everybody needs.
    if (!(event.at >= 0 && event.at <= latestTimeMs))
      throw new RangeError(`not a time for an audit record: ${event.at}`);
    return event;
  }

  /** Whether the denial was counted; otherwise it is to be written in full. */
  #countDenial(event: AuditEvent): boolean {
    this.#denialTimer ??= this.#options.clock.setTimeout(() => this.#endDenials(), limits.auditDenialWindowMs);
    return this.#denials.add(event) === 'counted';
  }

  #count(event: AuditEvent): void {
    this.#aggregateTimer ??= this.#options.clock.setTimeout(() => this.#endAggregate(), limits.auditAggregateWindowMs);
    this.#aggregate.add(event);
  }

  #endWindows(): void {
    const { clock } = this.#options;
    clock.clearTimeout(this.#aggregateTimer);
    clock.clearTimeout(this.#denialTimer);
    this.#endAggregate();
    this.#endDenials();
  }

  #endAggregate(): void {
    this.#aggregateTimer = undefined;
    this.#summarise(this.#aggregate);
  }

  #endDenials(): void {
    this.#denialTimer = undefined;
    this.#summarise(this.#denials);
  }

  #summarise(window: AuditAggregate | DenialWindow): void {
    this.#summaries.push(...window.flush().map((event) => ({ event })));
    this.#queue.wake();
  }

  #ownEvent(
    type: AuditDraft['type'],
    outcome: AuditDraft['outcome'],
    reason: string,
    metadata: AuditDraft['metadata'],
  ): AuditEvent {
    const identity = `node/${this.#options.nodeId}`;
    return this.#event({ type, identity, sourceIp: '', outcome, reasons: [reason], metadata });
  }

  #headAt({ seq, hash }: ChainState): AuditHead {
    return { state: this.#mode, sequence: seq, hash };
  }

  #tellHead(): void {
    this.onHead(this.head());
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
