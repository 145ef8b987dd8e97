/**
 * What a supervisor does when a child ends: Erlang/OTP’s rules as one pure fold over the history of restarts.
 * Source: OTP’s `supervisor` (stdlib), its design principles, “Restart Strategy” and “Maximum Restart Intensity”.
 */

/** OTP’s restart types: always; unless it ended well; never. */
export type RestartType = 'permanent' | 'transient' | 'temporary';

/** One child alone, or it and those that were started after it. */
export type RestartStrategy = 'one-for-one' | 'rest-for-one';

/** `normal`: it finished; `shutdown`: it was told to, or gave up in order; `crash`: anything else. */
export type ExitReason = 'normal' | 'shutdown' | 'crash';

export interface RestartPolicy {
  readonly strategy: RestartStrategy;
  /** Restarts allowed within `periodMs`; one more and the supervisor gives up. An integer ≥ 0. */
  readonly intensity: number;
  /** Milliseconds, > 0. */
  readonly periodMs: number;
}

/** Times of the restarts that still count, in milliseconds of a clock that never goes back, oldest first. */
export type RestartHistory = readonly number[];

/** One child as the rules see it. */
export interface RestartChild {
  readonly id: string;
  readonly restart: RestartType;
}

export interface ChildExit {
  readonly history: RestartHistory;
  /** Milliseconds of the same clock as the history’s. */
  readonly now: number;
  readonly policy: RestartPolicy;
  /** The child that ended; must be in `children`. */
  readonly id: string;
  readonly reason: ExitReason;
  /** All children in start order, whether they run or not. */
  readonly children: readonly RestartChild[];
}

export type RestartDecision =
  /**
   * Stop `stop` in this order (right to left), drop the specs in `forget`, start `start` in this order (left to
   * right). `stop` holds only siblings: the child itself is gone already.
   */
  | {
      readonly kind: 'restart';
      readonly stop: readonly string[];
      readonly forget: readonly string[];
      readonly start: readonly string[];
    }
  /** It stays down but keeps its spec and place: a transient child that ended well. */
  | { readonly kind: 'leave' }
  /** It stays down and its spec is dropped: a temporary child. */
  | { readonly kind: 'forget' }
  /** Too many restarts: stop every child right to left, then end with reason `shutdown`. */
  | { readonly kind: 'give-up' };

/** An empty history: where every supervisor starts, also after its own restart. */
export const noRestarts: RestartHistory = [];

/**
 * Judges the end of one child. Returns the decision and the history to pass in next time; the history never holds
 * more than `intensity` + 1 times. A start that failed during a restart is judged as another crash of that child.
 */
export function judgeExit(exit: ChildExit): { readonly history: RestartHistory; readonly decision: RestartDecision } {
  const index = exit.children.findIndex((child) => child.id === exit.id);
  const child = exit.children[index];
  if (child === undefined) throw new Error(`judgeExit: no child ${exit.id}`);
  if (child.restart === 'temporary') return { history: exit.history, decision: { kind: 'forget' } };
  if (child.restart === 'transient' && exit.reason !== 'crash') {
    return { history: exit.history, decision: { kind: 'leave' } };
  }
  const history = remember(exit.history, exit.now, exit.policy);
  if (history.length > exit.policy.intensity) return { history, decision: { kind: 'give-up' } };
  if (exit.policy.strategy === 'one-for-one') {
    return { history, decision: { kind: 'restart', stop: [], forget: [], start: [child.id] } };
  }
  return { history, decision: restartFrom(exit.children.slice(index)) };
}

/** The first of `affected` ended; those after it go down with it. The temporary ones among them stay down. */
function restartFrom(affected: readonly RestartChild[]): RestartDecision {
  const later = affected.slice(1).map((child) => child.id);
  return {
    kind: 'restart',
    stop: later.reverse(),
    forget: affected.filter((child) => child.restart === 'temporary').map((child) => child.id),
    start: affected.filter((child) => child.restart !== 'temporary').map((child) => child.id),
  };
}

/** Adds a restart and drops those that are out of the period. A restart exactly one period old still counts. */
function remember(history: RestartHistory, now: number, policy: RestartPolicy): RestartHistory {
  const recent = history.filter((at) => now <= at + policy.periodMs);
  recent.push(now);
  // More than this cannot change a verdict, so the table stays bounded whatever the caller does after a give-up.
  return recent.slice(-(policy.intensity + 1));
}
