import { limits } from '../../limits.ts';
import { nextUrgencyAt, renewalAt, type Urgency, urgencyAt } from '../issuance/renewal-time.ts';
import type { Capability } from './capability.ts';

/**
 * When a capability is to be renewed, in milliseconds since 1970: after two thirds of its life, a little earlier by its
 * nonce, so that those which were issued together do not come back together and nobody has to remember a number for each.
 */
export const renewalDueAt = (capability: Capability): number =>
  renewalAt({ notBefore: capability.notBefore, notAfter: capability.expires }, undefined, shareOf(capability.nonce));

/**
 * Whether it is to be renewed at `now`. One that does not hold yet is as well: the clock was set back since it was issued,
 * or had been ahead then.
 */
export const isRenewalDue = (capability: Capability, now: number): boolean =>
  now >= renewalDueAt(capability) || now + limits.clockSkewMsMax < capability.notBefore;

/** How urgent it is at `now` that it is renewed. */
export const renewalUrgency = (capability: Capability, now: number): Urgency =>
  urgencyAt(renewalDueAt(capability), capability.expires, now);

/** When that is another one; infinite at its end. */
export const nextRenewalUrgencyAt = (capability: Capability, now: number): number =>
  nextUrgencyAt(renewalDueAt(capability), capability.expires, now);

/** Of a life, what may be put before the moment of the issue at most. */
const backdatedPart = 1 / 10;

/**
 * The same authority for as long again: subject, actions, audience, depth and holder are the very ones, the life is as long,
 * and begins `backdatedMs` before `now` since clocks differ, or a tenth of its life where that is less.
 *
 * @param nonce 16 unpredictable bytes in base64url. To be signed with the key that signed `present`.
 */
export function renewedCapability(
  present: Capability,
  { now, backdatedMs, nonce }: { readonly now: number; readonly backdatedMs: number; readonly nonce: string },
): Capability {
  const lifeMs = present.expires - present.notBefore;
  const notBefore = Math.floor(now) - Math.min(backdatedMs, Math.floor(lifeMs * backdatedPart));
  return { ...present, notBefore, expires: notBefore + lifeMs, nonce };
}

/** A number in [0, 1) that is the nonce’s own: of its first 24 bits. */
function shareOf(nonce: string): number {
  let bits = 0;
  for (let at = 0; at < 4; at += 1) bits = bits * 64 + digitOf(nonce.charCodeAt(at));
  return bits / 16_777_216;
}

/** The value of a character of base64url (RFC 4648 §5). */
function digitOf(code: number): number {
  if (code >= 97) return code - 71;
  if (code === 95) return 63;
  if (code >= 65) return code - 65;
  return code === 45 ? 62 : code + 4;
}
