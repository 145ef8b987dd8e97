import { limits } from '../../../limits.ts';
import type { Clock, Store } from '../../kernel/ports.ts';

const collection = 'gossip';
const key = 'members';

export interface MemberSnapshotOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Whom this node knows now, and how it can prove it. */
  readonly take: () => Uint8Array;
  /** The store failed, or what it held: the node goes on with what it learns from others. */
  readonly trouble: (what: string, error: unknown) => void;
}

/**
 * Keeps on disk whom this node knows, so that it finds them after a restart though no seed lives. Written after changes,
 * and however many there are, at most once in `gossipSnapshotMs`.
 */
export class MemberSnapshot {
  readonly #options: MemberSnapshotOptions;
  #recalled = false;
  #timer: unknown;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MemberSnapshotOptions) {
    this.#options = options;
  }

  /** Once, before anything is written: gives what an earlier boot wrote last. Without it the node is a newcomer. */
  async recall(restore: (kept: Uint8Array) => void): Promise<void> {
    if (this.#recalled) return;
    this.#recalled = true;
    try {
      const kept = await this.#options.store.get(collection, key);
      if (kept) restore(kept);
    } catch (error) {
      this.#options.trouble('the members that it knew before could not be read', error);
    }
  }

  /** Something is to be written, soon. */
  changed(): void {
    this.#timer ??= this.#options.clock.setTimeout(() => void this.flush(), limits.gossipSnapshotMs);
  }

  /** Writes now what waits. */
  flush(): Promise<void> {
    const { store, clock, take, trouble } = this.#options;
    if (this.#timer === undefined) return this.#writing;
    clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const told = (error: unknown) => trouble('the members could not be kept: a restart may know fewer', error);
    this.#writing = this.#writing.then(() => store.put(collection, key, take())).catch(told);
    return this.#writing;
  }
}
