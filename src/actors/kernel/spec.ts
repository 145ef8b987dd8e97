import type { AnyActorLogic, AnyMachineSnapshot } from 'xstate';

/** OTP’s terms: always restarted; restarted unless it ended normally; never restarted. */
export type Restart = 'permanent' | 'transient' | 'temporary';
export type Strategy = 'one-for-one' | 'rest-for-one';

/** How long a child may take to reach a final state after `kernel.shutdown`; then it is stopped as it is. */
export type ShutdownTime = number | 'infinity' | 'brutal-kill';

export interface WorkerSpec {
  readonly kind: 'worker';
  /** Unique among its siblings; in the grammar of names. */
  readonly id: string;
  readonly logic: AnyActorLogic;
  /** Input of the logic; a function is called anew at each start. */
  readonly input?: unknown;
  /** Default `permanent`. */
  readonly restart?: Restart;
  /** Milliseconds; default 5,000. */
  readonly shutdown?: ShutdownTime;
  /**
   * When the child counts as started, as OTP’s `init` returning: the next sibling starts only then.
   * Absent: as soon as it runs. A crash before that is a start that failed.
   */
  readonly startedWhen?: (snapshot: AnyMachineSnapshot) => boolean;
  /** Milliseconds for `startedWhen`; default 10,000. Past it: a start that failed. */
  readonly startTimeoutMs?: number;
  /** User messages that may wait; default `limits.inboxMessagesMax`. */
  readonly inboxMessagesMax?: number;
}

export interface SupervisorSpec {
  readonly kind: 'supervisor';
  readonly id: string;
  readonly strategy: Strategy;
  /** More restarts than this within `periodMs` and the supervisor gives up. Default 1 in 5,000 ms, as OTP. */
  readonly intensity?: number;
  readonly periodMs?: number;
  readonly restart?: Restart;
  readonly shutdown?: ShutdownTime;
  /** Started left to right, stopped right to left. More can be added while it runs. */
  readonly children: readonly ChildSpec[];
}

export type ChildSpec = WorkerSpec | SupervisorSpec;
