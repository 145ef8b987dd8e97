import { limits } from '../../../limits.ts';
import type { Clock } from '../../kernel/ports.ts';

/** How long nobody has countersigned what a log has: said once when it is too long, and once when it is over. */
export class Loneliness {
  readonly #clock: Clock;
  #sinceMs: number | undefined;
  #isTold = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Nobody has countersigned, and nobody has been told yet. */
  get isGrowing(): boolean {
    return this.#sinceMs !== undefined && !this.#isTold;
  }

  /** For too long. */
  get isLonely(): boolean {
    return this.#isTold;
  }

  /** Whether the newest checkpoint is countersigned; what there is to say about it now. */
  look(isWitnessed: boolean): 'witnessed' | 'unwitnessed' | undefined {
    if (isWitnessed) {
      const wasTold = this.#isTold;
      this.#sinceMs = undefined;
      this.#isTold = false;
      return wasTold ? 'witnessed' : undefined;
    }
    this.#sinceMs ??= this.#clock.monotonic();
    if (this.#isTold || this.#clock.monotonic() - this.#sinceMs < limits.unwitnessedMsMax) return undefined;
    this.#isTold = true;
    return 'unwitnessed';
  }
}
