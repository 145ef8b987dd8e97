import { type Crypto, sha256 } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type CompactRange, emptyRange, GrowingTree } from '../../../protocols/audit/merkle.ts';
import { type AuditEvent, auditLine, auditRecord } from '../../../protocols/audit/record.ts';
import type { AppendFile, Disk } from '../../kernel/ports.ts';
import { leavesOf, sealedBlock } from './audit-block.ts';
import { scanSegment } from './audit-scan.ts';
import {
  beginSegment,
  listSegments,
  type OpenedSegment,
  openSegment,
  readSegmentFile,
  readSegmentHeader,
  type Segment,
  segmentAt,
} from './audit-segment.ts';

/** What is durable: nothing behind it counts. */
export interface Committed {
  readonly segment: Segment;
  readonly opened: OpenedSegment;
  readonly bytes: number;
  /** Blocks in the segment. */
  readonly blocks: number;
  /** The tree over all records. */
  readonly range: CompactRange;
}

/** What opening had to cut off, and why. */
export interface Repair {
  readonly path: string;
  readonly cutBytes: number;
  readonly reason: string;
}

export interface AuditFileOptions {
  readonly disk: Disk;
  readonly crypto: Crypto;
  readonly vault: () => VaultRing;
  readonly folder: string;
  readonly nodeId: string;
  /** The name of the log that its checkpoints carry. */
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Hears the leaves’ hashes of records that are durable now, and the sequence of the first. Must not throw. */
  readonly onLeaves?: (first: number, hashes: readonly Uint8Array[]) => void;
}

const dayMs = 86_400_000;

/**
 * The end of one audit log, where it grows: the newest segment and the tree over all records. Rejects with CaxtonErrors
 * and the disk’s own errors; after any of them only `open` may follow. One act at a time.
 */
export class AuditFile {
  readonly #options: AuditFileOptions;
  #file: AppendFile | undefined;
  #committed: Committed | undefined;

  constructor(options: AuditFileOptions) {
    this.#options = options;
  }

  /** The durable end; undefined before the log was opened in this process. */
  get committed(): Committed | undefined {
    return this.#committed;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** Whether the next record belongs into a new segment: this one is full, of another day, or under an old vault key. */
  get isDue(): boolean {
    const { blocks, bytes, opened } = this.#opened().committed;
    if (blocks === 0) return false;
    const { now, vault } = this.#options;
    const dayOf = (ms: number): number => Math.floor(ms / dayMs);
    return (
      bytes >= limits.auditSegmentBytesMax ||
      dayOf(now()) !== dayOf(Date.parse(opened.identity.created)) ||
      opened.lock.vaultKey !== vault().currentId
    );
  }

  /**
   * Finds the end of the log, checks its newest segment and opens that for appending. Cut off and returned as a
   * repair: a block that a crash tore, and what an earlier `commit` of this process wrote without success. MALFORMED
   * when a segment was changed or its known end is gone: that is no accident, and a person must look at it.
   * SEAL_INVALID when the vault does not open it.
   */
  async open(): Promise<Repair | undefined> {
    const { disk, folder } = this.#options;
    await this.close();
    // A folder that was taken away is put back by whoever took it, and would then find another in its place.
    if (!this.#committed) await disk.makeFolder(folder, 0o700);
    const found = await this.#find();
    const file = await disk.openAppend(found.segment.path, 0o600);
    this.#file = file;
    const cutBytes = file.bytes - found.bytes;
    if (cutBytes > 0) await file.truncate(found.bytes);
    await file.sync();
    const failed = this.#committed !== undefined;
    this.#committed = found;
    if (cutBytes <= 0) return undefined;
    const reason = failed
      ? 'Records that could not be made durable were cut off; the acts behind them were refused.'
      : 'The last block was not complete, as a crash leaves it, and was cut off.';
    return { path: found.segment.path, cutBytes, reason };
  }

  /**
   * Appends events, as many as one block holds, as one durable batch; returns how many. Closes the file when it fails,
   * except for an UnwritableEvent: then nothing was written and the rest may come again.
   */
  async commit(events: readonly AuditEvent[]): Promise<number> {
    const { file, committed } = this.#opened();
    const { leaves, hashes, range, count } = grown(committed.range, events);
    const block = sealedBlock(committed.opened, this.#options.crypto, committed.blocks, count, leaves);
    try {
      await file.append(block);
      // Side by side: the name costs a turn of the disk’s threads, as the sync does.
      await Promise.all([file.sync(), this.#expectInPlace(committed.segment.path, file.bytes)]);
    } catch (error) {
      // The acts are refused, so their records should go. If the disk refuses that as well, `open` does it.
      await file.truncate(committed.bytes).catch(() => undefined);
      await this.close();
      throw error;
    }
    this.#committed = { ...committed, bytes: file.bytes, blocks: committed.blocks + 1, range };
    this.#options.onLeaves?.(committed.range.size + 1, hashes);
    return count;
  }

  /** An open file can be written when it has long been removed, emptied or replaced, and nobody would ever read that. */
  async #expectInPlace(path: string, bytes: number): Promise<void> {
    const found = await this.#options.disk.stat(path);
    if (found?.bytes !== bytes) throw vanished(path);
  }

  /** Goes on in a new segment. */
  async rotate(): Promise<void> {
    const { file, committed } = this.#opened();
    this.#file = undefined;
    await file.close();
    this.#committed = await this.#begin(committed.range);
    this.#file = await this.#options.disk.openAppend(this.#committed.segment.path, 0o600);
  }

  /** Idempotent. What was committed stays readable. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    // A file that failed may fail to close as well; what counts was synced before.
    await file?.close().catch(() => undefined);
  }

  /** A new segment’s file with its header: there as a whole or not at all. */
  async #begin(range: CompactRange): Promise<Committed> {
    const { disk, crypto, vault, folder, nodeId, origin, now } = this.#options;
    const segment = segmentAt(folder, range.size + 1);
    const created = new Date(now()).toISOString();
    const { header, opened } = beginSegment({ nodeId, origin, created, range, form: 'open' }, vault(), crypto);
    await disk.writeFileAtomic(segment.path, header, 0o600);
    return { segment, opened, bytes: header.length, blocks: 0, range };
  }

  async #find(): Promise<Committed> {
    const { disk, folder } = this.#options;
    const last = (await listSegments(disk, folder)).at(-1);
    const known = this.#committed;
    if (!last) {
      if (known && known.range.size > 0) throw vanished(known.segment.path);
      return this.#begin(known?.range ?? emptyRange);
    }
    const bytes = await readSegmentFile(disk, last);
    const opened = this.#openedSegment(last, bytes);
    if (known) return this.#findAgain(known, last, opened, bytes);
    await this.#expectKeys();
    const { range, goodBytes, blocks, bad } = await scanSegment(opened, bytes);
    if (bad && !bad.torn) throw broken(last.path, `record ${bad.sequence}: ${bad.reason}`);
    return { segment: last, opened, bytes: goodBytes, blocks, range };
  }

  /** The end must be where this process left it; behind it there can only be its own failed batch. */
  async #findAgain(known: Committed, last: Segment, opened: OpenedSegment, bytes: Uint8Array): Promise<Committed> {
    // A rotation that failed halfway: the new segment is there and holds nothing yet.
    if (last.first === known.range.size + 1 && last.first !== known.segment.first) {
      if (bytes.length > opened.blocksAt || !sameRange(opened.identity.range, known.range)) throw vanished(last.path);
      return { segment: last, opened, bytes: opened.blocksAt, blocks: 0, range: known.range };
    }
    if (last.first !== known.segment.first || opened.identity.id !== known.opened.identity.id)
      throw vanished(known.segment.path);
    if (bytes.length < known.bytes) throw vanished(known.segment.path);
    const { range, bad } = await scanSegment(opened, bytes.subarray(0, known.bytes));
    if (bad) throw broken(last.path, `record ${bad.sequence}: ${bad.reason}`);
    if (!sameRange(range, known.range)) throw vanished(known.segment.path);
    return { ...known, opened };
  }

  /** A ring that opens the newest segment and not the older ones is the wrong ring, and this is the moment to say so. */
  async #expectKeys(): Promise<void> {
    const { disk, folder, vault } = this.#options;
    const held = new Set(vault().ids);
    const missing = new Map<string, Segment[]>();
    for (const segment of await listSegments(disk, folder)) {
      // What cannot be read at all the verification names.
      const header = await readSegmentHeader(disk, segment).catch(() => undefined);
      if (!header || held.has(header.lock.vaultKey)) continue;
      missing.set(header.lock.vaultKey, [...(missing.get(header.lock.vaultKey) ?? []), segment]);
    }
    const [first] = missing;
    if (!first) return;
    const [key, segments] = first;
    throw new CaxtonError('SEAL_INVALID', [
      `The vault does not hold the key ${key}, which ${segments.length} older audit segments need: ${segments[0]!.path} and on.`,
      'Give the node the key ring that has it too (security.vault.key_path); if it is lost, move these segments away: without it nobody can read them.',
    ]);
  }

  #openedSegment(segment: Segment, bytes: Uint8Array): OpenedSegment {
    const { vault, nodeId } = this.#options;
    const opened = openSegment(segment, bytes, vault());
    if (!opened.ok && opened.refusal.code === 'SEAL_INVALID')
      throw new CaxtonError('SEAL_INVALID', [
        `The audit segment ${segment.path} cannot be opened: ${opened.refusal.reasons.join(' ')}`,
        'Give the node the vault key that wrote it (security.vault.key_path), older keys included; without it the log cannot be read.',
      ]);
    if (!opened.ok) throw broken(segment.path, opened.refusal.reasons.join(' '));
    const { identity } = opened.value;
    if (identity.nodeId !== nodeId) throw broken(segment.path, `It is of the log of ${identity.nodeId}.`);
    if (identity.form !== 'open') throw broken(segment.path, 'The segments behind it are gone.');
    return opened.value;
  }

  #opened(): { readonly file: AppendFile; readonly committed: Committed } {
    if (!this.#file || !this.#committed) throw new Error('the audit log is not open');
    return { file: this.#file, committed: this.#committed };
  }
}

export const sameRange = (one: CompactRange, other: CompactRange): boolean =>
  one.size === other.size && one.nodes.every((node, i) => Buffer.compare(node, other.nodes[i]!) === 0);

/** An event that makes no record of the log: a bug of whoever made it (`cause`), no fault of the disk. */
export class UnwritableEvent extends Error {
  override readonly name = 'UnwritableEvent';
  /** Its place in the batch. */
  readonly index: number;

  constructor(index: number, cause: unknown) {
    super(`An event makes no audit record: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.index = index;
  }
}

/** The leaves of the first events, as many as fit one block, and the tree with them. */
function grown(
  before: CompactRange,
  events: readonly AuditEvent[],
): {
  readonly leaves: Uint8Array;
  readonly hashes: readonly Uint8Array[];
  readonly range: CompactRange;
  readonly count: number;
} {
  let text = '';
  let count = 0;
  for (const event of events) {
    if (text.length >= limits.auditBlockBytesMax / 3) break;
    text += `\0${written(event, before.size + count + 1, count)}`;
    count += 1;
  }
  const leaves = Buffer.from(text, 'utf8');
  const tree = new GrowingTree(before, sha256);
  const hashes = Array.from(leavesOf(leaves), (leaf) => sha256(leaf));
  for (const hash of hashes) tree.append(hash);
  return { leaves, hashes, range: tree.range, count };
}

function written(event: AuditEvent, sequence: number, index: number): string {
  try {
    return auditLine(auditRecord(event, sequence));
  } catch (error) {
    throw new UnwritableEvent(index, error);
  }
}

const broken = (path: string, reason: string): CaxtonError =>
  new CaxtonError('MALFORMED', [
    `The audit segment ${path} was changed: ${reason}`,
    'Keep a copy of the audit folder and find out who did it; then move it away to begin a new log.',
  ]);

const vanished = (path: string): CaxtonError => broken(path, 'Its end is not the one that this process wrote.');
