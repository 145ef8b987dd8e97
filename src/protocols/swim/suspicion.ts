import { limits } from '../../limits.ts';
import { withdraw } from './broadcast.ts';
import {
  certifyDead,
  compareCounters,
  type DeadClaim,
  type SignedClaim,
  type SuspectClaim,
  signSuspicion,
  suspicionFrom,
} from './claim.ts';
import type { SwimConfig } from './config.ts';
import { channelTo, sendPacket, spread } from './gossip.ts';
import { isOut, type MemberRecord, standingAccusations } from './member.ts';
import { noteAccused } from './probation.ts';
import { drawMembers, rosterSize, setStatus } from './roster.ts';
import type { SwimState, Turn } from './state.ts';

/**
 * How long an accused member has to refute: the longer, the fewer confirm it (Lifeguard §IV.B). From `max` down to
 * `min` with the logarithm of the confirmations; a small cluster cannot confirm, so it gets `min` at once.
 *
 * @param clusterSize N, this node included
 * @param confirmations accusers beyond the first
 */
export function suspicionTimeoutMs(config: SwimConfig, clusterSize: number, confirmations: number): number {
  const min = shortestSuspicionMs(config, clusterSize);
  const max = config.suspicionMaxMult * min;
  const wanted = confirmationsWanted(config, clusterSize);
  if (wanted < 1) return min;
  return Math.max(min, max - ((max - min) * Math.log(confirmations + 1)) / Math.log(wanted + 1));
}

const shortestSuspicionMs = (config: SwimConfig, clusterSize: number): number =>
  config.suspicionMult * Math.max(1, Math.log10(clusterSize)) * config.probeIntervalMs;

/**
 * memberlist wants `suspicionMult − 2`, so none at all when failures shall be found fast. Here whoever accuses asks others
 * to probe, so two more accusers come soon when a member has failed, and do not when the accuser has.
 */
function confirmationsWanted(config: SwimConfig, clusterSize: number): number {
  const wanted = Math.max(config.suspicionMult, accusersMostWanted + 1) - 2;
  return clusterSize - 2 < wanted ? 0 : wanted;
}

const accusersMostWanted = 3;
/** Timers of the world may come a little early. */
const earlyMsMax = 5;

/** k: how many distinct accusers certify a death among `size` members. Two members can certify nothing. */
export const certificateSize = (size: number): number =>
  size <= 2 ? Number.POSITIVE_INFINITY : Math.min(accusersMostWanted, Math.floor((size - 1) / 2) + 1);

/** k, as this node sees it now. */
const accusersWanted = ({ options, roster }: SwimState): number =>
  options.trial?.certified === false ? 1 : certificateSize(rosterSize(roster));

/**
 * Signs this node’s own suspicion after a failed probe, and asks k+1 random members to probe for themselves: whoever
 * fails too signs as well, until enough have signed. Does nothing while an own suspicion stands.
 */
export function accuse(turn: Turn, record: MemberRecord): void {
  const { self, options, roster, chance } = turn.state;
  const held = record.accusations?.get(self.nodeId);
  if (record.status === 'dead' || isOut(record)) return;
  if (held && held.turn > record.contactTurn) return;
  const { nodeId: node, epoch, incarnation } = record;
  const claim: SuspectClaim = { kind: 'suspect', node, epoch, incarnation, accuser: self.nodeId };
  const suspicion = held?.suspicion ?? signSuspicion(claim, options.sign, options.utf8);
  if (!hold(turn, record, suspicion, true)) return;
  spread(turn, suspicion);
  weigh(turn, record);
  const wanted = Math.min(accusersMostWanted, accusersWanted(turn.state));
  if (standingAccusations(record).length >= wanted) return;
  const eligible = (other: MemberRecord) => other.status === 'alive' && other !== record;
  for (const witness of drawMembers(roster, chance, wanted + 1, eligible)) {
    sendPacket(
      turn,
      witness,
      { kind: 'ping-req', seq: turn.state.nextSeq++, target: node },
      { front: [suspicion], via: channelTo(witness) },
    );
  }
}

/** Takes in the suspicion of another member. Ignored unless it names the very counters that the subject signed last. */
export function hearSuspicion(turn: Turn, record: MemberRecord, suspicion: SignedClaim<SuspectClaim>): void {
  if (!hold(turn, record, suspicion)) return;
  if (standingAccusations(record).length <= repeatedMax(turn.state)) spread(turn, suspicion);
  weigh(turn, record);
}

/**
 * Takes in a death certificate. With fewer accusers than this node needs it counts as that many suspicions. So it does
 * about a member that was heard lately and whose link stands: the certificate may be from the other side of a partition
 * that has just healed, and the accused shall have its time to refute.
 */
export function hearCertificate(turn: Turn, record: MemberRecord, dead: SignedClaim<DeadClaim>): void {
  const { utf8 } = turn.state.options;
  const news: SignedClaim<SuspectClaim>[] = [];
  for (const signature of dead.signatures) {
    const suspicion = suspicionFrom(dead, signature, utf8);
    if (hold(turn, record, suspicion)) news.push(suspicion);
  }
  if (news.length === 0) return;
  if (isCertifiable(turn.state, record) && !wasHeardLately(turn, record)) {
    certify(turn, record);
    return;
  }
  for (const suspicion of news) spread(turn, suspicion);
  weigh(turn, record);
}

/** Shortens a running suspicion when the link to the accused has gone too. */
export function hurry(turn: Turn, record: MemberRecord): void {
  if (record.suspicion) moveDeadline(turn, record);
}

/** Sets the timer of a suspicion anew, for the time that it has left. */
export function resumeSuspicion(turn: Turn, record: MemberRecord): void {
  if (record.suspicion) scheduleExpiry(turn, record, Math.max(0, record.suspicion.deadlineMs - turn.now));
}

/**
 * The time to refute is over: dead when enough have signed, unreachable when this node failed to reach it itself.
 *
 * @returns true when neither holds and this node should first probe for itself; the suspicion goes on meanwhile
 */
export function suspicionExpires(turn: Turn, record: MemberRecord, round: number): boolean {
  const { state, now } = turn;
  const { suspicion } = record;
  if (!suspicion || suspicion.round !== round) return false;
  if (now + earlyMsMax < suspicion.deadlineMs) {
    // Of a deadline that has moved, or of a clock that went faster then: it must not be the last.
    scheduleExpiry(turn, record, suspicion.deadlineMs - now);
    return false;
  }
  if (isCertifiable(state, record)) {
    certify(turn, record);
    return false;
  }
  if (standingAccusations(record).some((accusation) => accusation.suspicion.claim.accuser === state.self.nodeId)) {
    record.suspicion = undefined;
    setStatus(turn, record, 'unreachable');
    return false;
  }
  const extraMs = shortestSuspicionMs(state.options.config, rosterSize(state.roster));
  suspicion.deadlineMs = now + extraMs;
  scheduleExpiry(turn, record, extraMs);
  return true;
}

/** Forgets the suspicion of a member that has shown itself, and stops gossiping it. */
export function clearSuspicion(turn: Turn, record: MemberRecord): void {
  record.suspicion = undefined;
  record.certificate = undefined;
  withdraw(turn.state.broadcasts, record.nodeId, ({ claim }) => claim.kind === 'suspect' || claim.kind === 'dead');
}

/** Accusers worth repeating: enough to shorten the time-out and enough to certify. */
function repeatedMax(state: SwimState): number {
  const confirmations = confirmationsWanted(state.options.config, rosterSize(state.roster));
  return Math.max(1 + confirmations, Math.min(accusersMostWanted, accusersWanted(state)));
}

/** Keeps a suspicion; returns whether it stands now and did not before. `own`: made here just now. */
function hold(turn: Turn, record: MemberRecord, suspicion: SignedClaim<SuspectClaim>, own = false): boolean {
  const { state, now } = turn;
  const { accuser } = suspicion.claim;
  if (record.status === 'dead' || isOut(record)) return false;
  if (compareCounters(suspicion.claim, record) !== 0) return false;
  // This node’s own finding is known here best: what others still repeat of it may be long disproved.
  const accusing = state.roster.records.get(accuser);
  if (!own && (accusing === undefined || isOut(accusing))) return false;
  record.accusations ??= new Map();
  const { accusations } = record;
  const held = accusations.get(accuser);
  if (held) {
    if (held.turn > record.contactTurn) return false;
    // An echo of what traffic has just disproved, still on its way through the cluster.
    if (!own && now - record.contactMs < state.options.config.probeIntervalMs) return false;
    held.turn = state.turn;
    return state.turn > record.contactTurn;
  }
  if (accusations.size >= limits.suspicionsMax && !makeRoom(record, own)) return false;
  accusations.set(accuser, { suspicion, turn: state.turn });
  return state.turn > record.contactTurn;
}

/** Drops an accusation that traffic has outranked; for our own one, any. */
function makeRoom(record: MemberRecord, always: boolean): boolean {
  for (const [accuser, accusation] of record.accusations ?? []) {
    if (always || accusation.turn <= record.contactTurn) return record.accusations!.delete(accuser);
  }
  return false;
}

/** Draws the consequence of new suspicions. */
function weigh(turn: Turn, record: MemberRecord): void {
  const { state, now } = turn;
  noteAccused(turn, record);
  if (record.status === 'unreachable') {
    if (isCertifiable(state, record)) certify(turn, record);
    return;
  }
  if (!record.suspicion) {
    record.suspicion = { startedMs: now, round: state.nextSuspicionRound++, deadlineMs: Number.POSITIVE_INFINITY };
    setStatus(turn, record, 'suspect');
  }
  moveDeadline(turn, record);
}

function moveDeadline(turn: Turn, record: MemberRecord): void {
  const { config } = turn.state.options;
  const suspicion = record.suspicion!;
  const size = rosterSize(turn.state.roster);
  const accusers = standingAccusations(record).length;
  // Neither datagrams nor the link get through: that needs nobody’s confirmation.
  let lastsMs = record.linkLost
    ? shortestSuspicionMs(config, size)
    : suspicionTimeoutMs(config, size, Math.max(0, accusers - 1));
  if (record.linkLost && accusers >= accusersWanted(turn.state)) lastsMs = Math.min(lastsMs, config.suspicionFloorMs);
  const deadlineMs = suspicion.startedMs + lastsMs;
  if (deadlineMs >= suspicion.deadlineMs) return;
  suspicion.deadlineMs = deadlineMs;
  scheduleExpiry(turn, record, Math.max(0, deadlineMs - turn.now));
}

function scheduleExpiry(turn: Turn, record: MemberRecord, delayMs: number): void {
  const timer = { type: 'suspicion', node: record.nodeId, round: record.suspicion!.round } as const;
  turn.effects.push({ type: 'schedule', timer, delayMs: Math.ceil(delayMs) });
}

const wasHeardLately = ({ state, now }: Turn, record: MemberRecord): boolean =>
  !record.linkLost && now - record.contactMs < shortestSuspicionMs(state.options.config, rosterSize(state.roster));

const isCertifiable = (state: SwimState, record: MemberRecord): boolean =>
  standingAccusations(record).length >= accusersWanted(state);

function certify(turn: Turn, record: MemberRecord): void {
  const suspicions = standingAccusations(record).map(({ suspicion }) => suspicion);
  suspicions.sort((a, b) => (a.claim.accuser < b.claim.accuser ? -1 : 1));
  record.certificate = certifyDead(suspicions.slice(0, accusersMostWanted), turn.state.options.utf8);
  record.suspicion = undefined;
  setStatus(turn, record, 'dead');
  spread(turn, record.certificate);
}
