import type { NodeId } from '../../names.ts';
import type { AliveClaim, DeadClaim, LeaveClaim, MemberAddress, SignedClaim, SuspectClaim } from './claim.ts';
import type { Probation } from './probation.ts';

/**
 * What this node holds of a member. `suspect`: accused, time to refute runs. `unreachable`: this node’s own finding,
 * reversible, enough to stop routing. `dead`: certified by enough accusers. `left`: by its own word. `revoked`: by an
 * authority’s word, for good or until it is resumed.
 */
export type MemberStatus = 'alive' | 'suspect' | 'unreachable' | 'dead' | 'left' | 'revoked';

/** Whether a member does not count any more, neither in N nor as an accuser: it left, or was revoked. */
export const isOut = ({ status }: { readonly status: MemberStatus }): boolean =>
  status === 'left' || status === 'revoked';

/** A member as shown to others: plain data that does not change afterwards. */
export interface Member {
  readonly nodeId: NodeId;
  readonly status: MemberStatus;
  readonly bootEpoch: number;
  readonly incarnation: number;
  readonly addresses: readonly MemberAddress[];
  /** The X25519 public key of the member’s boot, 32 bytes. */
  readonly boxKey: Uint8Array;
  readonly self: boolean;
  /** When the status was reached, by the clock of the inputs. */
  readonly sinceMs: number;
  /** Whose suspicions stand against it now, sorted. */
  readonly accusers: readonly NodeId[];
}

/** The rules’ own record of another member; mutable. */
export interface MemberRecord {
  readonly nodeId: NodeId;
  status: MemberStatus;
  /** The newest counters that the subject itself has signed. */
  epoch: number;
  incarnation: number;
  sinceMs: number;
  alive: SignedClaim<AliveClaim>;
  leave: SignedClaim<LeaveClaim> | undefined;
  certificate: SignedClaim<DeadClaim> | undefined;
  /** Suspicions of the present incarnation by accuser; absent while there are none. */
  accusations: Map<NodeId, Accusation> | undefined;
  suspicion: SuspicionClock | undefined;
  /** The turn and the time of the last authenticated traffic from it; turn 0 for never. */
  contactTurn: number;
  contactMs: number;
  /** Our link to it broke and has not come back. */
  linkLost: boolean;
  /** Middlemen who said that it answers when more said that it does not, since it was last heard itself. */
  outvoted: ReadonlySet<NodeId> | undefined;
  /** Its last answer came over the link because no datagram got through: so gossip goes that way too. */
  overLink: boolean;
  /** Of a dead member: when it is contacted again, and how long after that the next time. */
  reachAtMs: number;
  reachIntervalMs: number;
  /** Absent while nobody has accused it. */
  probation: Probation | undefined;
}

export interface Accusation {
  readonly suspicion: SignedClaim<SuspectClaim>;
  /** The turn in which it was (last) heard; traffic in a later turn outranks it. */
  turn: number;
}

/** The time that an accused member has to refute. */
export interface SuspicionClock {
  readonly startedMs: number;
  /** Tells timers of this suspicion from those of earlier ones. */
  readonly round: number;
  deadlineMs: number;
}

/** A newcomer as its first alive claim shows it. */
export const createMember = (
  alive: SignedClaim<AliveClaim>,
  now: number,
  status: MemberStatus = 'alive',
): MemberRecord => ({
  nodeId: alive.claim.node,
  status,
  epoch: alive.claim.epoch,
  incarnation: alive.claim.incarnation,
  sinceMs: now,
  alive,
  leave: undefined,
  certificate: undefined,
  accusations: undefined,
  suspicion: undefined,
  contactTurn: 0,
  contactMs: Number.NEGATIVE_INFINITY,
  linkLost: false,
  outvoted: undefined,
  overLink: false,
  reachAtMs: Number.POSITIVE_INFINITY,
  reachIntervalMs: 0,
  probation: undefined,
});

/** The suspicions that nothing has outranked: heard after the last authenticated traffic from the accused. */
export function standingAccusations(record: MemberRecord): Accusation[] {
  if (!record.accusations) return [];
  return [...record.accusations.values()].filter((accusation) => accusation.turn > record.contactTurn);
}

/** The public view of a record. */
export const viewOf = (record: MemberRecord): Member => ({
  nodeId: record.nodeId,
  status: record.status,
  bootEpoch: record.epoch,
  incarnation: record.incarnation,
  addresses: record.alive.claim.addresses,
  boxKey: record.alive.claim.boxKey,
  self: false,
  sinceMs: record.sinceMs,
  accusers: standingAccusations(record)
    .map(({ suspicion }) => suspicion.claim.accuser)
    .sort(),
});
