import { Worker } from 'node:worker_threads';
import type { VaultRing } from '../../../crypto/vault.ts';
import { CaxtonError } from '../../../errors.ts';
import type { SegmentReport } from './audit-check.ts';
import type { Segment } from './audit-segment.ts';

/** A segment to be checked, and how much of its file counts. */
export interface CheckRequest {
  readonly segment: Segment;
  readonly bytes: number | undefined;
}

export type CheckAnswer = { readonly report: SegmentReport } | { readonly error: string };

/**
 * Checks segments of this machine’s disk in threads of their own: a long log would otherwise keep everything else of the
 * node waiting, and segments do not depend on each other.
 */
export class CheckThreads {
  readonly #workers: Set<Worker>;
  /** Those that nobody asked anything; a segment goes to whichever is free first, for segments differ in length. */
  readonly #free: Set<Worker>;
  readonly #waiting: ((worker: Worker | undefined) => void)[] = [];

  constructor(vault: VaultRing, threads: number) {
    const name = import.meta.url.endsWith('.ts') ? './audit-check-worker.ts' : './audit-check-worker.js';
    const program = new URL(name, import.meta.url);
    this.#workers = new Set();
    for (let thread = 0; thread < threads; thread += 1) {
      // The flags of the program that embeds the node are not meant for this thread.
      const options = { workerData: { ring: vault.toText() }, name: 'caxton-audit-check', execArgv: [] };
      const worker = new Worker(program, options);
      // An error that nobody listens for, of a thread that nobody asked anything, would be an uncaught exception.
      worker.on('error', () => {}).once('exit', () => this.#ended(worker));
      this.#workers.add(worker);
    }
    this.#free = new Set(this.#workers);
  }

  /**
   * The report on a segment; segments are taken in the order in which they are asked for. FILE_UNREADABLE when the file
   * cannot be read, or no thread is left to read it.
   */
  async check(request: CheckRequest): Promise<SegmentReport> {
    const worker = await this.#next();
    if (worker === undefined) throw unreadable(request, 'no thread is left to check it');
    const answer = await ask(worker, request);
    const next = this.#waiting.shift();
    if (next) next(worker);
    else this.#free.add(worker);
    if ('report' in answer) return answer.report;
    throw unreadable(request, answer.error);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  /** Whichever is free first; `undefined` when none is left. */
  #next(): Promise<Worker | undefined> {
    for (const worker of this.#free) {
      this.#free.delete(worker);
      return Promise.resolve(worker);
    }
    if (this.#workers.size === 0) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #ended(worker: Worker): void {
    this.#workers.delete(worker);
    this.#free.delete(worker);
    if (this.#workers.size > 0) return;
    for (const next of this.#waiting.splice(0)) next(undefined);
  }
}

/** What a thread answers. A thread that ends instead is asked nothing more: what it was asked rejects. */
function ask(worker: Worker, request: CheckRequest): Promise<CheckAnswer> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      act();
    };
    const onMessage = (answer: CheckAnswer) => done(() => resolve(answer));
    const onError = (error: Error) => done(() => reject(unreadable(request, error.message)));
    const onExit = () => done(() => reject(unreadable(request, 'the thread that checked it has ended')));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(request);
  });
}

const unreadable = ({ segment }: CheckRequest, why: string): CaxtonError =>
  new CaxtonError('FILE_UNREADABLE', `${segment.path}: ${why}.`);
