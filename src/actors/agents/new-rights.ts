import { covers, parseAction } from '../../protocols/authorization/action.ts';
import type { Trust } from '../messaging/trust.ts';

/**
 * The actions that an agent’s new capability (text form, or empty) has and its old one did not contain; `undefined` when
 * it is the same one. A token that is not believed any more gives nothing.
 */
export function newRights(trust: Trust, before: string, after: string): readonly string[] | undefined {
  if (after === before) return undefined;
  const actions = (token: string): readonly string[] => {
    const capability = token === '' ? undefined : trust.capability(token);
    return capability?.ok ? capability.value.actions : [];
  };
  const held = actions(before);
  return actions(after).filter((action) => !held.some((other) => includes(other, action)));
}

/** Whether an action, as a capability states it, is contained in another. */
function includes(held: string, action: string): boolean {
  const [wide, narrow] = [parseAction(held), parseAction(action)];
  return wide.ok && narrow.ok && covers(wide.value, narrow.value);
}
