import { limits } from '../../limits.ts';
import { enqueue, retransmitLimit, takeBroadcasts } from './broadcast.ts';
import type { SignedClaim } from './claim.ts';
import { isOut, type MemberRecord } from './member.ts';
import { headBytes, type PacketHead } from './packet.ts';
import { drawMembers, rosterSize } from './roster.ts';
import type { Turn, Via } from './state.ts';

/**
 * Sends one packet and fills it with claims: first `front`, then (Lifeguard’s buddy system) an accusation of the
 * receiver itself so that it can refute at once, then what waits in the queue.
 */
export function sendPacket(
  turn: Turn,
  to: MemberRecord,
  head: PacketHead,
  { front = [], via = 'datagram' }: { readonly front?: readonly SignedClaim[]; readonly via?: Via } = {},
): void {
  const claims = fillPacket(turn, to, head, front);
  if (head.kind === 'gossip' && claims.length === 0) return;
  const address = to.alive.claim.addresses[0]!;
  turn.effects.push({ type: 'send', to: to.nodeId, address, packet: { ...head, claims }, via });
}

function fillPacket(turn: Turn, to: MemberRecord, head: PacketHead, front: readonly SignedClaim[]): SignedClaim[] {
  const { options, broadcasts, roster } = turn.state;
  const claims: SignedClaim[] = [];
  let room = options.plaintextBytesMax - headBytes(head);
  const buddy = options.trial?.buddy === false ? undefined : to.accusations?.values().next().value?.suspicion;
  for (const claim of buddy ? [...front, buddy] : front) {
    if (claim.wire.length > room) continue;
    claims.push(claim);
    room -= claim.wire.length;
  }
  const transmitsMax = retransmitLimit(options.config.retransmitMult, rosterSize(roster));
  const countMax = limits.datagramClaimsMax - claims.length;
  for (const claim of takeBroadcasts(broadcasts, room, countMax, transmitsMax)) {
    if (!claims.includes(claim)) claims.push(claim);
  }
  return claims;
}

/** What gets through to a member: datagrams, until only its link answers. */
export const channelTo = ({ overLink }: MemberRecord): Via => (overLink ? 'link' : 'datagram');

/** Queues a claim for the gossip. One too large for any packet is left to push/pull. */
export function spread(turn: Turn, claim: SignedClaim): void {
  const { options, broadcasts } = turn.state;
  if (turn.restores) return;
  if (claim.wire.length <= options.plaintextBytesMax - headBytes({ kind: 'gossip' })) enqueue(broadcasts, claim);
}

/** Sends what waits to a few members at random; also to those who died lately, perhaps by mistake. */
export function gossip(turn: Turn, count: number): void {
  const { state, now } = turn;
  const { gossipToTheDeadMs } = state.options.config;
  const eligible = (member: MemberRecord) =>
    member.status === 'dead' ? now - member.sinceMs < gossipToTheDeadMs : !isOut(member);
  for (const record of drawMembers(state.roster, state.chance, count, eligible)) {
    if (state.broadcasts.count === 0) return;
    sendPacket(turn, record, { kind: 'gossip' }, { via: channelTo(record) });
  }
}

/** Keeps the gossip timer running exactly while something waits. */
export function scheduleGossip(turn: Turn): void {
  const { state } = turn;
  if (state.gossipScheduled || state.broadcasts.count === 0 || state.mode === 'left') return;
  state.gossipScheduled = true;
  turn.effects.push({ type: 'schedule', timer: { type: 'gossip' }, delayMs: state.options.config.gossipIntervalMs });
}
