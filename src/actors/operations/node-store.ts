import { Worker } from 'node:worker_threads';
import { CaxtonError, type Refusal } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Store } from '../kernel/ports.ts';

/** What the store asks of its worker, in lists: those of one piece of code go together. `id` comes back with the answer. */
export type StoreRequest =
  | { readonly id: number; readonly act: 'get' | 'delete'; readonly collection: string; readonly key: string }
  | {
      readonly id: number;
      readonly act: 'put';
      readonly collection: string;
      readonly key: string;
      readonly value: Uint8Array;
    }
  | { readonly id: number; readonly act: 'entries'; readonly collection: string }
  | { readonly id: number; readonly act: 'close' };

/** One answer: a value, or why there is none. */
export type StoreAnswer =
  | { readonly id: number; readonly value?: unknown }
  | { readonly id: number; readonly refusal: Refusal };

/** What the worker posts: once whether it could open, then answers, many at a time. */
export type StorePost =
  | { readonly opened: true }
  | { readonly refused: Refusal }
  | { readonly answers: readonly StoreAnswer[] };

type Ask = StoreRequest extends infer R ? (R extends StoreRequest ? Omit<R, 'id'> : never) : never;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: CaxtonError): void;
}

const nameCharsMax = 1_024;

/**
 * Opens the node’s state database at `path`, made with mode 0600 when it is not there. SQLite waits for the disk at
 * each commit, so it lives in a thread of its own; writes that arrive together share one commit.
 *
 * Rejects with ALREADY_EXISTS when another live process holds it, MALFORMED when it is damaged or not a state
 * database, NOT_SUPPORTED when a newer version wrote it, FILE_UNREADABLE for everything else. Afterwards a write that
 * the disk refuses rejects with FILE_UNREADABLE, and everything rejects with STOPPED once it is closed or its thread
 * is gone.
 */
export async function openNodeStore(path: string): Promise<Store> {
  // Beside this file there is a .ts in a clone and a .js in the package.
  const program = new URL(import.meta.url.endsWith('.ts') ? './store-worker.ts' : './store-worker.js', import.meta.url);
  // The flags of the program that embeds the node are not meant for this thread, and some would keep it from starting.
  const worker = new Worker(program, { workerData: { path }, name: 'caxton-store', execArgv: [] });
  const store = new NodeStore(worker, path);
  await store.opened;
  return store;
}

class NodeStore implements Store {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  /** Asked since the last post. */
  #asked: StoreRequest[] = [];
  #nextId = 1;
  #ended: CaxtonError | undefined;
  #closing: Promise<void> | undefined;
  /** Settles once: whether the database could be opened. */
  readonly opened: Promise<void>;

  constructor(worker: Worker, path: string) {
    this.#worker = worker;
    this.opened = new Promise((resolve, reject) => {
      const end = (cause: unknown): void => {
        const error = gone(path, cause);
        reject(error);
        this.#end(error);
      };
      worker.on('message', (post: StorePost) => {
        if ('answers' in post) for (const answer of post.answers) this.#settle(answer);
        else if ('refused' in post) reject(CaxtonError.from(post.refused));
        else {
          worker.unref();
          resolve();
        }
      });
      worker.once('error', end);
      worker.once('exit', () => end(undefined));
    });
  }

  async get(collection: string, key: string): Promise<Uint8Array | undefined> {
    return (await this.#ask({ act: 'get', collection, key })) as Uint8Array | undefined;
  }

  async put(collection: string, key: string, value: Uint8Array): Promise<void> {
    if (value.length > limits.storeValueBytesMax)
      throw new CaxtonError(
        'LIMIT_EXCEEDED',
        `A value of the state database may have ${limits.storeValueBytesMax} bytes.`,
      );
    // A copy of just these bytes: the caller may change its own, and a view would carry its whole buffer along.
    await this.#ask({ act: 'put', collection, key, value: Uint8Array.from(value) });
  }

  async delete(collection: string, key: string): Promise<void> {
    await this.#ask({ act: 'delete', collection, key });
  }

  async entries(collection: string): Promise<readonly (readonly [key: string, value: Uint8Array])[]> {
    return (await this.#ask({ act: 'entries', collection })) as (readonly [string, Uint8Array])[];
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended) return;
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    // What was asked before is answered before.
    const closed = this.#ask({ act: 'close' });
    this.#ended = new CaxtonError('STOPPED', 'The state database is closed.');
    await closed.finally(() => this.#worker.ref());
    await exited;
  }

  #ask(request: Ask): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#waiting.size >= limits.storeRequestsMax)
      return Promise.reject(new CaxtonError('LIMIT_EXCEEDED', 'Too many requests wait for the state database.'));
    const names =
      request.act === 'close' ? [] : 'key' in request ? [request.collection, request.key] : [request.collection];
    if (names.some((name) => name.length > nameCharsMax))
      return Promise.reject(
        new CaxtonError('LIMIT_EXCEEDED', `A name in the state database may have ${nameCharsMax} characters.`),
      );
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      // Only a thread that owes an answer keeps the process alive.
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(id, { resolve, reject });
      if (this.#asked.push({ id, ...request }) === 1) queueMicrotask(() => this.#post());
    });
  }

  /** A message to a thread costs more than the request in it. */
  #post(): void {
    const requests = this.#asked;
    this.#asked = [];
    this.#worker.postMessage(requests);
  }

  #settle(answer: StoreAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (!waiting) return;
    if ('refusal' in answer) waiting.reject(CaxtonError.from(answer.refusal));
    else waiting.resolve(answer.value);
  }

  #end(error: CaxtonError): void {
    this.#ended ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

const gone = (path: string, cause: unknown): CaxtonError => {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new CaxtonError('STOPPED', `The thread of the state database ${path} has ended${why}.`, { cause });
};
