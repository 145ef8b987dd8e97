import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { keyIdOf } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { signDocument } from '../../crypto/signed-document.ts';
import { limits } from '../../limits.ts';
import { tenantOf } from '../../names.ts';
import { capabilityPayload } from '../../protocols/authorization/capability.ts';
import type { ExitCode, Invocation } from '../command.ts';
import { readLifetime } from '../security/validity.ts';
import { signingKey } from '../signing-key.ts';
import { actionsGiven, giveSigned, grantWords } from './grant.ts';

/** Makes a token that stands by itself, signed by an issuer. */
export async function issue(invocation: Invocation): Promise<ExitCode> {
  const grant = await grantWords(invocation);
  const actions = actionsGiven(invocation);
  const lifetimeMs = readLifetime(invocation.text('validity') ?? '90d', 'validity');
  const key = await signingKey(invocation, 'issuer-key', 'an issuer’s');
  const now = Math.floor(nodeClock.now());
  const payload = capabilityPayload({
    v: 1,
    issuer: keyIdOf(key),
    tenant: tenantOf(grant.subject),
    ...grant,
    actions,
    // Clocks differ: what was signed here a moment ago must be valid there.
    notBefore: now - limits.clockSkewMsMax,
    expires: now + lifetimeMs,
    nonce: Buffer.from(osCrypto.randomBytes(16)).toString('base64url'),
  });
  return giveSigned(invocation, signDocument('capability', key, Buffer.from(payload)));
}
