import { CaxtonError, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { decodeChart, encodeChart, type SavedChart, type StoredChart } from './chart-snapshot.ts';
import type { Clock, Metrics } from './ports.ts';
import type { Ref } from './ref.ts';
import type { Persistence } from './spec.ts';
import { outsideTurns } from './turn.ts';

/** A chart’s state that could not be saved, removed or restored. */
export interface SnapshotFault {
  readonly path: string;
  readonly refusal: Refusal;
}

const collection = 'charts';

/** Keys in use, of each store: also by other kernels of this process. */
const claims = new WeakMap<object, Set<string>>();

/**
 * Where the charts of one kernel keep their state. Requests for one key are made one after the other, whatever life
 * makes them, so that a life begins with what the one before has left, and nothing older can come after it.
 */
export class ChartShelf {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #refOf: (path: string) => Ref<never>;
  readonly #report: ((fault: SnapshotFault) => void) | undefined;
  /** The last request for each key that is under way. */
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #writes = new Set<Promise<unknown>>();

  constructor(
    clock: Clock,
    metrics: Metrics,
    refOf: (path: string) => Ref<never>,
    report: ((fault: SnapshotFault) => void) | undefined,
  ) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#refOf = refOf;
    this.#report = report;
  }

  /** False when somebody alive keeps a state under this key already. */
  claim({ store }: Persistence, key: string): boolean {
    const keys = claims.get(store) ?? new Set();
    claims.set(store, keys);
    return !keys.has(key) && keys.add(key).has(key);
  }

  release({ store }: Persistence, key: string): void {
    claims.get(store)?.delete(key);
  }

  /** What was saved under the key; `undefined` when nothing was. As the store refuses, or `decodeChart`; TIMED_OUT. */
  async load({ store }: Persistence, key: string): Promise<Result<SavedChart | undefined>> {
    const read = await this.#request(key, () => store.get(collection, key));
    if (!read.ok || read.value === undefined) return read as Result<undefined>;
    if (!(read.value instanceof Uint8Array)) return refuse('MALFORMED', 'The store gave back what is no bytes.');
    return decodeChart(read.value, this.#clock.now(), this.#refOf);
  }

  /** Resolves when it survives a power cut. As the store refuses, or `encodeChart`; TIMED_OUT. */
  save({ store, version }: Persistence, key: string, chart: StoredChart): Promise<Result<void>> {
    const encoded = encodeChart(chart, version, this.#clock.now());
    if (!encoded.ok) return Promise.resolve(encoded);
    return this.#write(this.#request(key, () => store.put(collection, key, encoded.value)));
  }

  remove({ store }: Persistence, key: string): Promise<Result<void>> {
    return this.#write(this.#request(key, () => store.delete(collection, key)));
  }

  /** Somebody should know. */
  fault(path: string, refusal: Refusal): void {
    this.#metrics.count('caxton_snapshot_faults_total', { code: refusal.code });
    try {
      this.#report?.({ path, refusal });
    } catch {
      // A listener that fails must not stop an actor.
    }
  }

  /** Resolves when no save and no removal is under way any more. */
  async settled(): Promise<void> {
    while (this.#writes.size > 0) await Promise.all(this.#writes);
  }

  #write(request: Promise<Result<void>>): Promise<Result<void>> {
    this.#writes.add(request);
    return request.finally(() => this.#writes.delete(request));
  }

  async #request<T>(key: string, ask: () => Promise<T>): Promise<Result<T>> {
    const before = this.#last.get(key);
    const asked = (before ?? Promise.resolve()).then(() => this.#answer(ask));
    this.#last.set(key, asked);
    const answer = await asked;
    if (this.#last.get(key) === asked) this.#last.delete(key);
    return answer;
  }

  /** A store that never answers must keep no actor from starting and no kernel from stopping. */
  #answer<T>(ask: () => Promise<T>): Promise<Result<T>> {
    return new Promise((resolve) => {
      const late = (): void => resolve(refuse('TIMED_OUT', 'The store of snapshots did not answer in time.'));
      const timer = outsideTurns(() => this.#clock.setTimeout(late, limits.snapshotStoreMsMax));
      const settle = (answer: Result<T>): void => {
        this.#clock.clearTimeout(timer);
        resolve(answer);
      };
      const failed = (error: unknown): void => settle({ ok: false, refusal: refusalOf(error) });
      try {
        ask().then((value) => settle({ ok: true, value }), failed);
      } catch (error) {
        failed(error);
      }
    });
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof CaxtonError && error.reasons[0] !== undefined)
    return { code: error.code, reasons: [error.reasons[0], ...error.reasons.slice(1)] };
  return { code: 'FILE_UNREADABLE', reasons: ['The store of snapshots failed.'] };
}
