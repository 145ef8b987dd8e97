import type { SwimEffect, SwimTimer } from '../../../protocols/swim/swim.ts';
import type { AwakeTime } from './awake-time.ts';

/** The timers that the rules have asked for. */
export class RuleTimers {
  readonly #time: AwakeTime;
  readonly #due: (timer: SwimTimer) => void;
  /** By the probe’s number; of those under way. */
  readonly #probeTimeouts = new Map<number, unknown>();

  constructor(time: AwakeTime, due: (timer: SwimTimer) => void) {
    this.#time = time;
    this.#due = due;
  }

  schedule({ timer, delayMs }: Extract<SwimEffect, { type: 'schedule' }>): void {
    const handle = this.#time.setTimeout(() => {
      if (timer.type === 'probe.timeout') this.#probeTimeouts.delete(timer.seq);
      this.#due(timer);
    }, delayMs);
    if (timer.type === 'probe.timeout') this.#probeTimeouts.set(timer.seq, handle);
  }

  cancel({ timer }: Extract<SwimEffect, { type: 'cancel' }>): void {
    this.#time.clearTimeout(this.#probeTimeouts.get(timer.seq));
    this.#probeTimeouts.delete(timer.seq);
  }

  clear(): void {
    this.#time.clear();
    this.#probeTimeouts.clear();
  }
}
