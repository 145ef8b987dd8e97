import type { Result } from '../../errors.ts';
import type { Message, Ref } from './ref.ts';
import type { ChildSpec, SupervisorSpec } from './spec.ts';

/** The runtime under everything: one tree of actors, their inboxes and the scheduler that drains them. */
export interface Kernel {
  /** Starts the tree; resolves when every child has started, rejects with SUPERVISION when one could not. */
  start(root: SupervisorSpec): Promise<void>;
  /** The address of a place in the tree, whether or not somebody lives there now. */
  ref<M = Message>(path: string): Ref<M>;
  /** Starts a child under a running supervisor; resolves when it has started. ALREADY_EXISTS, STOPPED, SUPERVISION. */
  startChild(supervisorPath: string, spec: ChildSpec): Promise<Result<Ref>>;
  /** Shuts a child down in order and forgets its spec. Resolves when it is gone; an unknown child is fine. */
  stopChild(supervisorPath: string, id: string): Promise<void>;
  /** Everybody alive, in start order, depth first. */
  tree(): readonly ActorView[];
  readonly deadLetters: DeadLetters;
  /** Stops the tree right to left, each child within its shutdown time. Idempotent. */
  stop(): Promise<void>;
  /** Resolves with the reason when the root has ended: by `stop`, or because it gave up. */
  readonly ended: Promise<{ readonly reason: 'stopped' | 'gave-up'; readonly error?: unknown }>;
}

export interface ActorView {
  readonly path: string;
  readonly kind: 'worker' | 'supervisor';
  readonly incarnation: number;
  readonly restarts: number;
  readonly waiting: number;
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
    readonly reason: string;
  }[];
}
