import { limits } from '../../../limits.ts';

/** Tells a peer that reads slowly, whose bytes go out now and then, from one that does not read at all. */
export class Stall {
  /** Bytes that left this process, as they were when that last grew. */
  #written = 0;
  #sinceMs: number;

  /** `nowMs` is of the monotonic clock, here and below. */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /**
   * To be asked now and then: whether bytes wait and none of them went out for `linkStallMsMax`.
   *
   * @param sentBytes handed to the channel so far.
   * @param waitingBytes not written by it yet.
   */
  lasts(sentBytes: number, waitingBytes: number, nowMs: number): boolean {
    const written = sentBytes - waitingBytes;
    if (waitingBytes === 0 || written > this.#written) {
      this.#written = written;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs >= limits.linkStallMsMax;
  }
}
