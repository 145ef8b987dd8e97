import type { NodeId } from '../../src/names.ts';
import { compareCounters, type SignedClaim } from '../../src/protocols/swim/claim.ts';
import type { Member, MemberStatus } from '../../src/protocols/swim/member.ts';
import type { SwimState } from '../../src/protocols/swim/state.ts';
import { verifyClaim } from '../../src/protocols/swim/verification.ts';
import { unverified } from '../../src/unverified.ts';
import { fakeAuthority } from './fake-claims.ts';

/** A promise of the rules was broken. */
export class Broken extends Error {}

/** What must hold after every step of every member; each check costs little, so that nothing runs without them. */
export class Checkers {
  readonly #vouched = new WeakSet<SignedClaim>();
  /** The newest counters that each node has signed. */
  readonly #signed = new Map<NodeId, { epoch: number; incarnation: number }>();
  readonly #seen = new WeakMap<SwimState, Map<NodeId, Member>>();

  /** Every claim that is sent carries the signatures of those who may say so, and no counter that its subject never used. */
  claimSent(claim: SignedClaim): void {
    if (this.#vouched.has(claim)) return;
    this.#vouched.add(claim);
    const verdict = verifyClaim(unverified(claim), fakeAuthority);
    if (!verdict.ok) throw new Broken(`a member sent a false claim: ${verdict.refusal.reasons.join(' ')}`);
    const { kind, node, epoch, incarnation } = claim.claim;
    const newest = this.#signed.get(node);
    if (kind === 'alive' || kind === 'leave') {
      if (!newest || compareCounters(claim.claim, newest) > 0) this.#signed.set(node, { epoch, incarnation });
    } else if (newest && compareCounters(claim.claim, newest) > 0) {
      throw new Broken(`${kind} of ${node} at ${epoch}/${incarnation}, which it never was`);
    }
  }

  /** What one member knows of another only becomes newer, within its boot. `isOut`: it is revoked or suspended now. */
  memberChanged(state: SwimState, member: Member, isOut: boolean): void {
    let seen = this.#seen.get(state);
    if (!seen) {
      seen = new Map();
      this.#seen.set(state, seen);
    }
    const before = seen.get(member.nodeId);
    seen.set(member.nodeId, member);
    if (!before) return;
    const [then, now] = [
      { epoch: before.bootEpoch, incarnation: before.incarnation },
      { epoch: member.bootEpoch, incarnation: member.incarnation },
    ];
    const order = compareCounters(now, then);
    if (order < 0) throw new Broken(`${state.self.nodeId} took ${member.nodeId} back in time`);
    if (isOut && member.status !== 'revoked') {
      throw new Broken(`${state.self.nodeId} forgot that ${member.nodeId} is out`);
    }
    if (before.status === 'left' && member.status !== 'left' && member.status !== 'revoked' && order === 0) {
      throw new Broken(`${state.self.nodeId} brought ${member.nodeId} back after it had left`);
    }
    // Whoever died before it was suspended is as dead when it is let in again, though its accusers may be out by then.
    const isProven = member.accusers.length > 0 || before.status === 'revoked';
    if (member.status === 'dead' && !isProven && state.options.trial?.certified !== false) {
      throw new Broken(`${state.self.nodeId} buried ${member.nodeId} without accusers`);
    }
  }

  /** The counters by status are kept by hand in the rules; here they are counted anew. */
  counts({ roster }: SwimState): void {
    const counted = { alive: 0, suspect: 0, unreachable: 0, dead: 0, left: 0, revoked: 0 };
    for (const { status } of roster.records.values()) counted[status]++;
    for (const status of Object.keys(counted) as MemberStatus[]) {
      if (counted[status] !== roster.counts[status]) throw new Broken(`the count of ${status} members is off`);
    }
  }
}
