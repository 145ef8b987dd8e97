import type { Defer } from '../../../src/actors/kernel/event-loop.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { type Pace, settle, TestProbe } from '../../../src/testing/index.ts';

/** The lab’s actors take their turns by themselves, while its clock stands still: a wait is some rounds of the loop. */
const lively: Pace = {
  expectMs: 0,
  silenceMs: 0,
  async until(done) {
    for (let round = 0; round < 50 && !done(); round += 1) await settle(1);
    return done();
  },
};

/** Starts a probe under a supervisor of the lab’s kernel. */
export const probe = <M extends object = Message>(kernel: Kernel, under: string, id: string): Promise<TestProbe<M>> =>
  TestProbe.start<M>(kernel, { under, id, pace: lively });

/** The scheduler’s slices in the hand of a test: none runs by itself. */
export interface ManualSlices {
  readonly defer: Defer;
  /** Whether a slice waits. */
  readonly waiting: boolean;
  /** Runs the slice that waits; false when none does. */
  step(): boolean;
  /** Runs slices until none waits; returns how many there were. Fails after `most`. */
  drain(most?: number): number;
}

export function manualSlices(): ManualSlices {
  const slices: (() => void)[] = [];
  const step = (): boolean => {
    const slice = slices.shift();
    slice?.();
    return slice !== undefined;
  };
  return {
    defer: (slice) => void slices.push(slice),
    get waiting() {
      return slices.length > 0;
    },
    step,
    drain(most = 10_000) {
      for (let ran = 0; ran <= most; ran += 1) if (!step()) return ran;
      throw new Error(`the actors still had something to do after ${most} slices`);
    },
  };
}
