import type { Kernel } from './kernel.ts';
import { occupantOfTurn } from './turn.ts';

/** The part of Node’s `process` that stray throws surface at. */
export interface StraySource {
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  off(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
}

/** What a kernel does with a stray throw that no actor can be charged with. */
const strayReports = new WeakMap<Kernel, (error: unknown) => void>();

/** For `createKernel`: where this kernel reports strays. */
export function reportStraysOf(kernel: Kernel, report: (error: unknown) => void): void {
  strayReports.set(kernel, report);
}

/**
 * Turns uncaught exceptions and unhandled rejections into crashes of the actors that caused them; those of no actor
 * go to the kernel’s `onStray`, and are thrown on when there is none, which ends the process as Node would have.
 * For a process that is a node. An embedder’s process is not ours to rule, so there it is opt-in.
 * Returns the function that undoes it.
 */
export function chargeStrayThrows(kernel: Kernel, source: StraySource): () => void {
  return chargeStraysTo(strayReports.get(kernel), source);
}

/** The same before there is a kernel: agents run while a node starts. */
export function chargeStraysTo(report: ((error: unknown) => void) | undefined, source: StraySource): () => void {
  const charge = (error: unknown): void => {
    const culprit = occupantOfTurn();
    if (culprit !== undefined) {
      culprit.crash(error);
      return;
    }
    if (report === undefined) throw error;
    report(error);
  };
  source.on('uncaughtException', charge);
  source.on('unhandledRejection', charge);
  return () => {
    source.off('uncaughtException', charge);
    source.off('unhandledRejection', charge);
  };
}
