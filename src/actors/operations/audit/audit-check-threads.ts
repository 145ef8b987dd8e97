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
  readonly #workers: readonly Worker[];
  /** What each thread was asked last: one request after the other. */
  readonly #turns: Promise<unknown>[];

  constructor(vault: VaultRing, threads: number) {
    const name = import.meta.url.endsWith('.ts') ? './audit-check-worker.ts' : './audit-check-worker.js';
    const program = new URL(name, import.meta.url);
    this.#workers = Array.from({ length: threads }, () => {
      // The flags of the program that embeds the node are not meant for this thread.
      return new Worker(program, { workerData: { ring: vault.toText() }, name: 'caxton-audit-check', execArgv: [] });
    });
    this.#turns = this.#workers.map(() => Promise.resolve());
  }

  /** The report on the `index`th segment; threads take turns. FILE_UNREADABLE when the file cannot be read. */
  check(index: number, request: CheckRequest): Promise<SegmentReport> {
    const at = index % this.#workers.length;
    const asked = this.#turns[at]!.then(() => ask(this.#workers[at]!, request));
    this.#turns[at] = asked.catch(() => undefined);
    return asked;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, request: CheckRequest): Promise<SegmentReport> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => () => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      act();
    };
    const failed = (why: string) => reject(new CaxtonError('FILE_UNREADABLE', `${request.segment.path}: ${why}.`));
    const onMessage = (answer: CheckAnswer) =>
      done(() => ('report' in answer ? resolve(answer.report) : failed(answer.error)))();
    const onError = (error: Error) => done(() => failed(error.message))();
    const onExit = done(() => failed('the thread that checked it has ended'));
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.postMessage(request);
  });
}
