import type { Refusal } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import type { AutoShutdown } from '../../protocols/restart.ts';
import { HandlerLogic } from './handler.ts';
import { describe } from './occupant.ts';
import type { ChildSpec, InstanceSpec, Persistence, SupervisorSpec, WorkerSpec } from './spec.ts';

/** What is wrong with one field of a spec. */
export interface SpecFault {
  /** Which rule: one name for each field, as OTP’s `{invalid_shutdown, …}`. */
  readonly name:
    | 'invalid-spec'
    | 'invalid-kind'
    | 'invalid-id'
    | 'duplicate-id'
    | 'invalid-logic'
    | 'invalid-restart'
    | 'invalid-shutdown'
    | 'invalid-significant'
    /** Significant, and permanent or under a supervisor that never shuts itself down. */
    | 'bad-combination'
    | 'invalid-started-when'
    | 'invalid-start-timeout'
    | 'invalid-inbox'
    | 'invalid-overflow'
    | 'invalid-persistence'
    | 'invalid-group'
    | 'invalid-strategy'
    | 'invalid-intensity'
    | 'invalid-period'
    | 'invalid-auto-shutdown'
    | 'invalid-backoff'
    | 'invalid-on-started'
    | 'invalid-stop-together'
    | 'invalid-children'
    /** Simple-one-for-one with another number of children than its one template. */
    | 'invalid-template'
    /** Another thing than an `InstanceSpec` for a simple-one-for-one supervisor. */
    | 'invalid-instance'
    | 'too-many-children'
    | 'too-many-specs'
    | 'too-deep';
  /** Of the child whose spec it is. */
  readonly path: string;
  /** A sentence that says what the field should be. */
  readonly reason: string;
}

const restarts: readonly unknown[] = ['permanent', 'transient', 'temporary', undefined];
const strategies: readonly unknown[] = ['one-for-one', 'one-for-all', 'rest-for-one', 'simple-one-for-one'];
const autoShutdowns: readonly unknown[] = ['never', 'any-significant', 'all-significant', undefined];
const overflows: readonly unknown[] = ['refuse', 'drop-oldest', 'drop-newest', 'wait', undefined];
const shutdownWords: readonly unknown[] = ['infinity', 'brutal-kill', undefined];

/** Node’s longest timer; a longer one would fire at once. */
const timerMsMax = 2_147_483_647;

/**
 * Checks a spec and all below it, field by field, as far as `limits.reasonsMax` faults. `parentPath` is the path of
 * the supervisor, or empty for the root; `autoShutdown` the supervisor’s. Types are checked too: specs are also
 * written in plain JavaScript.
 */
export function specFaults(spec: ChildSpec, parentPath: string, autoShutdown?: AutoShutdown): readonly SpecFault[] {
  const found = new Findings();
  try {
    check(spec, parentPath, autoShutdown, found);
  } catch (error) {
    // A trap among its fields.
    found.add({
      name: 'invalid-spec',
      path: parentPath,
      reason: `A spec cannot be read: ${describe({ reason: 'crash', error })}`,
    });
  }
  return found.faults;
}

/** What was found so far. */
class Findings {
  readonly faults: SpecFault[] = [];
  #specs = 0;

  get full(): boolean {
    return this.faults.length >= limits.reasonsMax;
  }

  add(fault: SpecFault): void {
    if (!this.full) this.faults.push(fault);
  }

  /** Whether one more spec may be looked at: a tree that names one part again and again has no end. */
  next(path: string): boolean {
    this.#specs += 1;
    if (this.#specs === limits.treeSpecsMax + 1)
      this.add({ name: 'too-many-specs', path, reason: `A tree has at most ${limits.treeSpecsMax} specs.` });
    return this.#specs <= limits.treeSpecsMax && !this.full;
  }
}

/** The same as a refusal with SUPERVISION; `undefined` when nothing is wrong. */
export function specRefusal(spec: ChildSpec, parentPath: string, autoShutdown?: AutoShutdown): Refusal | undefined {
  return refusalOf(specFaults(spec, parentPath, autoShutdown));
}

/** What is wrong with what `startChild` got for an instance of the template at `path`; `undefined` when nothing is. */
export function instanceRefusal(instance: InstanceSpec, path: string): Refusal | undefined {
  const known = ['id', 'input'];
  if (typeof instance === 'object' && instance !== null && Object.keys(instance).every((key) => known.includes(key)))
    return undefined;
  const reason = 'Its supervisor is simple-one-for-one: an instance has an id and an input, and nothing else.';
  return refusalOf([{ name: 'invalid-instance', path, reason }]);
}

function refusalOf(faults: readonly SpecFault[]): Refusal | undefined {
  const [first, ...more] = faults.map(({ path, name, reason }) => `${path}: ${name}: ${reason}`);
  return first === undefined ? undefined : { code: 'SUPERVISION', reasons: [first, ...more] };
}

function check(spec: ChildSpec, parentPath: string, autoShutdown: AutoShutdown | undefined, found: Findings): void {
  if (!found.next(parentPath)) return;
  if (typeof spec !== 'object' || spec === null) {
    found.add({ name: 'invalid-spec', path: parentPath, reason: 'A child spec is an object.' });
    return;
  }
  const path = `${parentPath}/${String(spec.id).slice(0, limits.headerTextCharsMax)}`;
  const fault: Report = (name, reason) => found.add({ name, path, reason });
  if (typeof spec.id !== 'string' || !isName(spec.id)) {
    fault('invalid-id', 'An id is [a-z0-9][a-z0-9_-]*, at most 63 characters.');
  }
  if (path.split('/').length - 1 > limits.treeDepthMax) {
    fault('too-deep', `A tree has at most ${limits.treeDepthMax} levels.`);
    return;
  }
  checkLife(spec, autoShutdown, fault);
  if (spec.kind === 'worker') checkWorker(spec, fault);
  else if (spec.kind === 'supervisor') checkSupervisor(spec, path, fault, found);
  else fault('invalid-kind', 'kind is worker or supervisor.');
}

/** The fields that workers and supervisors share. */
function checkLife(spec: ChildSpec, autoShutdown: AutoShutdown | undefined, fault: Report): void {
  if (!restarts.includes(spec.restart)) fault('invalid-restart', 'restart is permanent, transient or temporary.');
  if (!shutdownWords.includes(spec.shutdown) && !isWhole(spec.shutdown, 0, timerMsMax)) {
    fault('invalid-shutdown', 'shutdown is whole milliseconds ≥ 0, infinity or brutal-kill.');
  }
  const { significant = false } = spec;
  if (typeof significant !== 'boolean') fault('invalid-significant', 'significant is true or false.');
  else if (significant && (autoShutdown ?? 'never') === 'never') {
    fault('bad-combination', 'A significant child needs a supervisor with auto-shutdown.');
  } else if (significant && (spec.restart ?? 'permanent') === 'permanent') {
    fault('bad-combination', 'A significant child is transient or temporary: a permanent one never ends for good.');
  }
  if (spec.group !== undefined && (typeof spec.group !== 'string' || !isName(spec.group))) {
    fault('invalid-group', 'group is [a-z0-9][a-z0-9_-]*, at most 63 characters.');
  }
}

type Report = (name: SpecFault['name'], reason: string) => void;

/** A spec as it was checked: what its author does with his own later changes nothing. */
export function keptSpec(spec: ChildSpec): ChildSpec {
  return spec.kind === 'worker' ? { ...spec } : { ...spec, children: spec.children.map(keptSpec) };
}

function checkWorker(spec: WorkerSpec, fault: Report): void {
  if (!isLogic(spec.logic)) {
    fault('invalid-logic', 'logic is a machine, another XState actor logic, or made by fromHandler.');
  }
  if (spec.startedWhen !== undefined && typeof spec.startedWhen !== 'function') {
    fault('invalid-started-when', 'startedWhen is a function of a snapshot.');
  } else if (spec.startedWhen !== undefined && spec.logic instanceof HandlerLogic) {
    fault('invalid-started-when', 'startedWhen is for charts: a handler has started when its begin returns.');
  }
  if (spec.startTimeoutMs !== undefined && !isWhole(spec.startTimeoutMs, 1, timerMsMax)) {
    fault('invalid-start-timeout', 'startTimeoutMs is whole milliseconds ≥ 1.');
  }
  if (spec.inboxMessagesMax !== undefined && !isWhole(spec.inboxMessagesMax, 1, Number.MAX_SAFE_INTEGER)) {
    fault('invalid-inbox', 'inboxMessagesMax is a whole number ≥ 1.');
  }
  if (!overflows.includes(spec.overflow)) {
    fault('invalid-overflow', 'overflow is refuse, drop-oldest, drop-newest or wait.');
  }
  if (spec.persistence !== undefined) {
    const wrong = persistenceFault(spec.persistence, spec.logic instanceof HandlerLogic);
    if (wrong !== undefined) fault('invalid-persistence', wrong);
  }
}

function persistenceFault(persistence: Persistence, isHandler: boolean): string | undefined {
  if (isHandler) return 'A handler has no state that the kernel could keep.';
  if (typeof persistence !== 'object' || persistence === null) return 'persistence is an object.';
  const { version, store, key = '.', saveDelayMs = 0, migrate, ifUnreadable, afterCrash } = persistence;
  if (!isWhole(version, 1, Number.MAX_SAFE_INTEGER)) return 'persistence.version is a whole number ≥ 1.';
  const { get, put, delete: remove } = (store ?? {}) as Partial<Record<string, unknown>>;
  if (![get, put, remove].every((method) => typeof method === 'function'))
    return 'persistence.store has get, put and delete.';
  if (typeof key !== 'string' || key === '') return 'persistence.key is a text.';
  if (!isWhole(saveDelayMs, 0, timerMsMax)) return 'persistence.saveDelayMs is whole milliseconds ≥ 0.';
  if (migrate !== undefined && typeof migrate !== 'function') return 'persistence.migrate is a function.';
  if (![undefined, 'fail', 'begin-anew'].includes(ifUnreadable))
    return 'persistence.ifUnreadable is fail or begin-anew.';
  if (![undefined, 'begin-anew', 'restore'].includes(afterCrash))
    return 'persistence.afterCrash is begin-anew or restore.';
  return undefined;
}

function isLogic(logic: unknown): boolean {
  if (logic instanceof HandlerLogic) return typeof logic.begin === 'function';
  const { transition, getInitialSnapshot } = (logic ?? {}) as { transition?: unknown; getInitialSnapshot?: unknown };
  return typeof transition === 'function' && typeof getInitialSnapshot === 'function';
}

function checkSupervisor(spec: SupervisorSpec, path: string, fault: Report, found: Findings): void {
  if (!strategies.includes(spec.strategy)) fault('invalid-strategy', `strategy is ${strategies.join(' or ')}.`);
  if (spec.intensity !== undefined && !isWhole(spec.intensity, 0, limits.restartsRememberedMax)) {
    fault('invalid-intensity', `intensity is a whole number from 0 to ${limits.restartsRememberedMax}.`);
  }
  if (spec.periodMs !== undefined && !isWhole(spec.periodMs, 1, Number.MAX_SAFE_INTEGER)) {
    fault('invalid-period', 'periodMs is whole milliseconds ≥ 1.');
  }
  if (!autoShutdowns.includes(spec.autoShutdown)) {
    fault('invalid-auto-shutdown', 'autoShutdown is never, any-significant or all-significant.');
  }
  if (spec.backoff !== undefined && !isBackoff(spec.backoff)) {
    fault(
      'invalid-backoff',
      'backoff has initialMs and maxMs, whole milliseconds ≥ 1 and ≥ initialMs, and factor ≥ 1.',
    );
  }
  if (spec.onStarted !== undefined && typeof spec.onStarted !== 'function') {
    fault('invalid-on-started', 'onStarted is a function of the number of the life.');
  }
  if (spec.stopTogether !== undefined && typeof spec.stopTogether !== 'boolean') {
    fault('invalid-stop-together', 'stopTogether is true or false.');
  }
  if (!Array.isArray(spec.children)) {
    fault('invalid-children', 'children is a list of specs.');
    return;
  }
  if (spec.children.length > limits.childrenMax) {
    fault('too-many-children', `A supervisor has at most ${limits.childrenMax} children.`);
    return;
  }
  if (spec.strategy === 'simple-one-for-one' && spec.children.length !== 1) {
    fault('invalid-template', 'A simple-one-for-one supervisor has exactly one child spec, the template.');
  }
  const ids = new Set<unknown>();
  for (const child of spec.children) {
    const id: unknown = (child as Partial<ChildSpec> | null | undefined)?.id;
    if (id !== undefined && ids.has(id)) fault('duplicate-id', `Two children are called ${String(id)}.`);
    ids.add(id);
    check(child, path, spec.autoShutdown, found);
  }
}

function isBackoff(backoff: unknown): boolean {
  if (typeof backoff !== 'object' || backoff === null) return false;
  const { initialMs, maxMs, factor, leastMs = 0 } = backoff as Record<string, unknown>;
  return (
    isWhole(initialMs, 1, timerMsMax) &&
    isWhole(maxMs, initialMs as number, timerMsMax) &&
    isWhole(leastMs, 0, maxMs as number) &&
    typeof factor === 'number' &&
    factor >= 1 &&
    Number.isFinite(factor)
  );
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
