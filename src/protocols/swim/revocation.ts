import type { NodeId } from '../../names.ts';
import { withdraw } from './broadcast.ts';
import { certifyDead, type SignedClaim, suspicionFrom } from './claim.ts';
import { type MemberRecord, standingAccusations } from './member.ts';
import { setStatus } from './roster.ts';
import type { SwimState, Turn } from './state.ts';
import { clearSuspicion } from './suspicion.ts';

/**
 * Whether a claim is about a revoked node or carries the signature of one. A death certificate that leans on one counts
 * as a whole for nothing: the suspicions of the others travel on their own as well.
 */
export const leansOnRevoked = ({ revoked, self }: SwimState, { claim, signatures }: SignedClaim): boolean =>
  revoked.size > 0 &&
  ((claim.node !== self.nodeId && revoked.has(claim.node)) || signatures.some(({ signer }) => revoked.has(signer)));

/**
 * From now on these nodes are out, and no others: whoever was suspended and is not any more comes back as what it was. Not
 * probed, not told anything, not counted in N, and nothing that they have signed
 * stands against anybody. Who was certified dead with the help of one stays dead; its certificate is made anew from the
 * signatures that are left.
 */
export function revokeMembers(turn: Turn, nodes: readonly NodeId[]): void {
  const { state } = turn;
  const known = state.revoked;
  const added = nodes.filter((node) => !known.has(node));
  state.revoked = new Set(nodes);
  for (const node of known) if (!state.revoked.has(node)) letIn(turn, state.roster.records.get(node));
  if (added.length === 0) return;
  for (const node of added) {
    state.directoryAsks.delete(node);
    const record = state.roster.records.get(node);
    if (record) putOut(turn, record);
  }
  for (const record of state.roster.records.values()) if (record.status !== 'revoked') acquit(turn, record);
}

function putOut(turn: Turn, record: MemberRecord): void {
  const { certificate } = record;
  clearSuspicion(turn, record);
  // Should it be let in again, it is dead again.
  record.certificate = certificate;
  record.accusations = undefined;
  withdraw(turn.state.broadcasts, record.nodeId, () => true);
  setStatus(turn, record, 'revoked');
}

/** As what it was when it was put out; that it lives is to be shown by the next probe, as of everybody. */
function letIn(turn: Turn, record: MemberRecord | undefined): void {
  if (record?.status !== 'revoked') return;
  setStatus(turn, record, record.leave ? 'left' : record.certificate ? 'dead' : 'alive');
  acquit(turn, record);
}

/** Takes back what revoked nodes have said of a member. */
function acquit(turn: Turn, record: MemberRecord): void {
  const { broadcasts, revoked, options } = turn.state;
  withdraw(broadcasts, record.nodeId, ({ signatures }) => signatures.some(({ signer }) => revoked.has(signer)));
  for (const accuser of record.accusations?.keys() ?? []) if (revoked.has(accuser)) record.accusations?.delete(accuser);
  const { certificate } = record;
  if (certificate?.signatures.some(({ signer }) => revoked.has(signer))) {
    const left = certificate.signatures.filter(({ signer }) => !revoked.has(signer));
    const suspicions = left.map((signature) => suspicionFrom(certificate, signature, options.utf8));
    record.certificate = suspicions.length === 0 ? undefined : certifyDead(suspicions, options.utf8);
  }
  if (record.status !== 'suspect' || standingAccusations(record).length > 0) return;
  clearSuspicion(turn, record);
  setStatus(turn, record, 'alive');
}
