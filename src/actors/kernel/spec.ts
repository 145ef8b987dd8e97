import type { AnyActorLogic, AnyMachineSnapshot } from 'xstate';
import type { BackoffConfig } from '../../protocols/backoff.ts';
import type { AutoShutdown, RestartStrategy, RestartType } from '../../protocols/restart.ts';
import type { Unverified } from '../../unverified.ts';
import type { StoredChart } from './chart-snapshot.ts';
import type { HandlerLogic } from './handler.ts';
import type { Store } from './ports.ts';
import type { Overflow } from './ref.ts';

/**
 * How long a child may take to reach a final state after `kernel.shutdown`; then it is stopped as it is. A chart that
 * nowhere names this order is stopped at once.
 */
export type ShutdownTime = number | 'infinity' | 'brutal-kill';

/**
 * Keeps the state of a chart in a store, so that it goes on in the next process where it was: in its states, with its
 * context, its children and its delays, each with what is left of it; one that fell due meanwhile fires at once.
 *
 * A life that was stopped by an order, or killed, alone or with its process, goes on. One that ended by itself does
 * not, and neither does one that crashed, unless `afterCrash` says so: OTP’s way out of a bad state is a new one. What
 * waits in the inbox is not kept. A promise that was under way is asked for again, so it may be twice.
 *
 * The state is JSON: plain data, addresses of actors (`Ref`) and errors. A chart that holds anything else, or a child
 * that was spawned without an id or as an object rather than by name, is not saved, and `onSnapshotFault` of the kernel
 * says why.
 */
export interface Persistence {
  /** Of the form of the chart’s state; a whole number ≥ 1, raised when the chart changes so that `migrate` is needed. */
  readonly version: number;
  readonly store: Pick<Store, 'get' | 'put' | 'delete'>;
  /** Default: the actor’s path. Two that live at the same time must not share one. Not for a template. */
  readonly key?: string;
  /**
   * Milliseconds from a change to its save, in which later changes are saved with it; default 1,000. So much may be lost
   * with the process. 0: with the next round of the event loop.
   */
  readonly saveDelayMs?: number;
  /**
   * Makes of a state of an earlier version one of `version`. It is what was read, of which only the frame was looked
   * at. Names of delayed events hold those of states: `xstate.after.1000.order.paid`. A throw is a state that cannot be
   * read. Absent: no earlier version can be read.
   */
  readonly migrate?: (chart: Unverified<StoredChart>, version: number) => StoredChart;
  /** When the state is there but cannot be read, or is of a later version. Default `fail`: a start that failed. */
  readonly ifUnreadable?: 'fail' | 'begin-anew';
  /** Default `begin-anew`. `restore`: as saved before the crash, which may crash it again, until its supervisor gives up. */
  readonly afterCrash?: 'begin-anew' | 'restore';
}

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
  /** For a chart, or another logic of XState’s, whose state outlives the process. */
  readonly persistence?: Persistence;
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
  /**
   * Whether its children, strangers to each other, are told to stop all at once when it stops, as instances of a template
   * are: then all of them together take as long as the slowest one may. Default false: one after the other, as OTP.
   */
  readonly stopTogether?: boolean;
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
