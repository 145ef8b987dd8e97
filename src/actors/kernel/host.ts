import type { AnyMachineSnapshot } from 'xstate';
import type { StoredChart } from './chart-snapshot.ts';
import type { Clock } from './ports.ts';

/** Who hears what becomes of a hosted actor. Called on the stack where it happens. */
export interface Host {
  /** It threw, or an error that nobody handled reached it. */
  failed(error: unknown): void;
  /** It reached a final state (`done`) or stopped itself. */
  finished(how: 'done' | 'stopped'): void;
  /** A new snapshot, the first included; only called when asked for. */
  changed(snapshot: AnyMachineSnapshot): void;
}

export interface HostOptions {
  readonly id: string;
  readonly input: unknown;
  /** Drives `after` and delayed sends. */
  readonly clock: Clock;
  /** Whether to call `changed` for plain logic too; for machines it is always called. */
  readonly watched: boolean;
  /** Whether `store` is going to be asked. */
  readonly stored?: boolean;
  /** What to go on from, instead of beginning. */
  readonly restore?: StoredChart | undefined;
}
