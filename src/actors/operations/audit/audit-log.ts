import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type AuditType, classOf } from '../../../protocols/audit/event-type.ts';
import { auditPolicy } from '../../../protocols/audit/level.ts';
import type { AuditEvent, AuditMetadata, AuditRecord, Outcome } from '../../../protocols/audit/record.ts';
import type { AuditHead, AuditPart, AuditVerification } from '../control.ts';
import { AuditBatches, everything, isClassA } from './audit-batches.ts';
import { type AuditDraft, type AuditPlace, eventOf } from './audit-draft.ts';
import { AuditFile, type Repair } from './audit-file.ts';
import { asError, asResult } from './audit-folder-error.ts';
import { AuditIntake } from './audit-intake.ts';
import type { AuditLogOptions, AuditMode } from './audit-log-options.ts';
import { AuditQueue, type Entry } from './audit-queue.ts';
import { AuditReader } from './audit-reader.ts';
import { AuditReserve } from './audit-reserve.ts';
import { rootText, verifyLog } from './audit-verification.ts';
import { AuditWindows } from './audit-windows.ts';

const notKept: Result<AuditPlace> = ok({ sequence: 0 });
/**
 * The audit log of a node: sealed segments of records under one Merkle tree. One object for the node’s whole life; its
 * writer (`audit-writer.ts`) opens it, writes and closes, one act at a time, and may be restarted in between.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #file: AuditFile;
  readonly #reserve: AuditReserve;
  readonly #queue: AuditQueue;
  readonly #batches: AuditBatches;
  readonly #windows: AuditWindows;
  readonly #intake: AuditIntake;
  /** What is durable, for whoever reads the log: verification, proofs, forwarding. */
  readonly reader: AuditReader;
  #mode: AuditMode = 'opening';
  #blocked: Refusal = refuse('AUDIT_BLOCKED', 'The audit log cannot be written.').refusal;
  /** What kept it from writing everything, until the log itself says so. */
  #hindrance: 'sparing' | 'blocked' | undefined;
  #repair: Repair | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Called when the head or the mode has changed. They must not throw. */
  readonly listeners: Set<() => void> = new Set();

  constructor(options: AuditLogOptions) {
    const { disk, clock, crypto, folder, vault, policy, queueRecordsMax: recordsMax } = options;
    this.#options = options;
    this.#file = new AuditFile({
      ...options,
      now: () => clock.now(),
      onLeaves: (first, hashes) => this.reader.remember(first, hashes),
    });
    this.#reserve = new AuditReserve(disk, crypto, folder);
    this.#queue = new AuditQueue(
      clock,
      { recordsMax: recordsMax ?? limits.auditQueueRecordsMax, waitMsMax: limits.auditWaitMsMax },
      refuse('AUDIT_BLOCKED', 'The audit log was not ready in time.').refusal,
    );
    this.#batches = new AuditBatches({
      file: this.#file,
      queue: this.#queue,
      reserve: this.#reserve,
      folder,
      lost: (error) => this.#ownEvent('SupervisionEvent', error.message, {}, 'failure'),
    });
    this.#windows = new AuditWindows({
      clock,
      canWrite: () => ['writing', 'rotating', 'opening'].includes(this.#mode),
      write: (events) => this.#batches.summarise(events),
    });
    this.#intake = new AuditIntake({
      policy: policy ?? auditPolicy(),
      windows: this.#windows,
      queue: this.#queue,
      isHindered: () => this.#mode === 'sparing' || this.#mode === 'blocked',
    });
    this.reader = new AuditReader({ disk, folder, vault, committed: () => this.#file.committed });
  }

  /** Whether it was ever open in this process. */
  get wasOpened(): boolean {
    return this.#file.committed !== undefined;
  }

  /** Whether there is room kept for class A on a full disk. */
  get holdsReserve(): boolean {
    return this.#reserve.isHeld;
  }

  /**
   * Resolves with the record’s place once it is durable: act only then. While the writer opens, rotates or restarts it
   * waits, at most `limits.auditWaitMsMax`; AUDIT_BLOCKED when the log cannot be written or too many wait. What the
   * policy only counts, and a denial (`classOf`) past the first ones of its source, resolves at once.
   */
  record(fact: AuditDraft): Promise<Result<AuditPlace>> {
    const event = this.#event(fact);
    const isA = classOf(event.type) === 'A';
    if (this.#mode === 'closed' || (this.#mode === 'blocked' && this.#intake.isKept(event))) {
      // What was denied stays denied, so its record need not: it is written once the log recovers.
      if (!isA) this.note(fact);
      this.#batches.refused += 1;
      return Promise.resolve({ ok: false, refusal: this.#blocked });
    }
    if (!this.#intake.isWritten(event)) return Promise.resolve(notKept);
    if (!isA && this.#mode === 'sparing') {
      this.#intake.note(event);
      return Promise.resolve(notKept);
    }
    return new Promise((settle, fail) => {
      const sinceMs = this.#options.clock.monotonic();
      if (!this.#intake.add(event, { settle, fail, sinceMs }))
        settle(refuse('AUDIT_BLOCKED', 'Too many records wait to be written.'));
    });
  }

  /** Takes note without making anybody wait: counted in windows (repetitions, denials), or written soon. */
  note(fact: AuditDraft): void {
    const event = this.#event(fact);
    if (this.#mode !== 'closed' && this.#intake.isWritten(event)) this.#intake.note(event);
  }

  /**
   * Notes that a message was let through. Called for each message: where its like was noted in this window, it is
   * counted, and `fact` is not asked.
   */
  grant(sender: string, receiver: string, operation: string, fact: () => AuditDraft): void {
    if (!this.#intake.keepsGrants || this.#windows.countGrant(sender, receiver, operation)) return;
    const event = this.#event(fact());
    if (this.#mode === 'closed' || !this.#intake.isWritten(event)) return;
    this.#intake.note(event);
    this.#windows.rememberGrant(sender, receiver, operation, event);
  }

  /** As `record`, for what the log has to say of itself. */
  recordOwn(type: AuditType, reason: string, metadata: AuditMetadata): Promise<Result<AuditPlace>> {
    const { at, nodeId, ...fact } = this.#ownEvent(type, reason, metadata);
    return this.record({ ...fact, at });
  }

  /** The newest durable record, and what the writer is doing. */
  head(): AuditHead {
    const { sequence, range } = this.reader.head();
    return { state: this.#mode, sequence, hash: rootText(range) };
  }

  /** The newest durable records, or those from number `first` on; oldest first, at most `limits.apiRecordsMax`. */
  async tail(limit: number, first?: number): Promise<Result<readonly AuditRecord[]>> {
    return asResult(this.#options.folder, () =>
      this.reader.page(Math.min(Math.trunc(limit), limits.apiRecordsMax), first),
    );
  }

  /** Reads all segments again and checks them against the tree and the head that this process knows. */
  async verify(part?: AuditPart): Promise<Result<AuditVerification>> {
    return asResult(this.#options.folder, () => verifyLog(this.#options, this.#file.committed, part));
  }

  /** For the writer: what it is doing. `blocked` and `closed` refuse everybody who waits; `error` says why. */
  setMode(mode: AuditMode, error?: unknown): void {
    this.#mode = mode;
    if (mode === 'blocked' || mode === 'closed') {
      const why = error === undefined ? ['The audit log is closed.'] : asError(error, this.#options.folder).reasons;
      this.#blocked = refuse('AUDIT_BLOCKED', 'The audit log cannot be written.', ...why).refusal;
      this.#batches.refused += this.#queue.refuse(this.#blocked);
    }
    if (mode === 'blocked' || mode === 'sparing') this.#hindrance = mode;
    if (mode === 'closed') this.#windows.end();
    this.#tellHead();
  }

  /** For the writer: finds the end of the log and opens it. Rejects when it cannot be trusted or written. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        await this.#openFile();
        // A log without a reserve is one that blocks a little sooner.
        await this.#reserve.take();
      } catch (error) {
        throw asError(error, this.#options.folder);
      }
    });
  }

  /** For the writer: writes what comes until the signal aborts or a new segment is due. Rejects when the disk refuses. */
  write(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      // A segment that is due and cannot be begun keeps the log blocked: until it is, nothing has recovered.
      if (!this.#file.isDue) await this.#tellRecovery();
      while (!signal.aborted && !this.#file.isDue) {
        if (!(await this.#writeNext(everything))) await this.#queue.changed(signal);
      }
    });
  }

  /** For the writer, on a full disk: writes class A alone into the reserve until there is room again. Rejects as `write`. */
  spare(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    return this.#inTurn(async () => {
      await this.#reserve.give();
      await this.#openFile();
      for (let lookAt = clock.monotonic() + limits.auditReserveRetryMs; !signal.aborted; ) {
        if (await this.#writeNext(isClassA)) continue;
        if (clock.monotonic() >= lookAt) {
          if (await this.#reserve.takeAgain()) return;
          lookAt = clock.monotonic() + limits.auditReserveRetryMs;
        }
        const timer = clock.setTimeout(() => this.#queue.wake(), lookAt - clock.monotonic());
        await this.#queue.changed(signal);
        clock.clearTimeout(timer);
      }
    });
  }

  /** For the writer: goes on in a new segment file, and takes the reserve for which there was no room before. */
  rotate(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#file.rotate();
      await this.#reserve.take();
    });
  }

  /** For the writer: writes what still waits, counts included, and closes the file. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#windows.end();
      try {
        while (this.#file.isOpen && (await this.#writeNext(everything)));
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

  async #openFile(): Promise<void> {
    const isFirst = !this.wasOpened;
    // Kept until it is said: the disk may take the cut and not the record of it.
    this.#repair = (await this.#file.open()) ?? this.#repair;
    if (isFirst) this.#noteVaultKey();
    if (!this.#repair) return;
    const { path, cutBytes, reason } = this.#repair;
    await this.#commitOwn('AuditRepaired', reason, { file: path, cutBytes });
    this.#repair = undefined;
  }

  /** A ring that was rotated while the node was down, or that only a start reads. */
  #noteVaultKey(): void {
    const { currentId: key, ids } = this.#options.vault();
    const { opened, blocks } = this.#file.committed!;
    if (blocks === 0 || opened.lock.vaultKey === key) return;
    this.note(this.#ownEvent('VaultKeyRotated', 'The vault’s current key is another one.', { key, held: ids.length }));
  }

  /** A log that was blocked, or lived on its reserve, says so once it can. */
  async #tellRecovery(): Promise<void> {
    const hindrance = this.#hindrance;
    if (!hindrance) return;
    const { refused } = this.#batches;
    const reason = `The log was ${hindrance} and can be written again.`;
    await this.#commitOwn('AuditRecovered', reason, { hindrance, refused });
    this.#hindrance = undefined;
    this.#batches.refused -= refused;
  }

  async #writeNext(accepts: (entry: Entry) => boolean): Promise<boolean> {
    const wrote = await this.#batches.writeNext(accepts);
    if (wrote) this.#tellHead();
    return wrote;
  }

  async #commitOwn(...own: Parameters<AuditLog['recordOwn']>): Promise<void> {
    // Not by way of the batches: what fails here is said again at the next attempt, and must not wait as well.
    await this.#file.commit([this.#ownEvent(...own)]);
    this.#tellHead();
  }

  #event(fact: AuditDraft): AuditEvent {
    return eventOf(fact, this.#options.nodeId, this.#options.clock.now());
  }

  #ownEvent(type: AuditType, reason: string, metadata: AuditMetadata, outcome: Outcome = 'success'): AuditEvent {
    const identity = `node/${this.#options.nodeId}`;
    return this.#event({ type, identity, sourceIp: '', outcome, reasons: [reason], metadata });
  }

  #tellHead(): void {
    for (const listener of this.listeners) listener();
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
