import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { compareKeys, isSameKey, type KeyId } from './key-id.ts';
import type { Candidate, PeerKeys, RotationState, RotationTimes } from './state.ts';

/**
 * What a node is doing about its key: `proposing`, it makes one; `distributing`, one is held ready until enough confirm
 * it; `switching`, it seals and some live member is not known to seal with it; `retiring`, the old one opens still.
 */
export type RotationStage = 'stable' | 'proposing' | 'distributing' | 'switching' | 'retiring';

/** The stage that a state is in. */
export function stageOf(state: RotationState): RotationStage {
  if (state.plan) return 'proposing';
  if (state.candidate) return 'distributing';
  if (state.retiring.length === 0) return 'stable';
  const isBehind = (node: NodeId): boolean => {
    const theirs = state.peers.get(node);
    return !theirs || compareKeys(theirs.sealing, state.sealing) < 0;
  };
  return state.view.live.some(isBehind) ? 'switching' : 'retiring';
}

/** All keys that the node must be able to open with. */
export const heldKeys = ({ sealing, candidate, retiring }: RotationState): readonly KeyId[] => [
  sealing,
  ...(candidate ? [candidate.id] : []),
  ...retiring.map(({ id }) => id),
];

/** What the node tells its peers. */
export const announcement = ({ sealing, candidate }: RotationState): PeerKeys => ({
  sealing,
  candidate: candidate?.id,
});

/** Whether a member has said that it holds a key, or has gone past it. */
export function hasConfirmed({ peers }: RotationState, node: NodeId, id: KeyId): boolean {
  const theirs = peers.get(node);
  if (!theirs) return false;
  return compareKeys(theirs.sealing, id) >= 0 || (theirs.candidate !== undefined && isSameKey(theirs.candidate, id));
}

/** How many live members propose before this one. */
export const rankOf = ({ self, view }: RotationState): number => view.live.filter((node) => node < self).length;

/** How many times the grace a contest about the next key lasts, before whose turn it is ends it. */
const contestGraces = 4;

/**
 * Until when a node waits for others to confirm the key that it holds ready. Usually for ever: whoever is in the wrong
 * hands could give each of the others another one, though, and no two would confirm the same.
 */
export const contestEndMs = (state: RotationState, { replaced, firstMs }: Candidate): number =>
  replaced < limits.gossipKeyCandidatesMax
    ? Number.POSITIVE_INFINITY
    : firstMs + contestGraces * state.times.graceMs + rankOf(state) * state.times.fallbackMs;

/** What a switch takes of the budget of them; less where the interval itself is short. */
export const switchCostMs = ({ intervalMs }: RotationTimes): number =>
  Math.min(limits.gossipKeySwitchMs, intervalMs / 2);

/** After how long time alone can change something; nothing when it cannot. */
export function nextInMs(state: RotationState, now: number): number | undefined {
  const { candidate, retiring, asked, times, due, switchedMs, epochsWholeMs, switchesWholeMs } = state;
  const moments = [
    switchedMs + times.intervalMs,
    ...(due ? [due.sinceMs + rankOf(state) * times.fallbackMs] : []),
    switchedMs + times.intervalMs + rankOf(state) * times.fallbackMs,
    ...(candidate ? [candidate.sinceMs + times.graceMs, candidate.sinceMs + 2 * times.graceMs] : []),
    ...(candidate ? [contestEndMs(state, candidate)].filter(Number.isFinite) : []),
    ...retiring.flatMap(({ sinceMs }) => [sinceMs + times.retireMs, sinceMs + times.retireMsMax]),
    ...(asked?.open ? [asked.sinceMs + times.askMs] : []),
    epochsWholeMs,
    switchesWholeMs - (limits.gossipKeySwitchesMax - 1) * switchCostMs(times),
  ].filter((at) => at > now);
  return moments.length === 0 ? undefined : Math.min(...moments) - now;
}
