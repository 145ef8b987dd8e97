import { drawBelow } from './chance.ts';
import type { SignedClaim } from './claim.ts';
import { type MemberRecord, standingAccusations } from './member.ts';
import { drawMembers, rosterSize } from './roster.ts';
import type { SwimState, Turn } from './state.ts';

/**
 * Everything this node can prove about the members, itself first: what peers exchange over a link. Others come from
 * a random starting point, so that a document cut at its limit still carries everybody in the course of time.
 */
export function pushPull(state: SwimState): readonly SignedClaim[] {
  const { self, roster, chance } = state;
  const claims: SignedClaim[] = [self.alive];
  if (self.leave) claims.push(self.leave);
  const { pool } = roster;
  const start = pool.size === 0 ? 0 : drawBelow(chance, pool.size);
  for (let step = 0; step < pool.size; step++) claims.push(...knownOf(pool.at((start + step) % pool.size)));
  return claims;
}

/** The alive claim, because verdicts count only where their subject is known; then the verdict. */
export function knownOf(record: MemberRecord): SignedClaim[] {
  if (record.status === 'revoked') return [];
  if (record.leave) return [record.alive, record.leave];
  if (record.certificate) return [record.alive, record.certificate];
  return [record.alive, ...standingAccusations(record).map(({ suspicion }) => suspicion)];
}

const membersUnscaled = 32;

/** The time between exchanges: stretched above 32 members (memberlist’s rule), for a document grows with them. */
export const pushPullDelayMs = (intervalMs: number, clusterSize: number): number =>
  clusterSize <= membersUnscaled ? intervalMs : intervalMs * (Math.ceil(Math.log2(clusterSize) - 5) + 1);

/** Time for an exchange with one member at random. */
export function pushPullTick(turn: Turn): void {
  const { roster, chance, options } = turn.state;
  schedulePushPull(turn, pushPullDelayMs(options.config.pushPullIntervalMs, rosterSize(roster)));
  const [partner] = drawMembers(roster, chance, 1, ({ status }) => status === 'alive');
  if (partner) turn.effects.push({ type: 'push-pull', with: partner.nodeId });
  // Linked and yet not alive here: one of the two has missed what the other said, and nothing else would say it again.
  const { counts } = roster;
  if (counts.unreachable + counts.dead + counts.left === 0) return;
  const isOdd = ({ status, linkLost }: MemberRecord) =>
    !linkLost && (status === 'unreachable' || status === 'dead' || status === 'left');
  const [missed] = drawMembers(roster, chance, 1, isOdd);
  if (missed) turn.effects.push({ type: 'push-pull', with: missed.nodeId });
}

/** Sets the timer of the next exchange. */
export function schedulePushPull(turn: Turn, delayMs: number): void {
  turn.effects.push({ type: 'schedule', timer: { type: 'push-pull' }, delayMs });
}
