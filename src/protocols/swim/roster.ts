import type { NodeId } from '../../names.ts';
import type { Chance } from './chance.ts';
import { ArrayDeck, type Deck, drawFrom } from './deck.ts';
import { type MemberRecord, type MemberStatus, viewOf } from './member.ts';
import { noteDeath, noteFailure } from './probation.ts';
import type { Turn } from './state.ts';

/** All other members that this node remembers, the dead and the departed included. */
export interface Roster {
  readonly records: Map<NodeId, MemberRecord>;
  /** The same records, for drawing at random. */
  readonly pool: Deck<MemberRecord>;
  /** The same records by turn in the present probing round: those before `roundAt` had theirs. */
  readonly round: Deck<MemberRecord>;
  roundAt: number;
  readonly counts: Record<MemberStatus, number>;
}

export const createRoster = (): Roster => ({
  records: new Map(),
  pool: new ArrayDeck(),
  round: new ArrayDeck(),
  roundAt: 0,
  counts: { alive: 0, suspect: 0, unreachable: 0, dead: 0, left: 0, revoked: 0 },
});

/** N of the formulas: every member that has not left and is not revoked, this node and the dead included. */
export const rosterSize = ({ records, counts }: Roster): number => 1 + records.size - counts.left - counts.revoked;

/** Adds a newcomer to those who wait for their turn in the present round. */
export function addMember(turn: Turn, record: MemberRecord): void {
  const { roster } = turn.state;
  roster.records.set(record.nodeId, record);
  roster.pool.push(record);
  roster.round.push(record);
  roster.counts[record.status]++;
  turn.effects.push({ type: 'member.changed', member: viewOf(record) });
}

/** Moves a member to another status, counts it there and tells the shell. */
export function setStatus(turn: Turn, record: MemberRecord, status: MemberStatus): void {
  const { counts } = turn.state.roster;
  const before = record.status;
  counts[before]--;
  counts[status]++;
  record.status = status;
  record.sinceMs = turn.now;
  if (status === 'dead') planReach(turn, record);
  const isVerdict = status === 'dead' || status === 'unreachable';
  if (isVerdict && (before === 'alive' || before === 'suspect')) noteFailure(turn, record);
  else if (status === 'dead') noteDeath(turn, record);
  turn.effects.push({ type: 'member.changed', member: viewOf(record) });
}

/** The first contact with a member that died is soon. */
function planReach({ state, now }: Turn, record: MemberRecord): void {
  const { deadProbeIntervalMs } = state.options.config;
  record.reachAtMs = now + deadProbeIntervalMs;
  record.reachIntervalMs = 2 * deadProbeIntervalMs;
  state.nextReachMs = Math.min(state.nextReachMs, record.reachAtMs);
}

/**
 * The next member of the round that `eligible` accepts: each has one turn a round, in an order drawn anew each time.
 * Drawn turn by turn, so that a newcomer’s place is as random as anybody’s (joins do not bunch probes) and no turn costs
 * a shuffle of all.
 */
export function nextInRound(
  roster: Roster,
  chance: Chance,
  eligible: (record: MemberRecord) => boolean,
): MemberRecord | undefined {
  const { round } = roster;
  for (let looked = 0; looked < round.size; looked++) {
    if (roster.roundAt >= round.size) roster.roundAt = 0;
    const record = drawFrom(round, chance, roster.roundAt++);
    if (eligible(record)) return record;
  }
  return undefined;
}

/** Up to `count` distinct members that `eligible` accepts, at random; costs little when most are eligible. */
export function drawMembers(
  roster: Roster,
  chance: Chance,
  count: number,
  eligible: (record: MemberRecord) => boolean,
): MemberRecord[] {
  const { pool } = roster;
  const drawn: MemberRecord[] = [];
  for (let at = 0; at < pool.size && drawn.length < count; at++) {
    const record = drawFrom(pool, chance, at);
    if (eligible(record)) drawn.push(record);
  }
  return drawn;
}
