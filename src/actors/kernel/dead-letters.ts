import { limits } from '../../limits.ts';
import type { DeadLetters } from './kernel.ts';
import type { Clock, Metrics } from './ports.ts';

type DeadLetter = ReturnType<DeadLetters['recent']>[number];

/** Where messages go that nobody can take any more. Counts all, keeps the newest `keptMax`; the oldest goes. */
export class DeadLetterOffice implements DeadLetters {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #keptMax: number;
  #kept: DeadLetter[] = [];
  #next = 0;
  #count = 0;

  constructor(clock: Clock, metrics: Metrics, keptMax: number = limits.deadLettersMax) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#keptMax = keptMax;
  }

  get count(): number {
    return this.#count;
  }

  /** `reason` comes from a closed set of sentences, since it labels a metric. */
  add(path: string, message: unknown, reason: string): void {
    this.#count += 1;
    this.#metrics.count('caxton_dead_letters_total', { reason });
    this.#kept[this.#next] = { at: this.#clock.now(), path, message, reason };
    this.#next = (this.#next + 1) % this.#keptMax;
  }

  recent(): readonly DeadLetter[] {
    return this.#kept.length < this.#keptMax
      ? [...this.#kept]
      : [...this.#kept.slice(this.#next), ...this.#kept.slice(0, this.#next)];
  }
}
