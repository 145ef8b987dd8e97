import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';
import type { Crypto } from '../../../crypto/port.ts';
import type { VaultRing } from '../../../crypto/vault.ts';
import { CaxtonError, unwrap } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { SegmentHeader } from '../../../protocols/audit/segment-header.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { type Block, sealedBlock } from './audit-block.ts';
import { sameRange } from './audit-file.ts';
import type { AuditLog } from './audit-log.ts';
import { scanSegment } from './audit-scan.ts';
import {
  beginSegment,
  listSegments,
  openSegment,
  readSegmentFile,
  readSegmentHeader,
  rewrapped,
  type Segment,
} from './audit-segment.ts';

export interface AuditUpkeepOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly folder: string;
  readonly log: AuditLog;
  readonly vault: { readonly ring: VaultRing; reload(): Promise<void> };
  /** Closed segments are kept at least this long after their last record, and until all `readers` have had them. */
  readonly retentionMs: number;
  /** Told of what could not be done and will be tried again. */
  readonly fault: (message: string, error: unknown) => void;
}

interface Closed {
  readonly segment: Segment;
  readonly header: SegmentHeader;
}

const compressed = promisify(zstdCompress);
const dayMs = 86_400_000;
/** First record of a segment, or of the one that is written to, behind the last closed one. */
const firstOf = (closed: Closed | undefined, current: number): number => closed?.segment.first ?? current;

/**
 * What is done to closed segments beside the writing: those whose time is over are retired, the others compressed, and
 * data keys are wrapped anew when the vault’s key was rotated. Nothing of it changes a record, so neither the tree.
 */
export class AuditUpkeep {
  readonly #options: AuditUpkeepOptions;
  /** Headers do not change but by this class, and reading them all each minute would. */
  readonly #headers = new Map<string, SegmentHeader>();
  /** Who has still to read the log: each says up to which record it needs nothing more. */
  readonly readers: Set<() => number> = new Set();
  /** What the wall clock and the monotonic one said when this process began. */
  readonly #begun: { readonly now: number; readonly monotonic: number };
  /** Up to where a record says that the log is retired: one that could not be removed then needs no other. */
  #retiredThrough = 0;
  #isHeld = false;
  /** The vault’s key that the log was told of last. */
  #toldKey: string;
  /** The full disk of now was answered with a round. */
  #isAnswered = false;

  constructor(options: AuditUpkeepOptions) {
    this.#options = options;
    this.#toldKey = options.vault.ring.currentId;
    this.#begun = { now: options.clock.now(), monotonic: options.clock.monotonic() };
  }

  /**
   * Resolves when the disk has become full since the last round, or the signal aborts. What is past its time goes then,
   * while the reserve still takes the record of it: a log that is blocked can retire nothing.
   */
  full(signal: AbortSignal): Promise<void> {
    const { listeners } = this.#options.log;
    return new Promise((resolve) => {
      const look = (): void => {
        const isFull = this.#isFull();
        this.#isAnswered &&= isFull;
        if (!signal.aborted && (!isFull || this.#isAnswered)) return;
        listeners.delete(look);
        signal.removeEventListener('abort', look);
        resolve();
      };
      listeners.add(look);
      signal.addEventListener('abort', look);
      look();
    });
  }

  /** One round. What fails is told and left for the next one. */
  async tidy(signal: AbortSignal): Promise<void> {
    this.#isAnswered = this.#isFull();
    await this.#attempt('the vault’s key ring', () => this.#options.vault.reload());
    await this.#attempt('the record of the vault’s key', () => this.#tellKey());
    const current = this.#options.log.reader.newestSegment();
    if (current === undefined) return;
    let kept: readonly Closed[] = [];
    await this.#attempt('what is past its time', async () => {
      kept = await this.#closed(current);
      kept = await this.#retire(kept, current);
    });
    for (const [index, closed] of kept.entries()) {
      // What is written anew lies there twice for a while: the reserve is not for that.
      if (signal.aborted || this.#isFull()) return;
      const { path } = closed.segment;
      await this.#attempt(path, () => this.#renew(closed, kept[index + 1]));
    }
  }

  /** A ring that was rotated takes over: the log notes it, and its writer begins a segment under the new key. */
  async #tellKey(): Promise<void> {
    const { log, vault } = this.#options;
    const { ids, currentId: key } = vault.ring;
    if (key === this.#toldKey) return;
    const held = ids.length;
    unwrap(await log.recordOwn('VaultKeyRotated', 'The vault has another current key.', { key, held }));
    // Not before: what the log refused is said again in the next round.
    this.#toldKey = key;
  }

  async #closed(current: number): Promise<readonly Closed[]> {
    const { disk, folder } = this.#options;
    const closed: Closed[] = [];
    for (const segment of await listSegments(disk, folder)) {
      if (segment.first >= current) break;
      const header = await this.#header(segment);
      // One that cannot be read is left for the verification to name, and everything behind it as it is.
      if (!header) break;
      closed.push({ segment, header });
    }
    return closed;
  }

  async #header(segment: Segment): Promise<SegmentHeader | undefined> {
    const known = this.#headers.get(segment.path);
    if (known) return known;
    const read = await readSegmentHeader(this.#options.disk, segment);
    if (read) this.#headers.set(segment.path, read);
    return read;
  }

  /** Removes what is older than the retention, after a record has said so; gives back the rest. */
  async #retire(all: readonly Closed[], current: number): Promise<readonly Closed[]> {
    const { retentionMs, log, disk } = this.#options;
    const over = this.#countOver(all);
    const count = this.#countRead(all, over, current);
    this.#tellHeld(over - count);
    if (count === 0) return all;
    const through = firstOf(all[count], current) - 1;
    if (through > this.#retiredThrough) {
      const reason = `Records are kept for ${retentionMs / dayMs} days.`;
      const recorded = await log.recordOwn('AuditRetired', reason, { through, segments: count });
      if (!recorded.ok) return all;
      this.#retiredThrough = through;
    }
    for (const { segment } of all.slice(0, count)) {
      await disk.remove(segment.path);
      this.#headers.delete(segment.path);
    }
    return all.slice(count);
  }

  /** How many segments, from the oldest on, hold nothing that is younger than the retention. */
  #countOver(all: readonly Closed[]): number {
    const now = this.#now();
    const latest = now - this.#options.retentionMs;
    const kept = all.findIndex(({ header }, i) => {
      const next = all[i + 1];
      if (!next) return true;
      // Its records lie between the begins of both. One of these may come from a clock that was wrong: what lies in the
      // future says nothing, and of the rest the later one counts.
      const times = [header, next.header].map(({ identity }) => Date.parse(identity.created));
      const known = times.filter((time) => time <= now);
      return known.length === 0 || Math.max(...known) > latest;
    });
    return Math.max(0, kept);
  }

  /**
   * The time by which records grow old. A clock that leaps ahead while the node runs must not take the log with it: time
   * passes as the monotonic clock says, until a start with that time believes it.
   */
  #now(): number {
    const { clock } = this.#options;
    const { now, monotonic } = this.#begun;
    return Math.min(clock.now(), now + clock.monotonic() - monotonic + dayMs);
  }

  /** How many of so many segments every reader has read. On a full disk the log needs the room more than they do. */
  #countRead(all: readonly Closed[], count: number, current: number): number {
    if (this.#isFull()) return count;
    const read = Math.min(...Array.from(this.readers, (reader) => reader()));
    let free = 0;
    while (free < count && firstOf(all[free + 1], current) - 1 <= read) free += 1;
    return free;
  }

  /** Whether the log lives on its reserve. */
  #isFull(): boolean {
    return this.#options.log.head().state === 'sparing';
  }

  #tellHeld(segments: number): void {
    const isHeld = segments > 0;
    if (isHeld && !this.#isHeld)
      this.#options.fault(
        `the audit log keeps ${segments} segments past their time: a receiver of security.audit.siem has not had them`,
        undefined,
      );
    this.#isHeld = isHeld;
  }

  async #renew(closed: Closed, next: Closed | undefined): Promise<void> {
    const { disk, crypto, vault } = this.#options;
    const { segment, header } = closed;
    if (header.identity.form === 'packed' && header.lock.vaultKey === vault.ring.currentId) return;
    const bytes = await readSegmentFile(disk, segment);
    const renewed =
      header.identity.form === 'open'
        ? await this.#packed(closed, next, bytes)
        : unwrap(rewrapped(segment, bytes, vault.ring, crypto));
    await disk.writeFileAtomic(segment.path, renewed, 0o600);
    this.#headers.delete(segment.path);
  }

  /** The segment compressed, in blocks of about a megabyte, under a data key of its own. */
  async #packed({ segment }: Closed, next: Closed | undefined, bytes: Uint8Array): Promise<Uint8Array> {
    const { crypto, vault } = this.#options;
    const opened = unwrap(openSegment(segment, bytes, vault.ring));
    const blocks: Block[] = [];
    const { range, bad } = await scanSegment(opened, bytes, (block) => blocks.push(block));
    // What does not hold is evidence: it stays as it lies.
    if (bad) throw new CaxtonError('MALFORMED', `Record ${bad.sequence} is not good: ${bad.reason}`);
    if (next && !sameRange(range, next.header.identity.range))
      throw new CaxtonError('MALFORMED', `The next segment does not go on from record ${range.size}.`);
    const { id: _, ...identity } = opened.identity;
    const begun = beginSegment({ ...identity, form: 'packed' }, vault.ring, crypto);
    const parts: Uint8Array[] = [begun.header];
    for (const [number, group] of groupsOf(blocks).entries()) {
      const records = group.reduce((sum, block) => sum + block.records, 0);
      const payload = await compressed(Buffer.concat(group.map(({ leaves }) => leaves)));
      parts.push(sealedBlock(begun.opened, crypto, number, records, payload));
    }
    return Buffer.concat(parts);
  }

  async #attempt(what: string, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#options.fault(`the upkeep of the audit log left ${what} as it is`, error);
    }
  }
}

/** Neighbours together, as many as one block may hold. */
function groupsOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  const groups: Block[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const block of blocks) {
    bytes += block.leaves.length;
    if (bytes > limits.auditBlockBytesMax) {
      groups.push([]);
      bytes = block.leaves.length;
    }
    groups.at(-1)!.push(block);
  }
  return groups;
}
