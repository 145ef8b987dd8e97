import type { AnyActorLogic, AnyMachineSnapshot } from 'xstate';
import type { BackoffConfig } from '../../protocols/backoff.ts';
import type { AutoShutdown, RestartStrategy, RestartType } from '../../protocols/restart.ts';
import type { HandlerLogic } from './handler.ts';
import type { Overflow } from './ref.ts';

/** How long a child may take to reach a final state after `kernel.shutdown`; then it is stopped as it is. */
export type ShutdownTime = number | 'infinity' | 'brutal-kill';

export interface WorkerSpec {
  readonly kind: 'worker';
  /** Unique among its siblings; in the grammar of names. */
  readonly id: string;
  /** A chart or another logic of XState’s, or a plain function (`fromHandler`). */
  readonly logic: AnyActorLogic | HandlerLogic<never, never>;
  /** Input of the logic; a function is called anew at each start. */
  readonly input?: unknown;
  /** Default `permanent`. */
  readonly restart?: RestartType;
  /** Milliseconds; default 5,000. */
  readonly shutdown?: ShutdownTime;
  /** Its end for good may end its supervisor: see `SupervisorSpec.autoShutdown`. Default false; never for a permanent one. */
  readonly significant?: boolean;
  /**
   * When the child counts as started, as OTP’s `init` returning: the next sibling starts only then.
   * Absent: as soon as it runs. A crash before that is a start that failed.
   */
  readonly startedWhen?: (snapshot: AnyMachineSnapshot) => boolean;
  /** Milliseconds for `startedWhen`; default 10,000. Past it: a start that failed. */
  readonly startTimeoutMs?: number;
  /** User messages that may wait; default `limits.inboxMessagesMax`. */
  readonly inboxMessagesMax?: number;
  /** What becomes of user messages when that many wait; default `refuse`. */
  readonly overflow?: Overflow;
  /** Those of one group share their turns fairly with the other groups; default: the group of its supervisor. */
  readonly group?: string;
}

export interface SupervisorSpec {
  readonly kind: 'supervisor';
  readonly id: string;
  /** With simple-one-for-one `children` is one template, of which `startChild` makes instances. */
  readonly strategy: RestartStrategy;
  /** More restarts than this within `periodMs` and the supervisor gives up. Default 1 in 5,000 ms, as OTP. */
  readonly intensity?: number;
  readonly periodMs?: number;
  /** Ends with its significant children: with the first of them, or with the last. Default `never`, as OTP. */
  readonly autoShutdown?: AutoShutdown;
  /**
   * A pause before each restart, longer with each restart within `periodMs`, with full jitter. Default: none, as OTP.
   * Meanwhile the child is `restarting`, messages to it wait, and it can be terminated.
   */
  readonly backoff?: BackoffConfig;
  readonly restart?: RestartType;
  /** Default infinity. */
  readonly shutdown?: ShutdownTime;
  readonly significant?: boolean;
  /** The group of all below that name none themselves, such as a tenant; see `WorkerSpec`. */
  readonly group?: string;
  /** Started left to right, stopped right to left. More can be added while it runs. */
  readonly children: readonly ChildSpec[];
  /**
   * Called each time the supervisor has started with these children; `life` is 1 for the first. Children that were added
   * while it ran are gone with the life before, so whoever added them adds them again. Must not throw.
   */
  readonly onStarted?: (life: number) => void;
}

export type ChildSpec = WorkerSpec | SupervisorSpec;

/** What `startChild` takes for a simple-one-for-one supervisor: what is different about this instance. */
export interface InstanceSpec {
  /** Default: the template’s and a number. */
  readonly id?: string;
  /** Default: the template’s. For workers; a function is called anew at each start. */
  readonly input?: unknown;
}
