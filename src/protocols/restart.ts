import { type BackoffConfig, backoffMs } from './backoff.ts';

/**
 * What a supervisor does when a child ends: Erlang/OTP’s rules as one pure fold over the history of restarts.
 * Source: OTP’s `supervisor` (stdlib), its design principles, “Restart Strategy”, “Maximum Restart Intensity” and
 * “Automatic Shutdown”. The backoff is our own: OTP tries again at once.
 */

/** OTP’s restart types: always; unless it ended well; never. */
export type RestartType = 'permanent' | 'transient' | 'temporary';

/**
 * Who is restarted with a child: nobody; everybody; those that were started after it; nobody, and all children are
 * instances of one template that come and go.
 */
export type RestartStrategy = 'one-for-one' | 'one-for-all' | 'rest-for-one' | 'simple-one-for-one';

/** Whether a supervisor ends by itself when a significant child has ended, or the last of them, for good. */
export type AutoShutdown = 'never' | 'any-significant' | 'all-significant';

/**
 * `normal`: it finished; `shutdown`: it was told to, or gave up in order; `killed`: it was not asked; `crash`:
 * anything else. The last two are abnormal.
 */
export type ExitReason = 'normal' | 'shutdown' | 'killed' | 'crash';

export interface RestartPolicy {
  readonly strategy: RestartStrategy;
  /** Restarts allowed within `periodMs`; one more and the supervisor gives up. An integer ≥ 0. */
  readonly intensity: number;
  /** Milliseconds, > 0. */
  readonly periodMs: number;
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown | undefined;
  /** Waits before each restart, longer with each in the history; absent: none does. */
  readonly backoff?: BackoffConfig | undefined;
}

/** Times of the restarts that still count, in milliseconds of a clock that never goes back, oldest first. */
export type RestartHistory = readonly number[];

/** One child as the rules see it. */
export interface RestartChild {
  readonly id: string;
  readonly restart: RestartType;
  /** Its end may end the supervisor; see `AutoShutdown`. Default false. */
  readonly significant?: boolean;
}

export interface ChildExit {
  readonly history: RestartHistory;
  /** Milliseconds of the same clock as the history’s. */
  readonly now: number;
  readonly policy: RestartPolicy;
  /** The child that ended. */
  readonly child: RestartChild;
  /** How it ended; `failed-restart`: it was being restarted and could not start. */
  readonly reason: ExitReason | 'failed-restart';
  /** Whether another significant child runs or waits to be restarted; only `all-significant` asks. */
  readonly othersSignificant?: boolean;
  /** Uniform in [0, 2^32); only the backoff asks. */
  readonly random?: number;
}

export type RestartDecision =
  /** After `delayMs`, carry out `restartPlan`. Its siblings go down at once. */
  | { readonly kind: 'restart'; readonly delayMs: number }
  /** It stays down but keeps its spec and place: a transient child that ended well. */
  | { readonly kind: 'leave' }
  /** It stays down and its spec is dropped: a temporary child, or an instance of a template. */
  | { readonly kind: 'forget' }
  /** It stays down, and with it the supervisor: stop every child, then end with reason `shutdown`. */
  | { readonly kind: 'auto-shutdown' }
  /** Too many restarts: stop every child, then end with reason `shutdown`. */
  | { readonly kind: 'give-up' };

/** An empty history: where every supervisor starts, also after its own restart. */
export const noRestarts: RestartHistory = [];

/**
 * Judges the end of one child. Returns the decision and the history to pass in next time; the history never holds
 * more than `intensity` + 1 times. A start that failed during a restart counts as another restart, whatever the
 * child’s type and reason, because OTP tries again until the supervisor gives up.
 */
export function judgeExit(exit: ChildExit): { readonly history: RestartHistory; readonly decision: RestartDecision } {
  const { policy, child, reason } = exit;
  const endedWell = reason === 'normal' || reason === 'shutdown';
  if (child.restart === 'temporary' || (child.restart === 'transient' && endedWell)) {
    return { history: exit.history, decision: afterLastEnd(exit) };
  }
  const history = remember(exit.history, exit.now, policy);
  if (history.length > policy.intensity) return { history, decision: { kind: 'give-up' } };
  const delayMs = policy.backoff === undefined ? 0 : backoffMs(history.length, exit.random ?? 0, policy.backoff);
  return { history, decision: { kind: 'restart', delayMs } };
}

function afterLastEnd({ policy, child, othersSignificant }: ChildExit): RestartDecision {
  const { strategy, autoShutdown = 'never' } = policy;
  if (child.significant === true) {
    if (autoShutdown === 'any-significant') return { kind: 'auto-shutdown' };
    if (autoShutdown === 'all-significant' && othersSignificant !== true) return { kind: 'auto-shutdown' };
  }
  const forgotten = child.restart === 'temporary' || strategy === 'simple-one-for-one';
  return { kind: forgotten ? 'forget' : 'leave' };
}

/** Stop `stop` in this order, drop the specs in `forget`, then start `start` in this order until one cannot start. */
export interface RestartPlan {
  /** Right to left; without the child itself, which is gone already. */
  readonly stop: readonly string[];
  /** Temporary ones: they go down with their siblings and never come up again. */
  readonly forget: readonly string[];
  /** Left to right; also those that were down before, as in OTP. */
  readonly start: readonly string[];
}

/**
 * Who goes down and comes up with a child. `children` are all in start order, whether they run or not; one-for-one
 * needs the child alone. Throws when the child is not among them.
 */
export function restartPlan(strategy: RestartStrategy, id: string, children: readonly RestartChild[]): RestartPlan {
  const index = children.findIndex((child) => child.id === id);
  if (index < 0) throw new Error(`restartPlan: no child ${id}`);
  if (strategy === 'one-for-one' || strategy === 'simple-one-for-one') return { stop: [], forget: [], start: [id] };
  const affected = strategy === 'one-for-all' ? children : children.slice(index);
  const stays = (child: RestartChild): boolean => child.restart !== 'temporary';
  return {
    stop: affected
      .map((child) => child.id)
      .filter((other) => other !== id)
      .reverse(),
    forget: affected.filter((child) => !stays(child)).map((child) => child.id),
    start: affected.filter(stays).map((child) => child.id),
  };
}

/** Adds a restart and drops those that are out of the period. A restart exactly one period old still counts. */
function remember(history: RestartHistory, now: number, policy: RestartPolicy): RestartHistory {
  const recent = history.filter((at) => now <= at + policy.periodMs);
  recent.push(now);
  // More than this cannot change a verdict, so the table stays bounded whatever the caller does after a give-up.
  return recent.slice(-(policy.intensity + 1));
}
