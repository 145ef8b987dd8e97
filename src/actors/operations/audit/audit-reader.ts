import { sha256 } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { CaxtonError, unwrap } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { HashList } from '../../../protocols/audit/hash-list.ts';
import { type CompactRange, emptyRange, GrowingTree } from '../../../protocols/audit/merkle.ts';
import { type AuditRecord, readAuditLine } from '../../../protocols/audit/record.ts';
import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { type Block, blocksOf, leavesOf } from './audit-block.ts';
import type { Committed } from './audit-file.ts';
import { listSegments, openSegment, readSegmentFile, type Segment } from './audit-segment.ts';

/** A record as it stands in the log. */
export interface StoredRecord {
  readonly sequence: number;
  /** The exact bytes that the tree covers. */
  readonly bytes: Uint8Array;
}

export interface AuditReaderOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly vault: () => VaultRing;
  /** The durable end; undefined: nothing is durable yet. */
  readonly committed: () => Committed | undefined;
}

/**
 * Reads what is durable in the log, while it is written, and from the oldest record that is kept. Rejects with
 * FILE_UNREADABLE, MALFORMED or SEAL_INVALID when what should be there is not.
 */
export class AuditReader {
  readonly #options: AuditReaderOptions;
  /** The newest leaves, and the sequence of the first of them. */
  #recent = new HashList();
  #recentFrom = 1;

  constructor(options: AuditReaderOptions) {
    this.#options = options;
  }

  /** The newest durable record and the tree over all of them. */
  head(): { readonly sequence: number; readonly range: CompactRange } {
    const range = this.#options.committed()?.range ?? emptyRange;
    return { sequence: range.size, range };
  }

  /** The sequence of the oldest record that is kept: 1 until retention has retired some. */
  async first(): Promise<number> {
    return (await this.#segments()).at(0)?.first ?? 1;
  }

  /** First sequence of the segment that is written to now; undefined before the log was opened. */
  newestSegment(): number | undefined {
    return this.#options.committed()?.segment.first;
  }

  /** The records from `from` to `to`, both included; begins later, or ends earlier, where the log does. */
  async *records(from: number, to: number): AsyncGenerator<StoredRecord> {
    for await (const { block, first } of this.#blocks(from, to)) {
      let sequence = first;
      for (const leaf of leavesOf(block.leaves)) {
        if (sequence >= from && sequence <= to) yield { sequence, bytes: leaf.slice(1) };
        sequence += 1;
      }
    }
  }

  /** Takes the leaves of records that have just become durable: who follows the log reads no file for them. */
  remember(first: number, hashes: readonly Uint8Array[]): void {
    if (first !== this.#recentFrom + this.#recent.length) {
      this.#recent = new HashList();
      this.#recentFrom = first;
    }
    for (const hash of hashes) this.#recent.push(hash);
    if (this.#recent.length <= 2 * limits.auditLeavesKeptMax) return;
    const over = this.#recent.length - limits.auditLeavesKeptMax;
    this.#recent.drop(over);
    this.#recentFrom += over;
  }

  /** The tree’s leaf hashes of these records, 32 bytes each, in order. */
  async *leafHashes(from: number, to: number): AsyncGenerator<Uint8Array> {
    const last = Math.min(to, this.head().sequence);
    if (from >= this.#recentFrom && last < this.#recentFrom + this.#recent.length) {
      yield* this.#recent.slice(from - this.#recentFrom, last + 1 - this.#recentFrom);
      return;
    }
    for await (const { block, first } of this.#blocks(from, to)) {
      let sequence = first;
      for (const leaf of leavesOf(block.leaves)) {
        if (sequence >= from && sequence <= to) yield sha256(leaf);
        sequence += 1;
      }
    }
  }

  /**
   * The tree when it had this size, grown from the segment that begins before it. LIMIT_EXCEEDED when the log never was
   * so long; FILE_UNREADABLE when what came before it is not kept any more.
   */
  async rangeAt(size: number): Promise<CompactRange> {
    const head = this.head().range;
    if (size === head.size) return head;
    if (size > head.size)
      throw new CaxtonError('LIMIT_EXCEEDED', `The audit log has ${head.size} records, not ${size}.`);
    const { disk, vault } = this.#options;
    const segment = (await this.#segments()).findLast(({ first }) => first <= size + 1);
    if (!segment) throw new CaxtonError('FILE_UNREADABLE', `The audit records up to ${size} were retired.`);
    const opened = unwrap(openSegment(segment, await readSegmentFile(disk, segment), vault()));
    const tree = new GrowingTree(opened.identity.range, sha256);
    for await (const leaf of this.leafHashes(segment.first, size)) tree.append(leaf);
    return tree.range;
  }

  /**
   * The newest records, or those from number `from` on, oldest first: from the oldest on that is kept, when those before it
   * were retired. What cannot be read as a record is left out.
   */
  async page(limit: number, from = Math.max(1, this.head().sequence - limit + 1)): Promise<readonly AuditRecord[]> {
    const some: AuditRecord[] = [];
    if (limit < 1) return some;
    const first = Math.max(from, await this.first());
    for await (const { bytes } of this.records(first, first + limit - 1)) {
      const record = readAuditLine(utf8.decode(bytes));
      if (record.ok) some.push(record.value);
    }
    return some;
  }

  async #segments(): Promise<readonly Segment[]> {
    const end = this.#options.committed();
    if (!end) return [];
    const all = await listSegments(this.#options.disk, this.#options.folder);
    // A rotation may have begun the next one already.
    return all.filter(({ first }) => first <= end.segment.first);
  }

  async *#blocks(from: number, to: number): AsyncGenerator<{ readonly block: Block; readonly first: number }> {
    const { disk, vault, committed } = this.#options;
    const end = committed();
    const last = Math.min(to, end?.range.size ?? 0);
    if (!end || from > last) return;
    const segments = await this.#segments();
    for (const [index, segment] of segments.entries()) {
      const next = segments[index + 1]?.first ?? end.range.size + 1;
      if (next <= from || segment.first > last) continue;
      const all = await readSegmentFile(disk, segment);
      const bytes = segment.first === end.segment.first ? all.subarray(0, end.bytes) : all;
      const opened = unwrap(openSegment(segment, bytes, vault()));
      let first = segment.first;
      for (const block of blocksOf(opened, bytes)) {
        if (first > last) return;
        if (first + block.records > from) yield { block, first };
        first += block.records;
      }
      if (first !== next)
        throw new CaxtonError('MALFORMED', `The audit segment ${segment.path} cannot be read from record ${first} on.`);
    }
  }
}
