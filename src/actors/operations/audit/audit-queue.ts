import type { Refusal, Result } from '../../../errors.ts';
import type { AuditEvent } from '../../../protocols/audit/record.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { AuditPlace } from './audit-draft.ts';

/** An event on its way to the log. Without `answer` nobody waits for it. */
export interface Entry {
  readonly event: AuditEvent;
  readonly answer?: Answer;
}

/** Who waits: told the record’s place once it is durable, or refused; a throw is a bug in the event itself. */
export interface Answer {
  settle(result: Result<AuditPlace>): void;
  fail(error: unknown): void;
  /** Since when it waits, on the monotonic clock. */
  readonly sinceMs: number;
}

/**
 * Events that wait to be written, in order. Bounded; and nobody waits in it longer than `waitMsMax`, because a writer
 * that never comes back must refuse the acts and not hang them.
 */
export class AuditQueue {
  readonly #clock: Clock;
  readonly #recordsMax: number;
  readonly #waitMsMax: number;
  readonly #overdue: Refusal;
  #entries: Entry[] = [];
  #timer: unknown;
  #wake: (() => void) | undefined;
  /** Something changed that the reader has not heard of: it may come just before the reader begins to wait. */
  #woken = false;

  constructor(clock: Clock, bounds: { readonly recordsMax: number; readonly waitMsMax: number }, overdue: Refusal) {
    this.#clock = clock;
    this.#recordsMax = bounds.recordsMax;
    this.#waitMsMax = bounds.waitMsMax;
    this.#overdue = overdue;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** False when it is full. */
  add(entry: Entry): boolean {
    if (this.#entries.length >= this.#recordsMax) return false;
    this.#entries.push(entry);
    if (entry.answer && this.#timer === undefined) this.#watch(this.#waitMsMax);
    this.wake();
    return true;
  }

  /** Takes the oldest that `accepts` takes, at most `count`; the others keep their order. */
  take(count: number, accepts: (entry: Entry) => boolean = () => true): Entry[] {
    const taken: Entry[] = [];
    const left: Entry[] = [];
    for (const entry of this.#entries) (taken.length < count && accepts(entry) ? taken : left).push(entry);
    this.#entries = left;
    if (left.length === 0) this.#unwatch();
    return taken;
  }

  /** Puts entries back before all others, past the bound if it must: they were within it before. */
  putBack(entries: readonly Entry[]): void {
    this.#entries = [...entries, ...this.#entries];
    if (this.#timer === undefined && entries.some(({ answer }) => answer)) this.#watch(this.#waitMsMax);
  }

  /** Refuses everybody who waits, and says how many. What nobody waits for stays. */
  refuse(refusal: Refusal): number {
    this.#unwatch();
    const waiting = this.#entries;
    this.#entries = waiting.filter(({ answer }) => !answer);
    for (const { answer } of waiting) answer?.settle({ ok: false, refusal });
    return waiting.length - this.#entries.length;
  }

  /** Resolves when something is added, `wake` is called or the signal aborts. For one reader. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        this.#woken = false;
        resolve();
      };
      this.#wake = done;
      signal.addEventListener('abort', done);
    });
  }

  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  #watch(delayMs: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#refuseOverdue();
    }, delayMs);
  }

  /** A timer that nobody needs would keep the process alive. */
  #unwatch(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #refuseOverdue(): void {
    const latest = this.#clock.monotonic() - this.#waitMsMax;
    const overdue = this.#entries.filter(({ answer }) => answer && answer.sinceMs <= latest);
    if (overdue.length > 0) {
      const gone = new Set(overdue);
      this.#entries = this.#entries.filter((entry) => !gone.has(entry));
      for (const { answer } of overdue) answer?.settle({ ok: false, refusal: this.#overdue });
    }
    const next = this.#entries.find(({ answer }) => answer)?.answer;
    if (next) this.#watch(next.sinceMs - latest);
  }
}
