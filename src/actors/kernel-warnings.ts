import { limits } from '../limits.ts';
import type { KernelOptions } from './kernel/create-kernel.ts';
import type { DeadLetterReport } from './kernel/dead-letters.ts';

/** Where a node says what harms nobody yet and somebody should look into. */
export type Warn = (message: string) => void;

/**
 * What a node’s kernel tells whoever runs the node: messages that were lost, turns that kept everybody waiting, charts
 * that cannot be saved. `stopping`: whether what is lost is lost to an order to stop, and nobody’s mistake.
 */
export const kernelWarnings = (
  warn: Warn,
  stopping: () => boolean,
): Required<Pick<KernelOptions, 'onDeadLetter' | 'onSlowTurn' | 'onSnapshotFault'>> => ({
  onDeadLetter: (report) => {
    if (!stopping()) warn(sentenceOf(report));
  },
  onSlowTurn: ({ path, ms }) => warn(`a turn of ${printable(path)} took ${Math.round(ms)} ms, and all others waited`),
  onSnapshotFault: ({ path, refusal }) =>
    warn(`the state of ${printable(path)} is not kept as it should be: ${refusal.code}: ${refusal.reasons[0]}`),
});

function sentenceOf(report: DeadLetterReport): string {
  if (report.kind === 'suppressed') return `${report.count} more messages were lost (${report.reason})`;
  const pauseMinutes = limits.deadLettersPauseMs / 60_000;
  const pause = report.last ? `; more that are lost so are only counted for ${pauseMinutes} minutes` : '';
  return `a message to ${printable(report.path)} was lost (${report.reason})${pause}`;
}

/** A path may come from another node. */
const printable = (path: string): string => path.replace(/\p{C}/gu, '\uFFFD');
