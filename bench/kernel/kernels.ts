/** What the kernel’s benches share: a kernel of its own, nothing above it. */
import { createKernel, type KernelOptions } from '../../src/actors/kernel/create-kernel.ts';
import type { Kernel } from '../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import type { SupervisorSpec, WorkerSpec } from '../../src/actors/kernel/spec.ts';

export const plainKernel = (options: Partial<KernelOptions> = {}): Kernel =>
  createKernel({ clock: nodeClock, metrics: createMetrics(), ...options });

export const supervisor = (
  children: SupervisorSpec['children'],
  more: Partial<SupervisorSpec> = {},
): SupervisorSpec => ({ kind: 'supervisor', id: 'node', strategy: 'one-for-one', ...more, children });

export const worker = (id: string, logic: WorkerSpec['logic'], more: Partial<WorkerSpec> = {}): WorkerSpec => ({
  kind: 'worker',
  id,
  logic,
  ...more,
});
