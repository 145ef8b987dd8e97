import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { narrow } from '../../actors/messaging/delegation.ts';
import { osCrypto } from '../../crypto/port.ts';
import { unwrap } from '../../errors.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { readLifetime } from '../security/validity.ts';
import { signingKey } from '../signing-key.ts';
import { actionsGiven, giveSigned, grantWords } from './grant.ts';
import { claimedChain, tokenIn } from './token-file.ts';

/** Narrows a token with its holder’s key. Nothing before it is verified: whoever is given the result does that. */
export async function attenuate(invocation: Invocation): Promise<ExitCode> {
  const { text, terminal } = invocation;
  const grant = await grantWords(invocation);
  const actions = actionsGiven(invocation);
  const validity = text('validity');
  const lifetimeMs = validity === undefined ? undefined : readLifetime(validity, 'validity');
  const token = await tokenIn(text('token-file')!, terminal);
  const parent = claimedChain(token).at(-1)!.capability;
  const key = await signingKey(invocation, 'holder-key', 'a holder’s');
  const narrower = narrow(token, parent, key, osCrypto, {
    ...grant,
    ...(actions.length > 0 && { actions }),
    ...(lifetimeMs !== undefined && { expires: Math.floor(nodeClock.now()) + lifetimeMs }),
  });
  return giveSigned(invocation, unwrap(narrower));
}
