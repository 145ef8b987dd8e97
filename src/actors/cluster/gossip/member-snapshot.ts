import { sha256 } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import type { Clock, Store } from '../../kernel/ports.ts';

const collection = 'gossip';

/** The first page has the name that the only one had once. */
const pageKey = (page: number): string => (page === 0 ? 'members' : `members-${page}`);

export interface MemberSnapshotOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Whom this node knows now, and how it can prove it; in as many pages as that takes. */
  readonly take: () => readonly Uint8Array[];
  /** The store failed, or what it held: the node goes on with what it learns from others. */
  readonly trouble: (what: string, error: unknown) => void;
}

/**
 * Keeps on disk whom this node knows, so that it finds them after a restart though no seed lives. Written after changes,
 * and however many there are, at most once in `gossipSnapshotMs`; of the pages those that are others than before. Each
 * stands for itself, so it is no harm when a crash leaves some of now and some of before.
 */
export class MemberSnapshot {
  readonly #options: MemberSnapshotOptions;
  #recalled = false;
  #timer: unknown;
  #writing: Promise<void> = Promise.resolve();
  /** What the store holds, as far as this boot knows: the hash of each page. */
  #held: readonly string[] = [];

  constructor(options: MemberSnapshotOptions) {
    this.#options = options;
  }

  /**
   * Once, before anything is written: gives the pages that an earlier boot wrote last, one by one, and then all of them
   * again, because verdicts are news only about members that are known. Without them the node is a newcomer.
   */
  async recall(restore: (page: Uint8Array) => void): Promise<void> {
    if (this.#recalled) return;
    this.#recalled = true;
    const { store, trouble } = this.#options;
    const good: number[] = [];
    try {
      // One at a time: a thousand certificates are a second of work, and others wait for their turn.
      for (let page = 0; page < limits.gossipSnapshotPagesMax; page++) {
        const bytes = await store.get(collection, pageKey(page));
        if (!bytes) break;
        this.#held = [...this.#held, hashOf(bytes)];
        if (this.#restored(bytes, restore)) good.push(page);
      }
      for (const page of good) {
        const bytes = await store.get(collection, pageKey(page));
        if (bytes) this.#restored(bytes, restore);
      }
    } catch (error) {
      trouble(notRead, error);
    }
  }

  #restored(page: Uint8Array, restore: (page: Uint8Array) => void): boolean {
    try {
      restore(page);
      return true;
    } catch (error) {
      this.#options.trouble(notRead, error);
      return false;
    }
  }

  /** Something is to be written, soon. */
  changed(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => void this.flush(), limits.gossipSnapshotMs);
  }

  /** Writes now what waits. */
  flush(): Promise<void> {
    const { clock, trouble } = this.#options;
    if (this.#timer === undefined) return this.#writing;
    clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const told = (error: unknown) => trouble('the members could not be kept: a restart may know fewer', error);
    this.#writing = this.#writing.then(() => this.#write()).catch(told);
    return this.#writing;
  }

  async #write(): Promise<void> {
    const { store, take } = this.#options;
    const pages = take().slice(0, limits.gossipSnapshotPagesMax);
    const held = this.#held;
    const hashes = pages.map(hashOf);
    // What is written in part is written anew with the next change.
    this.#held = [];
    for (const [page, bytes] of pages.entries())
      if (hashes[page] !== held[page]) await store.put(collection, pageKey(page), bytes);
    for (let page = held.length - 1; page >= pages.length; page--) await store.delete(collection, pageKey(page));
    this.#held = hashes;
  }
}

const notRead = 'the members that it knew before could not be read';
const hashOf = (bytes: Uint8Array): string => Buffer.from(sha256(bytes)).toString('base64');
