import type { NodeId } from '../../names.ts';
import { adjustAwareness } from './awareness.ts';
import {
  type AliveClaim,
  type ClaimSignature,
  compareCounters,
  counterMax,
  type LeaveClaim,
  type SignedClaim,
  signAlive,
  signLeave,
} from './claim.ts';
import { spread } from './gossip.ts';
import type { Member } from './member.ts';
import type { SwimOptions, SwimState, Turn } from './state.ts';

/** What this node says about itself. */
export interface Self {
  readonly nodeId: NodeId;
  readonly epoch: number;
  incarnation: number;
  alive: SignedClaim<AliveClaim>;
  leave: SignedClaim<LeaveClaim> | undefined;
  /** Undefined before the start. */
  sinceMs: number | undefined;
  /** The highest stale epoch that was reported to the shell. */
  staleEpoch: number | undefined;
  /** Who accused this node so that it counted against its health, and when. */
  readonly blamed: Map<NodeId, number>;
}

const firstIncarnation = 1;

/** Signs the first alive claim of this boot. */
export function createSelf(options: SwimOptions): Self {
  const { nodeId, bootEpoch } = options.self;
  return {
    nodeId,
    epoch: bootEpoch,
    incarnation: firstIncarnation,
    alive: signedAlive(options, firstIncarnation),
    leave: undefined,
    sinceMs: undefined,
    staleEpoch: undefined,
    blamed: new Map(),
  };
}

function signedAlive(options: SwimOptions, incarnation: number): SignedClaim<AliveClaim> {
  const { nodeId: node, bootEpoch: epoch, boxKey, addresses } = options.self;
  return signAlive({ kind: 'alive', node, epoch, incarnation, boxKey, addresses }, options.sign, options.utf8);
}

/** Handles a claim about this node: refutes an accusation, notices that an earlier boot was ahead of this one. */
export function hearAboutSelf(turn: Turn, signed: SignedClaim): void {
  const { state } = turn;
  const { claim } = signed;
  if (claim.kind === 'suspect' || claim.kind === 'dead') {
    const order = compareCounters(claim, state.self);
    if (order === 0 && state.mode === 'active') refute(turn, signed.signatures);
    // Whoever accuses a past incarnation has missed the refutation: it goes out again.
    if (order < 0) spread(turn, state.self.leave ?? state.self.alive);
  } else if (isFromAnotherBoot(state, signed)) reportStaleEpoch(turn, claim.epoch);
}

/** A claim that only our key can sign and that this boot did not sign, yet as new as ours: the epoch was used before. */
export function isFromAnotherBoot({ self }: SwimState, { claim, body }: SignedClaim): boolean {
  const order = compareCounters(claim, self);
  const own = claim.kind === 'leave' ? self.leave : self.alive;
  if (order === 0) return own === undefined || !sameBytes(own.body, body);
  return order > 0;
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

function reportStaleEpoch(turn: Turn, known: number): void {
  const { self } = turn.state;
  if (self.staleEpoch !== undefined && self.staleEpoch >= known) return;
  self.staleEpoch = known;
  turn.effects.push({ type: 'epoch-stale', known });
}

/** How long an accuser does not count again against this node’s health. */
const blameMs = 60_000;

/**
 * Accused nodes look at their own health too (Lifeguard §IV.A). Each accuser counts once in a while: one that accuses all
 * of them all the time would slow the failure detection of a whole cluster down.
 */
function takeBlame({ state, now }: Turn, accusers: readonly ClaimSignature[]): void {
  const { blamed } = state.self;
  const isNew = ({ signer }: ClaimSignature) => now - (blamed.get(signer) ?? Number.NEGATIVE_INFINITY) >= blameMs;
  const fresh = accusers.filter(isNew);
  for (const { signer } of fresh) blamed.set(signer, now);
  if (fresh.length > 0) adjustAwareness(state.awareness, 1);
}

/** Raises the incarnation, which voids every suspicion of the present one. */
function refute(turn: Turn, accusers: readonly ClaimSignature[]): void {
  const { state } = turn;
  if (state.self.incarnation >= counterMax) {
    // The counter must not wrap; a new boot starts a new one.
    reportStaleEpoch(turn, state.self.epoch);
    return;
  }
  state.self.incarnation++;
  state.self.alive = signedAlive(state.options, state.self.incarnation);
  takeBlame(turn, accusers);
  spread(turn, state.self.alive);
  turn.effects.push({ type: 'member.changed', member: viewOfSelf(state) });
}

/** Signs the leave claim and lets it go out with the gossip. */
export function announceLeave(turn: Turn): void {
  const { self, options } = turn.state;
  const { nodeId: node, epoch, incarnation } = self;
  self.leave = signLeave({ kind: 'leave', node, epoch, incarnation }, options.sign, options.utf8);
  self.sinceMs = turn.now;
  spread(turn, self.leave);
  turn.effects.push({ type: 'member.changed', member: viewOfSelf(turn.state) });
}

/** This node as a member among the others. */
export const viewOfSelf = ({ self }: SwimState): Member => ({
  nodeId: self.nodeId,
  status: self.leave ? 'left' : 'alive',
  bootEpoch: self.epoch,
  incarnation: self.incarnation,
  addresses: self.alive.claim.addresses,
  boxKey: self.alive.claim.boxKey,
  self: true,
  sinceMs: self.sinceMs ?? 0,
  accusers: [],
});
