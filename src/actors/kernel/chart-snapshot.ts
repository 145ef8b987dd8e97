import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { parseJson } from '../../protocols/json/text.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { describe } from './occupant.ts';
import type { Ref } from './ref.ts';
import { packed, unpacked } from './stored-json.ts';
import { utf8 } from './utf8.ts';

/** A chart as it can be stored: as XState persists it, and its delayed events, which XState forgets. */
export interface StoredChart {
  readonly snapshot: unknown;
  /** In the order in which they were set, which tells whom a `cancel` means of several with one id. */
  readonly timers: readonly StoredTimer[];
}

/** A delayed event that waits: of `after`, or of `raise` or `sendTo` with a delay. */
export interface StoredTimer {
  /** Ids from the chart down to the child that set it; empty for the chart itself. */
  readonly source: readonly string[];
  /** Who gets the event: someone of the chart, by ids as above, or another actor of the kernel. */
  readonly target: readonly string[] | Ref<never>;
  readonly event: object;
  /** By which the chart can cancel it, if it can. */
  readonly id: string | undefined;
  /** The whole delay, milliseconds. */
  readonly delayMs: number;
  /** What is left of it; less than 0 when overdue. */
  readonly inMs: number;
}

/** What a store gave back: of some version of the chart, and whatever somebody may have made of it since. */
export interface SavedChart {
  /** The `version` of the spec that saved it. */
  readonly version: number;
  readonly chart: Unverified<StoredChart>;
}

/** What a restored chart shows of one of its actors. */
interface Restored {
  getSnapshot(): unknown;
}

/** Of the envelope, not of the chart in it. */
const format = 1;

/** Milliseconds since 1970 that a date can show; also bounds what is computed from a foreign number. */
const timeMsMax = 8_640_000_000_000_000;

/**
 * Writes a chart as JSON text in UTF-8. `now`: milliseconds since 1970, from which the delays are counted on.
 * MALFORMED when something in it is no JSON, LIMIT_EXCEEDED when it is too large, too deep or has too many timers.
 */
export function encodeChart({ snapshot, timers }: StoredChart, version: number, now: number): Result<Uint8Array> {
  if (timers.length > limits.snapshotTimersMax)
    return refuse(
      'LIMIT_EXCEEDED',
      `The chart has ${timers.length} delayed events; at most ${limits.snapshotTimersMax} are saved.`,
    );
  if (hasNameless(snapshot)) return refuse('MALFORMED', 'The chart has spawned a child without an id.');
  if (!timers.every(({ event }) => isDelayable(event)))
    return refuse('MALFORMED', 'The chart delays an event of a type that is XState’s own.');
  try {
    const delayed = timers.map(({ source, target, event, id, delayMs, inMs }) => ({
      source,
      target,
      event,
      id,
      delayMs: Math.min(delayMs, timeMsMax),
      due: Math.min(now + inMs, timeMsMax),
    }));
    const text = JSON.stringify(packed({ format, version, saved: now, chart: snapshot, timers: delayed }));
    const bytes = utf8.encode(text);
    if (bytes.length > limits.snapshotBytesMax)
      return refuse(
        'LIMIT_EXCEEDED',
        `The snapshot has ${bytes.length} bytes; at most ${limits.snapshotBytesMax} are saved.`,
      );
    return ok(bytes);
  } catch (error) {
    if (error instanceof CaxtonError && error.reasons[0] !== undefined) return refuse(error.code, error.reasons[0]);
    return refuse('MALFORMED', 'The chart has a state that is no JSON.');
  }
}

/**
 * Reads what `encodeChart` wrote, perhaps long ago. `refOf` makes the addresses that were in it. MALFORMED or
 * LIMIT_EXCEEDED; NOT_SUPPORTED when the envelope is of a later format.
 */
export function decodeChart(bytes: Uint8Array, now: number, refOf: (path: string) => Ref<never>): Result<SavedChart> {
  if (bytes.length > limits.snapshotBytesMax)
    return refuse(
      'LIMIT_EXCEEDED',
      `The snapshot has ${bytes.length} bytes; at most ${limits.snapshotBytesMax} are read.`,
    );
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return refuse('MALFORMED', 'The snapshot is not UTF-8.');
  }
  const parsed = parseJson(text, { charsMax: limits.snapshotBytesMax, depthMax: limits.snapshotDepthMax });
  if (!parsed.ok) return parsed;
  const envelope = unpacked(parsed.value, refOf);
  if (!isObject(envelope) || typeof envelope.format !== 'number')
    return refuse('MALFORMED', 'The snapshot has not the form of one.');
  if (envelope.format > format)
    return refuse('NOT_SUPPORTED', `The snapshot has format ${envelope.format}; this version reads ${format}.`);
  const { version, chart, timers } = envelope;
  if (envelope.format !== format || !isWhole(version, 1) || !Array.isArray(timers))
    return refuse('MALFORMED', 'The snapshot has not the form of one.');
  if (timers.length > limits.snapshotTimersMax)
    return refuse(
      'LIMIT_EXCEEDED',
      `The snapshot has ${timers.length} delayed events; at most ${limits.snapshotTimersMax} are read.`,
    );
  const read = timers.map((timer: unknown) => timerFrom(timer, now));
  if (!read.every((timer) => timer !== undefined))
    return refuse('MALFORMED', 'A delayed event in the snapshot has not the form of one.');
  return ok({ version, chart: unverified({ snapshot: chart, timers: read }) });
}

/**
 * Judges the form of a chart from a store, or from a migration: that it is of a chart that runs, and that nothing in
 * its frame is other than XState makes it. Whether its states are those of a machine, XState judges. MALFORMED.
 */
export function verifyChart({ unverified: { snapshot, timers } }: Unverified<StoredChart>): Result<StoredChart> {
  if (!isObject(snapshot) || snapshot.status !== 'active')
    return refuse('MALFORMED', 'The snapshot is not of a chart that runs.');
  if (!isSnapshot(snapshot)) return refuse('MALFORMED', 'The snapshot is not one of a chart.');
  if (!Array.isArray(timers) || timers.length > limits.snapshotTimersMax || !timers.every(isTimer))
    return refuse('MALFORMED', 'A delayed event of the snapshot has not the form of one.');
  return ok({ snapshot, timers });
}

/** A stored state that is not one of the chart, such as of states or children that it does not have. */
export class NotRestored extends Error {
  constructor(cause: unknown) {
    super(`The state is not one of this chart: ${describe({ reason: 'crash', error: cause })}`, { cause });
  }
}

/** Throws `NotRestored` when XState could not make this actor of this state, wholly. */
export function mustBeRestored({ snapshot }: StoredChart, actor: Restored): void {
  const now = (actor.getSnapshot() ?? {}) as RestoredFields;
  if (now.status === 'error') throw new NotRestored(now.error);
  const lost = lostPart((snapshot ?? {}) as StoredFields, now);
  if (lost !== undefined) throw new NotRestored(lost);
}

/** The parts of a snapshot that XState may leave out, or begin anew, without a word. */
interface Parts<Child> {
  readonly status?: unknown;
  readonly error?: unknown;
  readonly value?: unknown;
  readonly historyValue?: Readonly<Record<string, readonly unknown[]>>;
  readonly children?: Readonly<Record<string, Child>>;
}
type StoredFields = Parts<{ readonly snapshot?: StoredFields }>;
type RestoredFields = Parts<Restored>;

/**
 * What of a stored snapshot was lost: a state that is another one now, as of a region that is new and would sleep in its
 * first state; a history; or a child whose logic is gone, or does not take its part, and for which the chart would wait
 * for ever.
 */
function lostPart(then: StoredFields, now: RestoredFields): string | undefined {
  if (!isSameValue(then.value, now.value)) return 'it has no such states, or more than were saved.';
  for (const [id, nodes] of Object.entries(then.historyValue ?? {}))
    if (now.historyValue?.[id]?.length !== nodes.length && nodes.length > 0)
      return `the history ${id} cannot be restored.`;
  for (const [id, { snapshot }] of Object.entries(then.children ?? {})) {
    if (snapshot?.status !== 'active') continue;
    const alive = now.children?.[id]?.getSnapshot() as RestoredFields | undefined;
    if (alive === undefined || alive.status === 'error') return `its child ${id} cannot be restored.`;
    const below = lostPart(snapshot, alive);
    if (below !== undefined) return `its child ${id}: ${below}`;
  }
  return undefined;
}

/** Of two state values; `undefined` stands for logic that has none. */
function isSameValue(then: unknown, now: unknown): boolean {
  if (!isObject(then) || !isObject(now)) return then === now;
  const names = Object.keys(then);
  return (
    names.length === Object.keys(now).length &&
    names.every((name) => Object.hasOwn(now, name) && isSameValue(then[name], now[name]))
  );
}

/** XState numbers children that were given no id, beginning anew in each process: two would get the same. */
function hasNameless(snapshot: unknown): boolean {
  const { children } = (snapshot ?? {}) as { readonly children?: Readonly<Record<string, { snapshot?: unknown }>> };
  return Object.entries(children ?? {}).some(
    ([id, child]) => id === 'undefined' || /^x:\d+$/.test(id) || hasNameless(child?.snapshot),
  );
}

function timerFrom(timer: unknown, now: number): StoredTimer | undefined {
  if (!isObject(timer)) return undefined;
  const { source, target, event, id, delayMs, due } = timer;
  if (!isTime(due)) return undefined;
  const read = { source, target, event, id, delayMs, inMs: due - now };
  return isTimer(read) ? read : undefined;
}

function isTimer(timer: unknown): timer is StoredTimer {
  if (!isObject(timer)) return false;
  const { source, target, event, id, delayMs, inMs } = timer;
  return (
    isPath(source) &&
    (isPath(target) || isRef(target)) &&
    isDelayable(event) &&
    (id === undefined || typeof id === 'string') &&
    isTime(delayMs) &&
    delayMs >= 0 &&
    typeof inMs === 'number' &&
    Number.isFinite(inMs)
  );
}

/** What a chart can have delayed, for itself or another: no order of XState’s, such as to stop. */
const isDelayable = (event: unknown): event is Fields =>
  isObject(event) &&
  typeof event.type === 'string' &&
  event.type !== '*' &&
  (!event.type.startsWith('xstate.') || event.type.startsWith('xstate.after.'));

function isSnapshot(snapshot: Fields): boolean {
  const { status, value, children, historyValue } = snapshot;
  if (typeof status !== 'string') return false;
  if (value !== undefined && !isStateValue(value)) return false;
  // A machine has children, be it none; plain logic has neither value nor children.
  if ((value === undefined) !== (children === undefined)) return false;
  if (historyValue !== undefined && !isHistory(historyValue)) return false;
  return children === undefined || (isObject(children) && Object.values(children).every(isChild));
}

const isChild = (child: unknown): boolean =>
  isObject(child) &&
  typeof child.src === 'string' &&
  !(child.src in Object.prototype) &&
  ['string', 'undefined'].includes(typeof child.systemId) &&
  ['boolean', 'undefined'].includes(typeof child.syncSnapshot) &&
  (child.snapshot === undefined || (isObject(child.snapshot) && isSnapshot(child.snapshot)));

const isHistory = (history: unknown): boolean =>
  isObject(history) &&
  Object.values(history).every(
    (nodes) => Array.isArray(nodes) && nodes.every((node) => isObject(node) && typeof node.id === 'string'),
  );

const isStateValue = (value: unknown): boolean =>
  typeof value === 'string' || (isObject(value) && Object.values(value).every(isStateValue));

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isRef = (value: unknown): value is Ref<never> => isObject(value) && typeof value.tell === 'function';
const isPath = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((id) => typeof id === 'string');
const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= timeMsMax;
const isWhole = (value: unknown, min: number): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= min;
