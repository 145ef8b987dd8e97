import { isOut, type MemberRecord } from './member.ts';
import { statusOnReturn } from './probation.ts';
import { setStatus } from './roster.ts';
import type { Turn } from './state.ts';
import { clearSuspicion } from './suspicion.ts';

/**
 * Authenticated traffic from a member came in: it outranks every suspicion heard before, and a certified death too.
 * The suspicions themselves are kept until the member refutes: each packet to it carries one, and its next incarnation
 * makes the signatures worthless to whoever might collect them. Who left stays gone until it signs a new alive.
 */
export function recordContact(turn: Turn, record: MemberRecord): void {
  if (turn.state.options.trial?.certified === false) return;
  record.contactTurn = turn.state.turn;
  record.contactMs = turn.now;
  record.outvoted = undefined;
  if (record.status === 'alive' || isOut(record)) return;
  const status = statusOnReturn(turn, record);
  if (record.status === status) return;
  clearSuspicion(turn, record);
  setStatus(turn, record, status);
}
