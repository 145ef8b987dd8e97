import { type AnyActorLogic, type AnyActorScope, type EventObject, setup } from 'xstate';
import { createKernel, type KernelOptions } from '../../../src/actors/kernel/create-kernel.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import type { Metrics } from '../../../src/actors/kernel/ports.ts';
import type { ChildSpec, SupervisorSpec, WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';

export interface Lab {
  readonly kernel: Kernel;
  readonly clock: ManualClock;
  readonly metrics: Metrics;
  /** What the actors and the kernel wrote down, in order. */
  readonly log: string[];
  readonly strays: unknown[];
}

export function lab(options: Partial<KernelOptions> = {}): Lab {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const log: string[] = [];
  const strays: unknown[] = [];
  const kernel = createKernel({
    clock,
    metrics,
    onRestart: ({ path, reason }) => log.push(`restart ${path} ${reason}`),
    onStray: (error) => strays.push(error),
    ...options,
  });
  return { kernel, clock, metrics, log, strays };
}

export const one = (
  id: string,
  children: readonly ChildSpec[],
  over: Partial<SupervisorSpec> = {},
): SupervisorSpec => ({ kind: 'supervisor', id, strategy: 'one-for-one', intensity: 1, ...over, children });

export const rest = (id: string, children: readonly ChildSpec[], over: Partial<SupervisorSpec> = {}): SupervisorSpec =>
  one(id, children, { strategy: 'rest-for-one', ...over });

export const worker = (id: string, logic: WorkerSpec['logic'], over: Partial<WorkerSpec> = {}): WorkerSpec => ({
  kind: 'worker',
  id,
  logic,
  ...over,
});

/** A chart that logs start and stop, crashes on `crash`, ends on `finish`, and obeys the order to shut down. */
export const polite = (name: string, log: string[]): AnyActorLogic =>
  setup({
    types: { events: {} as { type: 'crash' } | { type: 'finish' } | { type: 'kernel.shutdown' } },
  }).createMachine({
    initial: 'living',
    entry: () => log.push(`start ${name}`),
    states: {
      living: {
        on: {
          crash: {
            actions: () => {
              throw new Error(`${name} crashed`);
            },
          },
          finish: 'gone',
          'kernel.shutdown': { target: 'gone', actions: () => log.push(`stop ${name}`) },
        },
      },
      gone: { type: 'final' },
    },
  });

/** Never ends by itself; logs when it is killed. */
export const stubborn = (name: string, log: string[]): AnyActorLogic => ({
  ...plain(() => {}),
  transition: (snapshot, event) => {
    if (event.type === 'xstate.stop') log.push(`killed ${name}`);
    return snapshot;
  },
});

/** Plain logic: one function for each message, but for the order to shut down, which it obeys. */
export const plain = (
  handle: (message: EventObject & Record<string, unknown>, scope: AnyActorScope) => void,
): AnyActorLogic => ({
  transition: (snapshot, event, scope) => {
    if (event.type === 'kernel.shutdown') return { ...snapshot, status: 'done' };
    if (event.type !== 'xstate.stop') handle(event, scope);
    return snapshot;
  },
  getInitialSnapshot: () => ({ status: 'active', output: undefined, error: undefined }),
  getPersistedSnapshot: (snapshot) => snapshot,
});

/** Waits for a condition, going round the event loop; fails after `deadlineMs` of real time. */
export async function until(condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error('the condition never came true');
    await settle(1);
  }
}

export { settle };
