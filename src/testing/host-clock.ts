import type { Clock } from '../actors/kernel/ports.ts';

/**
 * The clock of one host in a world of several: runs on a clock that all share, and can be set wrong, held and stopped
 * without the others. The first makes clock skew, the second a process that is frozen, the third one that was killed.
 */
export class HostClock implements Clock {
  readonly #base: Clock;
  readonly #timers = new Set<{ timer: unknown }>();
  #skewMs: number;
  #stopped = false;
  /** Timers that fell due while the host was held, in order. */
  #held: (() => void)[] | undefined;

  /** `skewMs`: how far this host’s wall clock is ahead of the shared one; negative when it is behind. */
  constructor(base: Clock, skewMs = 0) {
    this.#base = base;
    this.#skewMs = skewMs;
  }

  now(): number {
    return this.#base.now() + this.#skewMs;
  }

  monotonic(): number {
    return this.#base.monotonic();
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const entry: { timer: unknown } = { timer: undefined };
    if (this.#stopped) return entry;
    this.#timers.add(entry);
    const fire = () => {
      if (this.#timers.delete(entry)) callback();
    };
    entry.timer = this.#base.setTimeout(() => {
      if (this.#held) this.#held.push(fire);
      else fire();
    }, delayMs);
    return entry;
  }

  clearTimeout(timer: unknown): void {
    const entry = timer as { timer: unknown } | undefined;
    if (entry !== undefined && this.#timers.delete(entry)) this.#base.clearTimeout(entry.timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Sets this host’s wall clock forward or back; durations and timers do not notice. */
  jump(ms: number): void {
    this.#skewMs += ms;
  }

  /** From now on nothing fires: what falls due waits for `release`. */
  hold(): void {
    this.#held ??= [];
  }

  /** Fires at once what fell due meanwhile, in order. */
  release(): void {
    const due = this.#held ?? [];
    this.#held = undefined;
    for (const fire of due) fire();
  }

  /** No timer of this host fires any more, those of later `setTimeout` calls included. Time still goes on. */
  stop(): void {
    this.#stopped = true;
    for (const { timer } of this.#timers) this.#base.clearTimeout(timer);
    this.#timers.clear();
  }
}
