import { type Refusal, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { DeadLetters } from './kernel.ts';
import type { Clock, Metrics } from './ports.ts';
import { replyRefOf } from './reply-ref.ts';

type DeadLetter = ReturnType<DeadLetters['recent']>[number];

/** Why a message could not be delivered; a closed set, since it labels a metric. */
export type DeadLetterReason =
  /** Nobody lives at its address any more. */
  | 'stopped'
  /** There is no such place. */
  | 'unknown'
  /** A chart’s `sendTo` found the inbox full, and has no way to hear of it. */
  | 'inbox full'
  /** A chart’s `sendTo` was refused for another reason, or what a chart was told is no event. */
  | 'refused'
  /** The inbox drops what does not fit. */
  | 'dropped'
  /** An answer that came after its time, or a second one. */
  | 'late reply'
  /** An answer to an asker whose life has ended. */
  | 'asker gone'
  /** From another node, for a place that is not open to it. */
  | 'not exposed';

/** Messages that strangers wrote, by whom. */
const strangers = new WeakMap<object, string>();

/**
 * From now on, should this message be lost, only its sender is kept: what agents and other nodes write is not for
 * whoever looks at dead letters, and must not be able to fill the memory with them.
 */
export function keepOnlySender(message: object, sender: string): void {
  strangers.set(message, sender);
}

function keptOf(message: unknown): unknown {
  const from = typeof message === 'object' && message !== null ? strangers.get(message) : undefined;
  return from === undefined ? message : { from };
}

/** What is worth a line in the log: a letter, or how many more there were that got no line. */
export type DeadLetterReport =
  | {
      readonly kind: 'letter';
      readonly path: string;
      readonly reason: DeadLetterReason;
      /** It is the last one that gets a line before a pause of `limits.deadLettersPauseMs`. */
      readonly last: boolean;
    }
  | { readonly kind: 'suppressed'; readonly reason: DeadLetterReason; readonly count: number };

/** What was logged for one reason since the last pause. */
interface LogWindow {
  logged: number;
  suppressed: number;
  /** Monotonic milliseconds; when the pause ends. */
  until: number;
}

/**
 * Where messages go that nobody can take any more. Counts all, keeps the newest `keptMax`; the oldest goes. The first
 * ten of a reason are reported one by one, then there is a pause; what came in the pause is reported as a number, with
 * the next letter after it.
 */
export class DeadLetterOffice implements DeadLetters {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #keptMax: number;
  readonly #report: ((report: DeadLetterReport) => void) | undefined;
  readonly #byReason = new Map<DeadLetterReason, number>();
  readonly #windows = new Map<DeadLetterReason, LogWindow>();
  #kept: DeadLetter[] = [];
  #next = 0;
  #count = 0;

  constructor(
    clock: Clock,
    metrics: Metrics,
    report?: (report: DeadLetterReport) => void,
    keptMax: number = limits.deadLettersMax,
  ) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#report = report;
    this.#keptMax = keptMax;
  }

  get count(): number {
    return this.#count;
  }

  byReason(): ReadonlyMap<DeadLetterReason, number> {
    return this.#byReason;
  }

  /** Takes a lost message. If it is a question, its asker is told at once. */
  add(path: string, message: unknown, reason: DeadLetterReason): void {
    this.#count += 1;
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + 1);
    this.#metrics.count('caxton_dead_letters_total', { reason });
    this.#kept[this.#next] = { at: this.#clock.now(), path, message: keptOf(message), reason };
    this.#next = (this.#next + 1) % this.#keptMax;
    if (this.#report !== undefined) this.#log(path, reason);
    replyRefOf(message)?.letDown(lossOf(path, reason));
  }

  recent(): readonly DeadLetter[] {
    return this.#kept.length < this.#keptMax
      ? [...this.#kept]
      : [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
  }

  #log(path: string, reason: DeadLetterReason): void {
    const now = this.#clock.monotonic();
    let window = this.#windows.get(reason);
    if (window === undefined) {
      window = { logged: 0, suppressed: 0, until: 0 };
      this.#windows.set(reason, window);
    }
    if (window.logged >= limits.deadLettersLoggedMax) {
      if (now < window.until) {
        window.suppressed += 1;
        return;
      }
      if (window.suppressed > 0) this.#tell({ kind: 'suppressed', reason, count: window.suppressed });
      window.logged = 0;
      window.suppressed = 0;
    }
    window.logged += 1;
    const last = window.logged === limits.deadLettersLoggedMax;
    if (last) window.until = now + limits.deadLettersPauseMs;
    this.#tell({ kind: 'letter', path, reason, last });
  }

  #tell(report: DeadLetterReport): void {
    try {
      this.#report?.(report);
    } catch {
      // A log that fails must not fail whoever sent a message.
    }
  }
}

function lossOf(path: string, reason: DeadLetterReason): Refusal {
  const full = reason === 'inbox full' || reason === 'dropped';
  return full
    ? refuse('INBOX_FULL', `The inbox of ${path} is full.`).refusal
    : refuse('STOPPED', `Nobody at ${path} could take the question.`).refusal;
}
