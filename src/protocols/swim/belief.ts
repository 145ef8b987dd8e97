import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { type AliveClaim, type Claim, compareCounters, type LeaveClaim, type SignedClaim } from './claim.ts';
import { spread } from './gossip.ts';
import { createMember, isOut, type MemberRecord } from './member.ts';
import { noteRefuted, statusOnReturn } from './probation.ts';
import { leansOnRevoked } from './revocation.ts';
import { addMember, setStatus } from './roster.ts';
import { hearAboutSelf, isFromAnotherBoot } from './self.ts';
import type { SwimState, Turn } from './state.ts';
import { clearSuspicion, hearCertificate, hearSuspicion } from './suspicion.ts';

const isOf = <K extends Claim['kind']>(
  signed: SignedClaim,
  kind: K,
): signed is SignedClaim<Extract<Claim, { kind: K }>> => signed.claim.kind === kind;

/**
 * Weighs a verified claim against what is known: newer counters overrule, then leave over dead over suspect over
 * alive. News is gossiped on. Accusations of strangers, and counters that the accused never signed, are ignored.
 */
export function believe(turn: Turn, signed: SignedClaim): void {
  const { state } = turn;
  const record = state.roster.records.get(signed.claim.node);
  if (leansOnRevoked(state, signed)) return;
  if (signed.claim.node === state.self.nodeId) hearAboutSelf(turn, signed);
  else if (isOf(signed, 'alive')) hearAlive(turn, record, signed);
  else if (record && isOf(signed, 'leave')) hearLeave(turn, record, signed);
  else if (record && isOf(signed, 'suspect')) hearSuspicion(turn, record, signed);
  else if (record && isOf(signed, 'dead')) hearCertificate(turn, record, signed);
}

function hearAlive(turn: Turn, record: MemberRecord | undefined, alive: SignedClaim<AliveClaim>): void {
  if (!record) {
    // A full table refuses newcomers: forgetting the dead would let a stale claim bring them back.
    if (turn.state.roster.records.size + 1 >= limits.membersMax) return;
    addMember(turn, createMember(alive, turn.now, turn.restores ? 'unreachable' : 'alive'));
    spread(turn, alive);
    return;
  }
  const order = compareCounters(alive.claim, record);
  if (order === 0 && isOnlyRemembered(record) && !turn.restores) setStatus(turn, record, 'alive');
  if (order <= 0) return;
  if (alive.claim.epoch > record.epoch) record.probation = undefined;
  else noteRefuted(turn, record);
  record.epoch = alive.claim.epoch;
  record.incarnation = alive.claim.incarnation;
  record.alive = alive;
  record.leave = undefined;
  record.accusations = undefined;
  clearSuspicion(turn, record);
  setStatus(turn, record, statusOnReturn(turn, record));
  spread(turn, alive);
}

/** Restored, and neither heard since nor looked for: another member’s word that it lives is enough. */
const isOnlyRemembered = ({ status, accusations, contactTurn, probation }: MemberRecord): boolean =>
  status === 'unreachable' && accusations === undefined && contactTurn === 0 && probation === undefined;

function hearLeave(turn: Turn, record: MemberRecord, leave: SignedClaim<LeaveClaim>): void {
  const order = compareCounters(leave.claim, record);
  if (order < 0 || (order === 0 && record.status === 'left')) return;
  record.epoch = leave.claim.epoch;
  record.incarnation = leave.claim.incarnation;
  record.leave = leave;
  record.accusations = undefined;
  clearSuspicion(turn, record);
  setStatus(turn, record, 'left');
  spread(turn, leave);
}

/**
 * Whether a claim could change anything here, judged before it is verified: gossip repeats itself, and a signature
 * check costs far more than this.
 */
export function isNews(state: SwimState, candidate: Unverified<SignedClaim>): boolean {
  const { claim, signatures } = candidate.unverified;
  if (leansOnRevoked(state, candidate.unverified)) return false;
  const accuses = claim.kind === 'suspect' || claim.kind === 'dead';
  if (claim.node === state.self.nodeId) {
    if (!accuses) return isFromAnotherBoot(state, candidate.unverified);
    return compareCounters(claim, state.self) <= 0;
  }
  const record = state.roster.records.get(claim.node);
  if (!record) return claim.kind === 'alive';
  const order = compareCounters(claim, record);
  if (claim.kind === 'alive') return order > 0 || (order === 0 && isOnlyRemembered(record));
  if (claim.kind === 'leave') return order > 0 || (order === 0 && record.status !== 'left');
  if (order !== 0 || isOut(record) || record.status === 'dead') return false;
  return signatures.some(({ signer }) => signer !== state.self.nodeId && !stands(record, signer));
}

const stands = (record: MemberRecord, accuser: NodeId): boolean =>
  (record.accusations?.get(accuser)?.turn ?? 0) > record.contactTurn;
