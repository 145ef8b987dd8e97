import type { Store } from '../actors/kernel/ports.ts';
import { CaxtonError } from '../errors.ts';
import { limits } from '../limits.ts';

interface Commit {
  /** Changes the records; undefined for a read. */
  readonly write: ((records: Records) => void) | undefined;
  settle(records: Records): void;
  reject(error: Error): void;
}

/** Collection, key, value. */
type Records = Map<string, Map<string, Uint8Array>>;

const nameCharsMax = 1_024;

/**
 * The `Store` port in memory, as the real one behaves: requests are answered in the order in which they came, those of
 * one turn of the event loop share a commit, and a write is durable when it resolves. One process at a time has it open.
 *
 * `fault`, when set, is what the next commits reject with, all or nothing, as with a full disk.
 */
export class MemoryStore implements Store {
  readonly #records: Records;
  #waiting: Commit[] = [];
  #ended: CaxtonError | undefined;
  #closing: Promise<void> | undefined;
  fault: Error | undefined;

  constructor() {
    this.#records = new Map();
  }

  /** Puts a record there, durably and at once; for what was in the store before the test began. */
  hold(collection: string, key: string, value: Uint8Array): void {
    put(this.#records, collection, key, Uint8Array.from(value));
  }

  /** What a process that opens the store after a crash now would find in a collection; copies, by key. */
  peek(collection: string): ReadonlyMap<string, Uint8Array> {
    return new Map(entriesOf(this.#records, collection));
  }

  /**
   * Kills the process that uses it: nothing more is written, and whoever waits or comes gets STOPPED. Returns the store
   * as the next process finds it: with every write that was answered and none that was not.
   */
  crash(): MemoryStore {
    this.#end(new CaxtonError('STOPPED', 'The process that held the state database was killed.'));
    return this.#heir();
  }

  /** The store as the next process opens it. ALREADY_EXISTS while this one is open. */
  reopen(): MemoryStore {
    if (!this.#ended)
      throw new CaxtonError('ALREADY_EXISTS', 'Another process uses the state database: stop it first.');
    return this.#heir();
  }

  async get(collection: string, key: string): Promise<Uint8Array | undefined> {
    return this.#ask([collection, key], undefined, (records) => records.get(collection)?.get(key)?.slice());
  }

  async put(collection: string, key: string, value: Uint8Array): Promise<void> {
    if (value.length > limits.storeValueBytesMax)
      throw new CaxtonError(
        'LIMIT_EXCEEDED',
        `A value of the state database may have ${limits.storeValueBytesMax} bytes.`,
      );
    // The caller may change its own before they are written.
    const bytes = Uint8Array.from(value);
    return this.#ask(
      [collection, key],
      (records) => put(records, collection, key, bytes),
      () => undefined,
    );
  }

  async delete(collection: string, key: string): Promise<void> {
    const write = (records: Records) => void records.get(collection)?.delete(key);
    return this.#ask([collection, key], write, () => undefined);
  }

  async entries(collection: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]> {
    return this.#ask([collection], undefined, (records) => entriesOf(records, collection));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended) return;
    // What was asked before is answered before.
    const answered = this.#ask([], undefined, () => undefined);
    this.#ended = new CaxtonError('STOPPED', 'The state database is closed.');
    await answered;
  }

  #ask<T>(names: readonly string[], write: Commit['write'], answer: (records: Records) => T): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#waiting.length >= limits.storeRequestsMax)
      return Promise.reject(new CaxtonError('LIMIT_EXCEEDED', 'Too many requests wait for the state database.'));
    if (names.some((name) => name.length > nameCharsMax))
      return Promise.reject(
        new CaxtonError('LIMIT_EXCEEDED', `A name in the state database may have ${nameCharsMax} characters.`),
      );
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ write, reject, settle: (records) => resolve(answer(records)) });
      if (this.#waiting.length === 1) setImmediate(() => this.#commit());
    });
  }

  #commit(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    const { fault } = this;
    // A batch that writes nothing has nothing that could fail.
    if (fault && batch.some(({ write }) => write)) {
      for (const { reject } of batch) reject(fault);
      return;
    }
    for (const { write, settle } of batch) {
      write?.(this.#records);
      settle(this.#records);
    }
  }

  #end(error: CaxtonError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(error);
  }

  #heir(): MemoryStore {
    const heir = new MemoryStore();
    for (const [collection, held] of this.#records) heir.#records.set(collection, new Map(held));
    return heir;
  }
}

function put(records: Records, collection: string, key: string, value: Uint8Array): void {
  const held = records.get(collection) ?? new Map<string, Uint8Array>();
  records.set(collection, held.set(key, value));
}

/** By key, as SQLite orders text: by the bytes of its UTF-8. */
const entriesOf = (records: Records, collection: string): (readonly [key: string, value: Uint8Array])[] =>
  [...(records.get(collection) ?? [])]
    .map(([key, value]) => [key, value.slice()] as const)
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
