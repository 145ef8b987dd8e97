import type { Defer } from '../../../src/actors/kernel/event-loop.ts';
import { fromHandler, type HandlerLogic } from '../../../src/actors/kernel/handler.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import type { Message, Ref } from '../../../src/actors/kernel/ref.ts';
import { settle } from './lab.ts';

/** An actor that keeps what it gets, for a test to look at. */
export interface Probe<M = Message> {
  readonly ref: Ref<M>;
  /** The next message that nobody has expected yet; fails when none comes within `turns` rounds of the event loop. */
  expectMessage(turns?: number): Promise<M>;
  /** Fails when a message comes within `turns` rounds, or has come. */
  expectNoMessage(turns?: number): Promise<void>;
}

/** Starts a probe under a supervisor that runs. */
export async function probe<M = Message>(kernel: Kernel, supervisor: string, id: string): Promise<Probe<M>> {
  const got: M[] = [];
  const logic: HandlerLogic<M> = fromHandler<M>(() => (message) => got.push(message));
  const started = await kernel.startChild(supervisor, { kind: 'worker', id, logic, restart: 'temporary' });
  if (!started.ok) throw new Error(`the probe ${id} did not start: ${started.refusal.reasons.join(' ')}`);
  const ref = kernel.ref<M>(`${supervisor}/${id}`);
  return {
    ref,
    async expectMessage(turns = 50) {
      for (let turn = 0; got.length === 0 && turn < turns; turn += 1) await settle(1);
      if (got.length === 0) throw new Error(`${ref.path} got no message`);
      return got.shift()!;
    },
    async expectNoMessage(turns = 8) {
      await settle(turns);
      if (got.length > 0) throw new Error(`${ref.path} got ${JSON.stringify(got[0])}`);
    },
  };
}

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
