import { sha256 } from '../../crypto/port.ts';
import { CaxtonError, ok, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type ChainState, chainAppend, chainStart } from '../../protocols/audit/chain.ts';
import { type AuditEvent, type AuditRecord, readAuditLine } from '../../protocols/audit/record.ts';
import type { AppendFile, Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import { listSegments, newestRecords, readFile, readSegment, type Segment, segmentAt } from './audit-segment.ts';
import type { AuditVerification } from './control.ts';

/** What is durable: nothing behind it counts. */
interface Committed {
  readonly segment: Segment;
  readonly bytes: number;
  readonly state: ChainState;
}

/** What opening had to cut off, and why. */
export interface Repair {
  readonly path: string;
  readonly cutBytes: number;
  readonly reason: string;
}

/**
 * The segment files of one audit log and the chain through them. Rejects with CaxtonErrors and the disk’s own errors;
 * after any of them only `open` may follow. One act at a time, except reads, which see what is durable.
 */
export class AuditFile {
  readonly #disk: Disk;
  readonly #folder: string;
  #file: AppendFile | undefined;
  #committed: Committed | undefined;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#folder = folder;
  }

  /** The chain’s durable end. */
  get head(): ChainState {
    return this.#committed?.state ?? chainStart;
  }

  get wasOpened(): boolean {
    return this.#committed !== undefined;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  get isFull(): boolean {
    return (this.#committed?.bytes ?? 0) >= limits.auditSegmentBytesMax;
  }

  /**
   * Finds the end of the log, checks its newest segment and opens that for appending. Cut off and returned as a
   * repair: half a line that a crash left, and what an earlier `commit` of this process wrote without success.
   * MALFORMED when the chain is broken or its known end is gone: that is no accident, and a person must look at it.
   */
  async open(): Promise<Repair | undefined> {
    await this.close();
    await this.#disk.makeFolder(this.#folder, 0o700);
    const found = await this.#find();
    const file = await this.#disk.openAppend(found.segment.path, 0o600);
    this.#file = file;
    const cutBytes = file.bytes - found.bytes;
    if (cutBytes > 0) await file.truncate(found.bytes);
    await file.sync();
    const failed = this.#committed !== undefined;
    this.#committed = found;
    if (cutBytes <= 0) return undefined;
    const reason = failed
      ? 'Records that could not be made durable were cut off; the acts behind them were refused.'
      : 'The last line was not complete, as a crash leaves it, and was cut off.';
    return { path: found.segment.path, cutBytes, reason };
  }

  /**
   * Appends events as one durable batch; returns the chain’s state after each. Closes the file when it fails, except
   * for an UnwritableEvent: then nothing was written and the rest may come again.
   */
  async commit(events: readonly AuditEvent[]): Promise<readonly ChainState[]> {
    const { file, committed } = this.#opened();
    const states: ChainState[] = [];
    const parts: Uint8Array[] = [];
    let state = committed.state;
    for (const [index, event] of events.entries()) {
      const next = appended(state, event, index);
      state = next.state;
      states.push(state);
      parts.push(next.line, lineEnd);
    }
    try {
      await file.append(Buffer.concat(parts));
      await file.sync();
      await this.#expectInPlace(committed.segment.path, file.bytes);
    } catch (error) {
      // The acts are refused, so their records should go. If the disk refuses that as well, `open` does it.
      await file.truncate(committed.bytes).catch(() => undefined);
      await this.close();
      throw error;
    }
    this.#committed = { segment: committed.segment, bytes: file.bytes, state };
    return states;
  }

  /** An open file can be written when it has long been removed, emptied or replaced, and nobody would ever read that. */
  async #expectInPlace(path: string, bytes: number): Promise<void> {
    const found = await this.#disk.stat(path);
    if (found?.bytes !== bytes) throw vanished(path);
  }

  /** Goes on in a new segment. */
  async rotate(): Promise<void> {
    const { file, committed } = this.#opened();
    this.#file = undefined;
    await file.close();
    const segment = segmentAt(this.#folder, committed.state.seq + 1);
    this.#file = await this.#disk.openAppend(segment.path, 0o600);
    this.#committed = { segment, bytes: this.#file.bytes, state: committed.state };
  }

  /** Idempotent. What was committed stays readable. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // A file that failed may fail to close as well; what counts was synced before.
    await file?.close().catch(() => undefined);
  }

  /** The newest durable records, oldest first. */
  async tail(limit: number): Promise<Result<readonly AuditRecord[]>> {
    return this.#reading(async ({ segment, bytes }) => {
      const segments = await this.#durableSegments();
      return newestRecords(this.#disk, segments, limit, ({ first }) => (first === segment.first ? bytes : undefined));
    }, []);
  }

  /** Reads all segments again and checks the chain from the first record to the end that this process knows. */
  async verify(): Promise<Result<AuditVerification>> {
    const empty = { valid: true, records: 0, headSequence: 0, headHash: chainStart.hash };
    return this.#reading(async (known) => {
      let state = chainStart;
      const verification = (bad?: NonNullable<AuditVerification['firstBad']>): AuditVerification => ({
        valid: bad === undefined,
        records: state.seq,
        headSequence: known.state.seq,
        headHash: known.state.hash,
        ...(bad && { firstBad: bad }),
      });
      const missing = (reason: string) => verification({ sequence: state.seq + 1, reason });
      for (const segment of await this.#durableSegments()) {
        if (segment.first > known.state.seq) break;
        if (segment.first !== state.seq + 1)
          return missing(`The segment that begins with record ${state.seq + 1} is missing.`);
        const bytes = await readFile(this.#disk, segment);
        // What comes after the durable end may be under way right now.
        const length = segment.first === known.segment.first ? known.bytes : bytes.length;
        const reading = await readSegment(segment, bytes.subarray(0, length), state);
        state = reading.state;
        if (reading.bad) return verification(reading.bad);
        if (reading.tornBytes > 0) return missing(`Record ${state.seq + 1} is not complete.`);
      }
      if (state.seq < known.state.seq)
        return missing(`The records from ${state.seq + 1} to ${known.state.seq} are gone.`);
      if (state.hash !== known.state.hash)
        return verification({ sequence: state.seq, reason: 'The newest record is not the one that was written.' });
      return verification();
    }, empty);
  }

  async #reading<T>(read: (committed: Committed) => Promise<T>, empty: T): Promise<Result<T>> {
    const committed = this.#committed;
    if (!committed) return ok(empty);
    try {
      return ok(await read(committed));
    } catch (error) {
      const { code, reasons } = asError(error, this.#folder);
      return { ok: false, refusal: { code, reasons: [reasons[0]!, ...reasons.slice(1)] } };
    }
  }

  async #durableSegments(): Promise<readonly Segment[]> {
    return listSegments(this.#disk, this.#folder);
  }

  async #find(): Promise<Committed> {
    const segments = await this.#durableSegments();
    const last = segments.at(-1);
    if (!last) {
      if (this.#committed && this.#committed.state.seq > 0) throw vanished(this.#committed.segment.path);
      return { segment: segmentAt(this.#folder, 1), bytes: 0, state: chainStart };
    }
    const bytes = await readFile(this.#disk, last);
    if (this.#committed) return this.#findAgain(this.#committed, segments, bytes);
    const before = await this.#stateBefore(last, segments.at(-2));
    const { state, goodBytes, bad } = await readSegment(last, bytes, before);
    if (bad) throw broken(last.path, bad.reason);
    return { segment: last, bytes: goodBytes, state };
  }

  /** The end must be where this process left it; behind it there can only be its own failed batch. */
  async #findAgain(known: Committed, segments: readonly Segment[], newest: Uint8Array): Promise<Committed> {
    const last = segments.at(-1)!;
    // A rotation that failed halfway: the new segment is there and holds nothing yet.
    if (last.first === known.state.seq + 1 && last.first !== known.segment.first)
      return { segment: last, bytes: 0, state: known.state };
    if (last.first !== known.segment.first) throw vanished(known.segment.path);
    if (known.bytes === 0) return known;
    if (newest.length < known.bytes) throw vanished(known.segment.path);
    const { state, bad } = await readSegment(last, newest.subarray(0, known.bytes), undefined);
    if (bad) throw broken(last.path, bad.reason);
    if (state.hash !== known.state.hash) throw vanished(known.segment.path);
    return known;
  }

  /** The chain’s state at the begin of a segment, from the end of the one before it. */
  async #stateBefore(segment: Segment, previous: Segment | undefined): Promise<ChainState> {
    if (segment.first === 1) return chainStart;
    if (!previous) throw broken(segment.path, `The segments before record ${segment.first} are gone.`);
    const { state, bad } = await readSegment(previous, await readFile(this.#disk, previous), undefined);
    if (bad) throw broken(previous.path, bad.reason);
    if (state.seq !== segment.first - 1)
      throw broken(previous.path, `The records from ${state.seq + 1} to ${segment.first - 1} are gone.`);
    return state;
  }

  #opened(): { readonly file: AppendFile; readonly committed: Committed } {
    if (!this.#file || !this.#committed) throw new Error('the audit log is not open');
    return { file: this.#file, committed: this.#committed };
  }
}

const lineEnd = Uint8Array.of(10);

/** An event that makes no line of the log: a bug of whoever made it (`cause`), no fault of the disk. */
export class UnwritableEvent extends Error {
  override readonly name = 'UnwritableEvent';
  /** Its place in the batch. */
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super(`An event makes no audit record: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.index = index;
  }
}

/** The next line; never one that could not be read again, for that would keep the node from its next start. */
function appended(state: ChainState, event: AuditEvent, index: number): ReturnType<typeof chainAppend> {
  let next: ReturnType<typeof chainAppend>;
  try {
    next = chainAppend(state, event, sha256, utf8);
  } catch (error) {
    throw new UnwritableEvent(index, error);
  }
  const read = readAuditLine(utf8.decode(next.line));
  if (!read.ok) throw new UnwritableEvent(index, CaxtonError.from(read.refusal));
  return next;
}

const broken = (path: string, reason: string): CaxtonError =>
  new CaxtonError('MALFORMED', [
    `The audit segment ${path} was changed: ${reason}`,
    'Keep a copy of the audit folder and find out who did it; then move it away to begin a new log.',
  ]);

const vanished = (path: string): CaxtonError => broken(path, 'Its end is not the one that this process wrote.');

/** A CaxtonError as it is; an error of the disk as FILE_UNREADABLE. */
export function asError(error: unknown, folder: string): CaxtonError {
  if (error instanceof CaxtonError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CaxtonError('FILE_UNREADABLE', `The audit folder ${folder} cannot be used: ${message}.`, { cause: error });
}
