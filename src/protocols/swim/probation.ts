import type { NodeId } from '../../names.ts';
import { drawBelow } from './chance.ts';
import type { MemberRecord, MemberStatus } from './member.ts';
import { rosterSize } from './roster.ts';
import type { SwimState, Turn } from './state.ts';

/**
 * A member that fails, shows itself and fails again (a wire that loses four datagrams of five, a one-way cut that comes
 * and goes) is no use to anybody, and plain SWIM takes it back each time it is heard. Here it is on probation: this node
 * finds it unreachable until a while has passed in which nobody accused it.
 *
 * A first failure costs nothing, and a new boot starts anew. When many fail together it is the network’s fault, and
 * nobody is held.
 */
export interface Probation {
  /** Verdicts against this boot that are not forgotten yet, and when the last one was. */
  failures: number;
  failedMs: number;
  /** Infinite from its failure until it shows itself: only then the while begins. */
  heldUntilMs: number;
  /** A timer waits for its end. */
  isTimed: boolean;
  /** Who accused it within the window, and when last; by age. */
  readonly accusers: Map<NodeId, number>;
}

/** So many distinct accusers within the window are a verdict by themselves, though it refuted them all. */
const accusersMax = 6;
const accusersProlonging = 3;
const windowIntervals = 15;
/** How long nobody may have accused it, in probe intervals: after the second failure, and after more. */
const holdIntervals = 30;
const longHoldIntervals = 60;
/** A failure is forgotten after so long without another. */
const forgiveIntervals = 600;

const unblemished = (): Probation => ({
  failures: 0,
  failedMs: Number.NEGATIVE_INFINITY,
  heldUntilMs: Number.NEGATIVE_INFINITY,
  isTimed: false,
  accusers: new Map(),
});

/** Whether a member that shows itself is not believed yet. */
export const isHeld = ({ probation }: MemberRecord, now: number): boolean =>
  probation !== undefined && now < probation.heldUntilMs;

/** What a member is that has just shown itself. */
export function statusOnReturn(turn: Turn, record: MemberRecord): MemberStatus {
  const { probation } = record;
  if (probation?.heldUntilMs === Number.POSITIVE_INFINITY) holdFromNow(turn, record, probation);
  return isHeld(record, turn.now) ? 'unreachable' : 'alive';
}

/** This node has come to the verdict that a member failed. */
export function noteFailure(turn: Turn, record: MemberRecord): void {
  const { state, now } = turn;
  if (state.options.trial?.certified === false || isCommon(state)) return;
  record.probation ??= unblemished();
  const { probation } = record;
  if (now - probation.failedMs > forgiveIntervals * state.options.config.probeIntervalMs) probation.failures = 0;
  probation.failures++;
  probation.failedMs = now;
  if (probation.failures > 1) probation.heldUntilMs = Number.POSITIVE_INFINITY;
}

/** It died while it was on probation: that begins again when it shows itself. */
export function noteDeath({ now }: Turn, record: MemberRecord): void {
  if (record.probation && isHeld(record, now)) record.probation.heldUntilMs = Number.POSITIVE_INFINITY;
}

/** Enough members accuse it while it is on probation: that begins again. One alone cannot keep it there. */
export function noteAccused(turn: Turn, record: MemberRecord): void {
  const { probation } = record;
  if (!probation || !isHeld(record, turn.now) || probation.heldUntilMs === Number.POSITIVE_INFINITY) return;
  noteAccusers(turn, record, probation);
  if (probation.accusers.size >= accusersProlonging) holdFromNow(turn, record, probation);
}

/**
 * It has signed a new incarnation, which voids what it was accused of. One accuser alone can make it do so all the time;
 * many different ones within a short while cannot all be wrong.
 */
export function noteRefuted(turn: Turn, record: MemberRecord): void {
  const { state, now } = turn;
  // A verdict that was reached counts as one failure, however many have signed it.
  if (record.status !== 'suspect' && record.status !== 'alive') return;
  if (!record.accusations || state.options.trial?.certified === false) return;
  record.probation ??= unblemished();
  const { probation } = record;
  noteAccusers(turn, record, probation);
  if (probation.accusers.size < accusersMax || isHeld(record, now) || isCommon(state)) return;
  probation.failures = Math.max(probation.failures, 2);
  probation.failedMs = now;
  holdFromNow(turn, record, probation);
}

function noteAccusers({ state, now }: Turn, { accusations }: MemberRecord, { accusers }: Probation): void {
  for (const accuser of accusations?.keys() ?? []) {
    accusers.delete(accuser);
    accusers.set(accuser, now);
  }
  const sinceMs = now - windowIntervals * state.options.config.probeIntervalMs;
  for (const [accuser, atMs] of accusers) {
    if (atMs >= sinceMs && accusers.size <= accusersMax) break;
    accusers.delete(accuser);
  }
}

/** A probation was to end now. Returns whether it does: then the member is probed, and with its answer it is alive. */
export function probationEnds(turn: Turn, record: MemberRecord): boolean {
  const { probation } = record;
  if (!probation) return false;
  probation.isTimed = false;
  const leftMs = probation.heldUntilMs - turn.now;
  if (leftMs > 0 && leftMs !== Number.POSITIVE_INFINITY) schedule(turn, record, probation, leftMs);
  return !isHeld(record, turn.now) && record.status === 'unreachable';
}

function holdFromNow(turn: Turn, record: MemberRecord, probation: Probation): void {
  const { state, now } = turn;
  const intervals = probation.failures > 2 ? longHoldIntervals : holdIntervals;
  const holdMs = intervals * state.options.config.probeIntervalMs;
  probation.heldUntilMs = now + holdMs;
  if (!probation.isTimed) schedule(turn, record, probation, holdMs);
}

/** Not all observers at once, or whoever comes back drowns in pings. */
function schedule(turn: Turn, { nodeId }: MemberRecord, probation: Probation, afterMs: number): void {
  probation.isTimed = true;
  const { chance, options } = turn.state;
  const delayMs = Math.ceil(afterMs) + drawBelow(chance, holdIntervals * options.config.probeIntervalMs);
  turn.effects.push({ type: 'schedule', timer: { type: 'probation', node: nodeId }, delayMs });
}

/** So many are gone that it is not their fault. */
const isCommon = ({ roster }: SwimState): boolean => {
  const { suspect, unreachable, dead } = roster.counts;
  return 4 * (suspect + unreachable + dead) > rosterSize(roster);
};
