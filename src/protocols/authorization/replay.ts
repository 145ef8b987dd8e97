import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';

const wordBits = 32;

/**
 * Which counters of one sender were seen: a sliding window over a ring of bits (RFC 6479), 1 KB a sender. Counters
 * start at 1 within a boot epoch; a higher epoch starts over and a lower one is refused for good.
 *
 * Looking and remembering are apart, because only authenticated and authorised input may move the window: `check`
 * first, verify, then `commit`, which looks again in case a copy was committed in between.
 */
export class ReplayWindow {
  readonly #windowCounters: number;
  readonly #words: number;
  #bits: Uint32Array;
  #epoch = -1;
  #newest = 0;

  /** The window’s width in counters; at least 1. */
  constructor(windowCounters: number = limits.replayWindowCounters) {
    if (!Number.isSafeInteger(windowCounters) || windowCounters < 1)
      throw new RangeError(`not the width of a window: ${windowCounters}`);
    this.#windowCounters = windowCounters;
    // One word more than the window needs: the newest word is cleared as a whole when the window enters it.
    this.#words = Math.ceil(windowCounters / wordBits) + 1;
    this.#bits = new Uint32Array(this.#words);
  }

  /** The boot epoch of the newest committed input; -1 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The highest counter committed in that epoch; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether the input is new. Changes nothing. REPLAYED for an old epoch, a counter seen or behind; MALFORMED. */
  check(epoch: number, counter: number): Result<void> {
    if (!Number.isSafeInteger(epoch) || epoch < 0 || !Number.isSafeInteger(counter) || counter < 1)
      return refuse('MALFORMED', 'Expected a boot epoch from 0 and a counter from 1, both whole numbers.');
    if (epoch > this.#epoch) return ok(undefined);
    if (epoch < this.#epoch)
      return refuse('REPLAYED', `Boot epoch ${epoch} is over; the sender’s newest is ${this.#epoch}.`);
    if (counter > this.#newest) return ok(undefined);
    if (counter <= this.#newest - this.#windowCounters)
      return refuse('REPLAYED', `Counter ${counter} lies behind the window that ends at ${this.#newest}.`);
    const seen = (this.#bits[this.#wordOf(counter)]! & this.#bitOf(counter)) !== 0;
    return seen ? refuse('REPLAYED', `Counter ${counter} was seen before.`) : ok(undefined);
  }

  /** Remembers authenticated input; refuses like `check`, and then remembers nothing. */
  commit(epoch: number, counter: number): Result<void> {
    const checked = this.check(epoch, counter);
    if (!checked.ok) return checked;
    if (epoch > this.#epoch) {
      this.#epoch = epoch;
      this.#newest = 0;
      this.#bits.fill(0);
    }
    if (counter > this.#newest) this.#advance(counter);
    const word = this.#wordOf(counter);
    this.#bits[word] = this.#bits[word]! | this.#bitOf(counter);
    return ok(undefined);
  }

  #advance(counter: number): void {
    const from = Math.floor(this.#newest / wordBits);
    const to = Math.floor(counter / wordBits);
    const entered = Math.min(to - from, this.#words);
    for (let i = 0; i < entered; i++) this.#bits[(to - i) % this.#words] = 0;
    this.#newest = counter;
  }

  #wordOf(counter: number): number {
    return Math.floor(counter / wordBits) % this.#words;
  }

  #bitOf(counter: number): number {
    return 1 << (counter % wordBits);
  }
}
