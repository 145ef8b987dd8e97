import { CaxtonError, unwrap } from '../../../errors.ts';
import { type AuditRecord, readAuditLine } from '../../../protocols/audit/record.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** The audit log, as somebody reads it who is not in its way. */
export interface AuditSource {
  /** Number of the newest durable record; 0 before the first. */
  newest(): number;
  /** Number of the oldest record that is kept. */
  first(): Promise<number>;
  /**
   * Durable records from number `first` on, oldest first, at most `countMax`. Rejects with FILE_UNREADABLE when they
   * cannot be read, or when record `first` was removed before its time.
   */
  read(first: number, countMax: number): Promise<readonly AuditRecord[]>;
  /** Calls `listener` when there is something new; returns the function that ends that. */
  subscribe(listener: () => void): () => void;
}

/** What this needs of the log’s reader. */
export interface StoredRecords {
  records(from: number, to: number): AsyncIterable<{ readonly sequence: number; readonly bytes: Uint8Array }>;
}

type Reading = AsyncIterator<{ readonly sequence: number; readonly bytes: Uint8Array }>;

/** One reader’s way through the log: goes on where it stopped, rather than opening the same segment for each batch. */
export class AuditReading {
  readonly #stored: StoredRecords;
  readonly #newest: () => number;
  #reading: Reading | undefined;
  /** What the present reading gives next. */
  #at = 0;

  /** `newest`: number of the newest durable record. */
  constructor(stored: StoredRecords, newest: () => number) {
    this.#stored = stored;
    this.#newest = newest;
  }

  async read(first: number, countMax: number): Promise<readonly AuditRecord[]> {
    const resumed = this.#reading !== undefined && this.#at === first;
    if (!resumed) this.#begin(first);
    const records = await this.#some(first, countMax);
    // What was open at an earlier end has nothing more to give.
    if (records.length > 0 || !resumed) return records;
    this.#begin(first);
    return this.#some(first, countMax);
  }

  async #some(first: number, countMax: number): Promise<readonly AuditRecord[]> {
    const records: AuditRecord[] = [];
    try {
      while (records.length < countMax) {
        const next = await this.#reading?.next();
        if (next === undefined || next.done === true) {
          this.#reading = undefined;
          break;
        }
        const { sequence, bytes } = next.value;
        if (sequence !== first + records.length) throw gone(first + records.length);
        records.push(unwrap(readAuditLine(utf8.decode(bytes))));
      }
    } catch (error) {
      this.#reading = undefined;
      throw error;
    }
    this.#at = first + records.length;
    return records;
  }

  #begin(first: number): void {
    this.#reading = this.#stored.records(first, this.#newest())[Symbol.asyncIterator]();
    this.#at = first;
  }
}

const gone = (sequence: number): CaxtonError =>
  new CaxtonError('FILE_UNREADABLE', `Record ${sequence} of the audit log is gone before it was forwarded.`);
