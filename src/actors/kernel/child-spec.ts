import type { Refusal } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import type { ChildSpec, SupervisorSpec, WorkerSpec } from './spec.ts';

/** What is wrong with one field of a spec. */
export interface SpecFault {
  /** Which rule: one name for each field, as OTP’s `{invalid_shutdown, …}`. */
  readonly name:
    | 'invalid-kind'
    | 'invalid-id'
    | 'duplicate-id'
    | 'invalid-logic'
    | 'invalid-restart'
    | 'invalid-shutdown'
    | 'invalid-started-when'
    | 'invalid-start-timeout'
    | 'invalid-inbox'
    | 'invalid-strategy'
    | 'invalid-intensity'
    | 'invalid-period'
    | 'invalid-children'
    | 'too-many-children'
    | 'too-deep';
  /** Of the child whose spec it is. */
  readonly path: string;
  /** A sentence that says what the field should be. */
  readonly reason: string;
}

const restarts: readonly unknown[] = ['permanent', 'transient', 'temporary', undefined];
const strategies: readonly unknown[] = ['one-for-one', 'rest-for-one'];
const shutdownWords: readonly unknown[] = ['infinity', 'brutal-kill', undefined];

/** Node’s longest timer; a longer one would fire at once. */
const timerMsMax = 2_147_483_647;

/**
 * Checks a spec and all below it, field by field, as far as `limits.reasonsMax` faults. `parentPath` is the path of
 * the supervisor, or empty for the root. Types are checked too: specs are also written in plain JavaScript.
 */
export function specFaults(spec: ChildSpec, parentPath: string): readonly SpecFault[] {
  const faults: SpecFault[] = [];
  check(spec, parentPath, faults);
  return faults.slice(0, limits.reasonsMax);
}

/** The same as a refusal with SUPERVISION; `undefined` when nothing is wrong. */
export function specRefusal(spec: ChildSpec, parentPath: string): Refusal | undefined {
  const [first, ...more] = specFaults(spec, parentPath).map(({ path, name, reason }) => `${path}: ${name}: ${reason}`);
  return first === undefined ? undefined : { code: 'SUPERVISION', reasons: [first, ...more] };
}

function check(spec: ChildSpec, parentPath: string, faults: SpecFault[]): void {
  if (faults.length >= limits.reasonsMax) return;
  const path = `${parentPath}/${String(spec.id)}`;
  const fault = (name: SpecFault['name'], reason: string): void => {
    faults.push({ name, path, reason });
  };
  if (typeof spec.id !== 'string' || !isName(spec.id)) {
    fault('invalid-id', 'An id is [a-z0-9][a-z0-9_-]*, at most 63 characters.');
  }
  if (path.split('/').length - 1 > limits.treeDepthMax) {
    fault('too-deep', `A tree has at most ${limits.treeDepthMax} levels.`);
    return;
  }
  if (!restarts.includes(spec.restart)) fault('invalid-restart', 'restart is permanent, transient or temporary.');
  if (!shutdownWords.includes(spec.shutdown) && !isWhole(spec.shutdown, 0, timerMsMax)) {
    fault('invalid-shutdown', 'shutdown is whole milliseconds ≥ 0, infinity or brutal-kill.');
  }
  if (spec.kind === 'worker') checkWorker(spec, fault);
  else if (spec.kind === 'supervisor') checkSupervisor(spec, path, fault, faults);
  else fault('invalid-kind', 'kind is worker or supervisor.');
}

type Report = (name: SpecFault['name'], reason: string) => void;

function checkWorker(spec: WorkerSpec, fault: Report): void {
  const logic = spec.logic as Partial<WorkerSpec['logic']> | undefined;
  if (typeof logic?.transition !== 'function' || typeof logic.getInitialSnapshot !== 'function') {
    fault('invalid-logic', 'logic is a machine or another XState actor logic.');
  }
  if (spec.startedWhen !== undefined && typeof spec.startedWhen !== 'function') {
    fault('invalid-started-when', 'startedWhen is a function of a snapshot.');
  }
  if (spec.startTimeoutMs !== undefined && !isWhole(spec.startTimeoutMs, 1, timerMsMax)) {
    fault('invalid-start-timeout', 'startTimeoutMs is whole milliseconds ≥ 1.');
  }
  if (spec.inboxMessagesMax !== undefined && !isWhole(spec.inboxMessagesMax, 1, Number.MAX_SAFE_INTEGER)) {
    fault('invalid-inbox', 'inboxMessagesMax is a whole number ≥ 1.');
  }
}

function checkSupervisor(spec: SupervisorSpec, path: string, fault: Report, faults: SpecFault[]): void {
  if (!strategies.includes(spec.strategy)) fault('invalid-strategy', 'strategy is one-for-one or rest-for-one.');
  if (spec.intensity !== undefined && !isWhole(spec.intensity, 0, limits.restartsRememberedMax)) {
    fault('invalid-intensity', `intensity is a whole number from 0 to ${limits.restartsRememberedMax}.`);
  }
  if (spec.periodMs !== undefined && !isWhole(spec.periodMs, 1, Number.MAX_SAFE_INTEGER)) {
    fault('invalid-period', 'periodMs is whole milliseconds ≥ 1.');
  }
  if (!Array.isArray(spec.children)) {
    fault('invalid-children', 'children is a list of specs.');
    return;
  }
  if (spec.children.length > limits.childrenMax) {
    fault('too-many-children', `A supervisor has at most ${limits.childrenMax} children.`);
    return;
  }
  const ids = new Set<string>();
  for (const child of spec.children) {
    if (ids.has(child.id)) fault('duplicate-id', `Two children are called ${child.id}.`);
    ids.add(child.id);
    check(child, path, faults);
  }
}

const isWhole = (value: unknown, min: number, max: number): boolean =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
