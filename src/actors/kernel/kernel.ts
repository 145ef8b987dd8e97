import type { Result } from '../../errors.ts';
import type { AnswerTo, AskOptions, QuestionOf } from './asks.ts';
import type { ChildRefusal } from './child-requests.ts';
import type { ChildCounts, ChildView } from './children.ts';
import type { DeadLetterReason } from './dead-letters.ts';
import type { LifeLinks } from './life-links.ts';
import type { Monitors } from './monitors.ts';
import type { ActorNames } from './names.ts';
import type { ProcessGroups } from './process-groups.ts';
import type { Message, Ref } from './ref.ts';
import type { RemoteNodes } from './remote-nodes.ts';
import type { ChildSpec, InstanceSpec, SupervisorSpec } from './spec.ts';

/** The runtime under everything: one tree of actors, their inboxes and the scheduler that drains them. */
export interface Kernel {
  /** Starts the tree; resolves when every child has started, rejects with SUPERVISION when one could not. */
  start(root: SupervisorSpec): Promise<void>;
  /**
   * The address of a place in the tree, whether or not somebody lives there now; `node-2!/…` of one on another node,
   * which needs a transport.
   */
  ref<M = Message>(path: string): Ref<M>;
  /** Asks an actor and resolves with its answer or a refusal; see `Asks.ask`. */
  ask<Q extends object>(ref: Ref<Q>, message: QuestionOf<Q>, options?: AskOptions): Promise<Result<AnswerTo<Q>>>;
  /** Watches over a life; see `Monitors.monitor`. */
  monitor: Monitors['monitor'];
  /** Lets two lives end together; see `LifeLinks`. */
  link: LifeLinks['link'];
  unlink: LifeLinks['unlink'];
  /** Monitors held by actors and by the program. */
  readonly monitors: number;
  /** What is held for or by other nodes; `undefined` without a transport. */
  readonly remote: RemoteNodes['held'] | undefined;
  /** Names of lives on this node. */
  readonly names: ActorNames;
  /** Groups of lives on this node. */
  readonly groups: ProcessGroups;
  /**
   * Starts a child under a running supervisor, to the right of the others; resolves with its address when it has
   * started. Under simple-one-for-one: an instance of the template. `answer` in the refusal says why not:
   * `already-started`, `already-present` (ALREADY_EXISTS), `invalid-spec`, `start-failed` (SUPERVISION; nothing is left
   * behind), `too-many-children` (LIMIT_EXCEEDED), `stopping`, `no-supervisor` (STOPPED).
   */
  startChild(supervisorPath: string, spec: ChildSpec | InstanceSpec): Promise<Result<Ref, ChildRefusal>>;
  /**
   * Shuts a child down in order and keeps its spec, so that it can be restarted; that of a temporary child and of an
   * instance of a template goes. A child that is down is fine. `not-found`, `simple-one-for-one` (the template’s own
   * id), `stopping`, `no-supervisor`.
   */
  terminateChild(supervisorPath: string, id: string): Promise<Result<void, ChildRefusal>>;
  /**
   * Starts a child that is down. One that cannot start stays down: `start-failed`. `running`, `restarting`,
   * `not-found`, `simple-one-for-one`, `stopping`, `no-supervisor`.
   */
  restartChild(supervisorPath: string, id: string): Promise<Result<Ref, ChildRefusal>>;
  /** Drops the spec of a child that is down. `running`, `restarting`, `not-found`, `simple-one-for-one`, `stopping`. */
  deleteChild(supervisorPath: string, id: string): Promise<Result<void, ChildRefusal>>;
  /** The children of a supervisor in start order, as they are at this moment. `no-supervisor`. */
  whichChildren(supervisorPath: string): Result<readonly ChildView[], ChildRefusal>;
  /** How many children of which kind, as OTP counts them. `no-supervisor`. */
  countChildren(supervisorPath: string): Result<ChildCounts, ChildRefusal>;
  /** Shuts a child down in order and forgets its spec. Resolves when it is gone; an unknown child is fine. */
  stopChild(supervisorPath: string, id: string): Promise<void>;
  /**
   * Ends the life at a path without asking it, as OTP’s `exit(Pid, kill)`: it ends with `killed`, which is abnormal, and
   * so does everybody below it. False when nobody lives there.
   */
  kill(path: string): boolean;
  /**
   * Suspends a place and everybody below, as OTP’s `sys:suspend`: workers are given no user messages, which wait as far
   * as their inboxes take them, and what a chart would do by itself (delays, results of what it invoked) waits too. Time
   * goes on meanwhile. The upper lanes are heard, supervisors supervise, an order to shut down is obeyed, and a crash
   * restarts. A life that begins below, for the first time or again, starts and is then suspended; a handler’s own timers
   * and promises run on. Suspending what is suspended is fine. NOT_FOUND when there is no such place on this node,
   * LIMIT_EXCEEDED when `limits.suspensionsMax` orders are in force.
   */
  suspend(path: string): Result<void>;
  /**
   * Takes back an order to suspend: whoever no other order covers goes on, in a later turn, first with what has waited
   * in its chart. So the resume of a part within a suspended subtree wakes nobody yet. Resuming what is not suspended is
   * fine. NOT_FOUND as above.
   */
  resume(path: string): Result<void>;
  /** The paths whose suspension is in force, in the order in which it was ordered. */
  suspensions(): readonly string[];
  /**
   * Saves the state of a worker that has `persistence`; resolves when it survives a power cut, or with why not: STOPPED
   * (nobody lives there), NOT_SUPPORTED (no persistence), MALFORMED (it holds what is no JSON), LIMIT_EXCEEDED (too large),
   * TIMED_OUT, or as the store refuses.
   */
  save(path: string): Promise<Result<void>>;
  /** Everybody alive, in start order, depth first. */
  tree(): readonly ActorView[];
  readonly deadLetters: DeadLetters;
  /** Whether the whole tree stops: who is told to shut down then is not restarted with a sibling, but over for good. */
  readonly stopping: boolean;
  /** From now on `stopping` holds. For whoever takes the tree down in parts, child by child, before `stop`. */
  beginStop(): void;
  /** Stops the tree right to left, each child within its shutdown time. Idempotent. */
  stop(): Promise<void>;
  /**
   * Resolves when the root has ended. `stopped`: by `stop`, or by its auto-shutdown; `gave-up`: it could not start, there
   * were too many restarts, or it was killed.
   */
  readonly ended: Promise<{ readonly reason: 'stopped' | 'gave-up'; readonly error?: unknown }>;
}

export interface ActorView {
  readonly path: string;
  readonly kind: 'worker' | 'supervisor';
  readonly incarnation: number;
  readonly restarts: number;
  readonly waiting: number;
  /** Whether an order to suspend, for it or for somebody above, is in force. */
  readonly suspended: boolean;
  /** The chart’s state value, or `undefined` for plain logic. */
  readonly state: unknown;
}

export interface DeadLetters {
  /** All that ever were. */
  readonly count: number;
  /** The newest `limits.deadLettersMax`. */
  recent(): readonly {
    readonly at: number;
    readonly path: string;
    readonly message: unknown;
    readonly reason: DeadLetterReason;
  }[];
  /** How many there were for each reason. */
  byReason(): ReadonlyMap<DeadLetterReason, number>;
}
