import { believe } from './belief.ts';
import type { SignedClaim } from './claim.ts';
import { knownOf } from './push-pull.ts';
import type { SwimState, Turn } from './state.ts';

/**
 * Everything that this node can prove about others, to be kept on disk: members and their counters, each signed by its
 * subject, and deaths. What is read back is verified like a stranger’s word, so whoever writes the file can forge nothing.
 */
export const snapshot = ({ roster }: SwimState): readonly SignedClaim[] =>
  [...roster.records.values()].flatMap(knownOf).filter(({ claim }) => claim.kind !== 'suspect');

/**
 * Believes what an earlier boot knew, in a turn whose `restores` is set. So a node that restarts finds members without
 * its seeds, and an old claim is no news to it because it has forgotten the newer one. A member is `unreachable` until
 * it is heard or another member vouches for it: what was true before the restart makes no majority.
 */
export function restore(turn: Turn, claims: readonly SignedClaim[]): void {
  for (const signed of claims) if (signed.claim.kind === 'alive') believe(turn, signed);
  for (const signed of claims) if (signed.claim.kind !== 'alive') believe(turn, signed);
}
