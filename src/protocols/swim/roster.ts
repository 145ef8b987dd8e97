import type { NodeId } from '../../names.ts';
import { type Chance, drawBelow, shuffle, swap } from './chance.ts';
import { type MemberRecord, type MemberStatus, viewOf } from './member.ts';
import type { Turn } from './state.ts';

/** All other members that this node remembers, the dead and the departed included. */
export interface Roster {
  readonly records: Map<NodeId, MemberRecord>;
  /** The same records in an order without meaning, for drawing at random. */
  readonly pool: MemberRecord[];
  /** The same records in the shuffled order of the present probing round; those before `roundAt` had their turn. */
  readonly round: MemberRecord[];
  roundAt: number;
  readonly counts: Record<MemberStatus, number>;
}

export const createRoster = (): Roster => ({
  records: new Map(),
  pool: [],
  round: [],
  roundAt: 0,
  counts: { alive: 0, suspect: 0, unreachable: 0, dead: 0, left: 0, revoked: 0 },
});

/** N of the formulas: every member that has not left and is not revoked, this node and the dead included. */
export const rosterSize = ({ records, counts }: Roster): number => 1 + records.size - counts.left - counts.revoked;

/** Adds a newcomer, at a random place of the present round so that joins do not bunch probes. */
export function addMember(turn: Turn, record: MemberRecord): void {
  const { roster, chance } = turn.state;
  roster.records.set(record.nodeId, record);
  roster.pool.push(record);
  roster.round.push(record);
  const last = roster.round.length - 1;
  swap(roster.round, last, roster.roundAt + drawBelow(chance, last - roster.roundAt + 1));
  roster.counts[record.status]++;
  turn.effects.push({ type: 'member.changed', member: viewOf(record) });
}

/** Moves a member to another status, counts it there and tells the shell. */
export function setStatus(turn: Turn, record: MemberRecord, status: MemberStatus): void {
  const { counts } = turn.state.roster;
  counts[record.status]--;
  counts[status]++;
  record.status = status;
  record.sinceMs = turn.now;
  turn.effects.push({ type: 'member.changed', member: viewOf(record) });
}

/** The next member of the round that `eligible` accepts; a new round is shuffled when the old one is through. */
export function nextInRound(
  roster: Roster,
  chance: Chance,
  eligible: (record: MemberRecord) => boolean,
): MemberRecord | undefined {
  for (let looked = 0; looked < roster.round.length; looked++) {
    if (roster.roundAt >= roster.round.length) {
      shuffle(chance, roster.round);
      roster.roundAt = 0;
    }
    const record = roster.round[roster.roundAt++]!;
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
  for (let at = 0; at < pool.length && drawn.length < count; at++) {
    swap(pool, at, at + drawBelow(chance, pool.length - at));
    const record = pool[at]!;
    if (eligible(record)) drawn.push(record);
  }
  return drawn;
}
