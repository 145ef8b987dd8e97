import { backoffMs } from '../../../protocols/link/backoff.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import type { DialTarget } from './peer-connection.ts';
import { keyOf } from './wanted-peers.ts';

/**
 * Peers to look at again a moment after a connection to them is over. An actor that was killed dials nobody any more,
 * and neither does one that could not be started: so somebody has to see to it that whoever is wanted is dialled.
 */
export class Redials {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #dial: (target: DialTarget) => void;
  readonly #timers = new Map<string, unknown>();

  /** `dial` is called once the pause is over, and decides whether anything is to be done. */
  constructor(clock: Clock, random: Random, dial: (target: DialTarget) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#dial = dial;
  }

  /** Looks at it again soon; once, however often this is called meanwhile. */
  later(target: DialTarget): void {
    const key = keyOf(target);
    if (this.#timers.has(key)) return;
    const look = (): void => {
      this.#timers.delete(key);
      this.#dial(target);
    };
    this.#timers.set(key, this.#clock.setTimeout(look, backoffMs(1, this.#random.uint32())));
  }

  clear(): void {
    for (const timer of this.#timers.values()) this.#clock.clearTimeout(timer);
    this.#timers.clear();
  }
}
