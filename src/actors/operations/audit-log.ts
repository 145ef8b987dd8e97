import { join } from 'node:path';
import { sha256 } from '../../crypto/port.ts';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { AuditAggregate } from '../../protocols/audit/aggregate.ts';
import { type ChainState, chainAppend, chainStart } from '../../protocols/audit/chain.ts';
import { DenialWindow } from '../../protocols/audit/denials.ts';
import { classOf } from '../../protocols/audit/event-type.ts';
import type { AuditEvent, AuditRecord } from '../../protocols/audit/record.ts';
import type { AppendFile, Clock, Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import { lastRecords, openLastSegment, segmentName, verifySegments } from './audit-segments.ts';
import type { AuditHead, AuditVerification } from './control.ts';

/** An event as those who cause it know it; the log adds when and where. */
export type AuditDraft = Omit<AuditEvent, 'at' | 'nodeId'>;

/** What the writer’s chart is told. */
export type AuditSignal = { readonly type: 'audit.failed'; readonly error: unknown } | { readonly type: 'audit.full' };

export interface AuditLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly nodeId: string;
  /** Files 0600 in a folder 0700. */
  readonly folder: string;
}

type Mode = 'closed' | 'opening' | 'writing' | 'blocked';

interface Waiting {
  readonly event: AuditEvent;
  /** Absent where nobody waits. */
  readonly done?: (result: Result<AuditHead>) => void;
}

const flushMs = 1_000;

/**
 * The audit log: JSON lines, each with the hash of the line before. Records that somebody waits for share one sync
 * (group commit). While it cannot be written, acts that must be recorded are refused with AUDIT_BLOCKED.
 */
export class AuditLog {
  readonly #options: AuditLogOptions;
  readonly #aggregate = new AuditAggregate();
  readonly #denials = new DenialWindow();
  #waiting: Waiting[] = [];
  #mode: Mode = 'closed';
  #file: AppendFile | undefined;
  #chain: ChainState = chainStart;
  #pumping: Promise<void> = Promise.resolve();
  #busy = false;
  #timer: unknown;
  #lost = 0;
  /** Set by the writer’s chart. */
  signal: (signal: AuditSignal) => void = () => {};
  /** The head moved. */
  onHead: (head: AuditHead) => void = () => {};

  constructor(options: AuditLogOptions) {
    this.#options = options;
  }

  /** Class A: resolves when the record survives a power cut; AUDIT_BLOCKED when it cannot be written. */
  record(draft: AuditDraft): Promise<Result<AuditHead>> {
    const refusal = this.#cannotTake();
    if (refusal) return Promise.resolve({ ok: false, refusal });
    return new Promise((done) => {
      this.#waiting.push({ event: this.#stamp(draft), done });
      this.#pump();
    });
  }

  /** For what nobody waits for: grants are counted, denials written first and then counted, the rest is queued. */
  note(draft: AuditDraft): void {
    const kind = classOf(draft.type);
    const event = this.#stamp(draft);
    if (kind === 'B') this.#aggregate.add(event);
    else if (kind === 'A' || this.#denials.add(event) === 'write') this.#queue(event);
  }

  head(): AuditHead {
    return { state: this.#mode, sequence: this.#chain.seq, hash: this.#chain.hash };
  }

  async tail(limit: number): Promise<Result<readonly AuditRecord[]>> {
    return this.#reading(() => lastRecords(this.#options.disk, this.#options.folder, limit));
  }

  /** Reads everything again and follows the chain; the answer names the first record that does not fit. */
  async verify(): Promise<Result<AuditVerification>> {
    await this.#pumping;
    const head = this.#chain;
    return this.#reading(() => verifySegments(this.#options.disk, this.#options.folder, head));
  }

  /** Opens or reopens: finds the end of the chain, cuts a torn record and says so. Throws MALFORMED for damage. */
  async open(): Promise<void> {
    const { disk, folder, clock } = this.#options;
    this.#mode = 'opening';
    await this.#closeFile();
    await disk.makeFolder(folder, 0o700);
    const last = await openLastSegment(disk, folder);
    this.#chain = last?.chain ?? chainStart;
    this.#file = await disk.openAppend(last?.path ?? join(folder, segmentName(1)), 0o600);
    if (last && last.tornBytes > 0) await this.#file.truncate(last.wholeBytes);
    this.#mode = 'writing';
    if (last && last.tornBytes > 0) this.#repaired(last.tornBytes);
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#tick(), flushMs);
    this.#pump();
  }

  /** Begins the next segment. */
  async rotate(): Promise<void> {
    const { disk, folder } = this.#options;
    this.#mode = 'opening';
    await this.#pumping;
    await this.#closeFile();
    this.#file = await disk.openAppend(join(folder, segmentName(this.#chain.seq + 1)), 0o600);
    this.#mode = 'writing';
    this.#pump();
  }

  /** Writes what waits and closes. What comes afterwards is refused. */
  async close(): Promise<void> {
    this.#options.clock.clearTimeout(this.#timer);
    this.#flush();
    await this.#pumping;
    this.#mode = 'closed';
    this.#refuseWaiting();
    await this.#closeFile();
  }

  #cannotTake(): Refusal | undefined {
    if (this.#mode === 'blocked')
      return refuse('AUDIT_BLOCKED', 'The audit log cannot be written now, so acts that must be recorded are refused.')
        .refusal;
    if (this.#waiting.length >= limits.auditQueueRecordsMax)
      return refuse('AUDIT_BLOCKED', `${limits.auditQueueRecordsMax} records wait to be written already.`).refusal;
    return undefined;
  }

  #stamp(draft: AuditDraft): AuditEvent {
    return { ...draft, at: this.#options.clock.now(), nodeId: this.#options.nodeId };
  }

  #queue(event: AuditEvent): void {
    if (this.#waiting.length >= limits.auditQueueRecordsMax) {
      this.#lost++;
      return;
    }
    this.#waiting.push({ event });
    this.#pump();
  }

  #repaired(bytes: number): void {
    this.note({
      type: 'AuditRepaired',
      identity: 'audit-writer',
      sourceIp: '',
      outcome: 'success',
      reasons: ['A record that a crash had cut was removed; nobody had been told that it was kept.'],
      metadata: { bytes },
    });
  }

  #tick(): void {
    this.#flush();
    this.#timer = this.#options.clock.setTimeout(() => this.#tick(), flushMs);
  }

  #flush(): void {
    for (const event of [...this.#aggregate.flush(), ...this.#denials.flush()]) this.#queue(event);
    if (this.#lost === 0 || this.#mode !== 'writing') return;
    const lost = this.#lost;
    this.#lost = 0;
    this.#queue(
      this.#stamp({
        type: 'SupervisionEvent',
        identity: 'audit-writer',
        sourceIp: '',
        outcome: 'failure',
        reasons: ['Records that nobody waited for were dropped, because too many were waiting.'],
        metadata: { lost },
      }),
    );
  }

  #pump(): void {
    if (this.#busy || this.#mode !== 'writing' || this.#waiting.length === 0) return;
    this.#busy = true;
    this.#pumping = this.#writeWaiting().finally(() => {
      this.#busy = false;
      this.#pump();
    });
  }

  async #writeWaiting(): Promise<void> {
    const batch = this.#waiting.splice(0, limits.auditBatchRecordsMax);
    const file = this.#file!;
    const before = file.bytes;
    let chain = this.#chain;
    const lines: Uint8Array[] = [];
    for (const { event } of batch) {
      const next = chainAppend(chain, event, sha256, utf8);
      chain = next.state;
      lines.push(next.line, lineBreak);
    }
    try {
      await file.append(Buffer.concat(lines));
      await file.sync();
    } catch (error) {
      // What was not synced was never answered as kept, so it is cut off again; a reopening does it if this cannot.
      await file.truncate(before).catch(() => {});
      this.#block(batch, error);
      return;
    }
    this.#chain = chain;
    const head = this.head();
    for (const { done } of batch) done?.(ok(head));
    this.onHead(head);
    if (file.bytes >= limits.auditSegmentBytesMax) this.signal({ type: 'audit.full' });
  }

  #block(batch: readonly Waiting[], error: unknown): void {
    this.#mode = 'blocked';
    this.#waiting = [...batch, ...this.#waiting];
    this.#refuseWaiting();
    this.signal({ type: 'audit.failed', error });
  }

  /** Whoever waits is told; records without a waiter stay for when the log can be written again. */
  #refuseWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ done }) => done === undefined);
    const refused = refuse('AUDIT_BLOCKED', 'The audit log cannot be written, so the act was not carried out.');
    for (const { done } of waiting) done?.(refused);
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close().catch(() => {});
  }

  async #reading<T>(read: () => Promise<T>): Promise<Result<T>> {
    try {
      return ok(await read());
    } catch (error) {
      return refuse('FILE_UNREADABLE', `The audit log cannot be read: ${(error as Error).message}.`);
    }
  }
}

const lineBreak = new Uint8Array([0x0a]);
