import { limits } from '../../limits.ts';
import { compareKeys, isSameKey, type KeyId } from './key-id.ts';
import { heldKeys, switchCostMs } from './stage.ts';
import type { RotationState } from './state.ts';

/** Which keys of others a node takes: budgets, so that none in the wrong hands keeps it busy, or leads it to the end. */

/** Whether the node holds a key. */
export const isHeld = (state: RotationState, id: KeyId): boolean => heldKeys(state).some((held) => isSameKey(held, id));

/** Whether what a peer seals with is further than what this node does, and no further than it lets itself be led. */
export const isLater = (state: RotationState, id: KeyId, now: number): boolean =>
  compareKeys(id, state.sealing) > 0 &&
  id.revocations <= state.view.revocations &&
  !isLeap(state, id, now) &&
  isPaced(state, id, now);

/**
 * Whether the key may be held ready beside the sealing one. A member in the wrong hands could have a better one for ever;
 * after some, each has the time to be confirmed first.
 */
export function isNext(state: RotationState, id: KeyId, now: number): boolean {
  const { sealing, candidate, view, times } = state;
  if (id.epoch !== sealing.epoch + 1 || id.revocations !== view.revocations || !isPaced(state, id, now)) return false;
  if (!candidate) return true;
  if (compareKeys(id, candidate.id) <= 0) return false;
  if (id.revocations > candidate.id.revocations || candidate.replaced < limits.gossipKeyCandidatesMax) return true;
  return now >= candidate.sinceMs + 2 * times.graceMs;
}

/**
 * Nobody leads this node to the last epoch there is, after which no key could follow: epochs cost time, and the budget,
 * whole at each boot, is enough for a member that was away for years.
 */
export const isLeap = ({ epochsWholeMs, sealing }: RotationState, id: KeyId, now: number): boolean =>
  Math.max(now, epochsWholeMs) + (id.epoch - sealing.epoch) * limits.gossipKeyEpochMs - now >
  limits.gossipKeyEpochsMax * limits.gossipKeyEpochMs;

/** Each switch is a write and a record on every node, so whoever may cause them does not do so without end. */
export const isPaced = (state: RotationState, { revocations }: Pick<KeyId, 'revocations'>, now: number): boolean =>
  revocations > state.sealing.revocations ||
  state.switchesWholeMs - now <= (limits.gossipKeySwitchesMax - 1) * switchCostMs(state.times);
