import { covers, parseAction } from '../../protocols/authorization/action.ts';
import type { Trust } from '../messaging/trust.ts';
import type { DeploymentAct } from './deployment-act.ts';
import type { SignedDeployment } from './stored-deployment.ts';

/**
 * The actions that an agent’s new capability (text form, or empty) has and its old one did not contain; `undefined` when
 * it is the same one. A token that is not believed any more gives nothing.
 */
function newRights(trust: Trust, before: string, after: string): readonly string[] | undefined {
  if (after === before) return undefined;
  const actions = (token: string): readonly string[] => {
    const capability = token === '' ? undefined : trust.capability(token);
    return capability?.ok ? capability.value.actions : [];
  };
  const held = actions(before);
  return actions(after).filter((action) => !held.some((other) => includes(other, action)));
}

/** What a replacement changes in the agent’s rights: all of it in full, because rights grow without much noise. */
export function rightsOfReplacement(
  trust: Trust,
  before: { readonly signed: SignedDeployment },
  { manifest, caller, signed }: Pick<DeploymentAct, 'manifest' | 'caller'> & { readonly signed: SignedDeployment },
): readonly DeploymentAct[] {
  const added = newRights(trust, before.signed.capability, signed.capability);
  if (added === undefined) return [];
  const refreshed: DeploymentAct = { type: 'TokenRefresh', manifest, caller };
  return added.length === 0
    ? [refreshed]
    : [refreshed, { type: 'PrivilegeEscalation', manifest, caller, detail: { added: added.join(', ') } }];
}

/** Whether an action, as a capability states it, is contained in another. */
function includes(held: string, action: string): boolean {
  const [wide, narrow] = [parseAction(held), parseAction(action)];
  return wide.ok && narrow.ok && covers(wide.value, narrow.value);
}
