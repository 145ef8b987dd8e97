import { nodeClock } from '../actors/kernel/node-clock.ts';
import { type ManualClock, settle } from './manual-clock.ts';

/** How a test waits. */
export interface Pace {
  /** Milliseconds that a message is waited for when nobody says. */
  readonly expectMs: number;
  /** Milliseconds in which no message may come when nobody says. */
  readonly silenceMs: number;
  /** Lets things happen until `done`, for at most `ms`; whether it came true. */
  until(done: () => boolean, ms: number): Promise<boolean>;
}

/** Rounds of the event loop before a wait in real time becomes a poll. */
const eagerRounds = 16;

/** Real time: waits for 3 s, and 100 ms for silence, as Akka’s probes do. */
export const realPace: Pace = {
  expectMs: 3_000,
  silenceMs: 100,
  async until(done, ms) {
    const end = nodeClock.monotonic() + ms;
    for (let round = 0; !done(); round += 1) {
      if (nodeClock.monotonic() >= end) return false;
      if (round < eagerRounds) await settle(1);
      else await new Promise<void>((resolve) => void nodeClock.setTimeout(resolve, 1));
    }
    return true;
  },
};

/**
 * Virtual time: what is ready happens, and time stands still unless a wait says how long it may take. `run` lets
 * happen what is ready, until `done` if that comes true before.
 */
export function virtualPace(
  clock: ManualClock,
  run: (done: () => boolean) => Promise<void> = async () => await settle(),
): Pace {
  return {
    expectMs: 0,
    silenceMs: 0,
    async until(done, ms) {
      const end = clock.monotonic() + ms;
      for (;;) {
        await run(done);
        if (done()) return true;
        const left = end - clock.monotonic();
        const next = clock.nextInMs;
        if (next !== undefined && next <= left) {
          clock.advance(next);
          continue;
        }
        if (left <= 0) return false;
        clock.advance(left);
      }
    },
  };
}
