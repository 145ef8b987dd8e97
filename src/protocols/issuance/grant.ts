import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type NodeId, nodeSpiffeId, type TrustDomain } from '../../names.ts';
import type { Period } from './renewal-time.ts';

/** The names in a certificate, or in a request for one. IP addresses are in one text form on both sides. */
export interface Names {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

/** What is asked for: read from a request that its key signed. */
export interface AskedIdentity extends Names {
  readonly commonName: string;
  readonly uris: readonly string[];
}

/** What a certificate is for: the node itself, or its management API, with no identity in it. */
export type Purpose = 'node' | 'server';

/** Who asks, as the link authenticated it, and the most that it may have. */
export interface Entitled extends Names {
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  /** How long its certificates live. */
  readonly validityMs: number;
  /** Default: the node itself. */
  readonly purpose?: Purpose;
}

/** What bounds every certificate of a CA. */
export interface IssuancePolicy {
  readonly ca: Period;
  readonly validityMsMax: number;
  /** What began up to then is revoked, milliseconds since 1970. */
  readonly revokedUntil?: number | undefined;
}

/** What the CA signs. */
export interface Grant extends Period, Names {
  readonly nodeId: NodeId;
}

/**
 * What a CA may sign for somebody: the identity that was authenticated and no other, names that it is entitled to, and
 * no longer than policy and the CA’s own end allow. Nothing is silently left out of what was asked for, because
 * whoever asks would take the rest for granted. CERTIFICATE_REFUSED with every
 * reason.
 */
export function grantCertificate(
  asked: AskedIdentity,
  entitled: Entitled,
  { ca, validityMsMax, revokedUntil }: IssuancePolicy,
  now: number,
): Result<Grant> {
  const { nodeId, trustDomain, purpose = 'node' } = entitled;
  const reasons: string[] = [];
  const uri = nodeSpiffeId(trustDomain, nodeId);
  if (purpose === 'server' && (asked.uris.length > 0 || asked.dns.length + asked.ip.length === 0))
    reasons.push('A request for the management API names hosts and no identity.');
  if (purpose === 'node' && (asked.uris.length !== 1 || asked.uris[0] !== uri))
    reasons.push(`The request does not name ${uri} and no other identity; that is who asks.`);
  if (asked.commonName !== nodeId) reasons.push(`The request’s common name is not ${nodeId}, which asks.`);
  const foreign = [...without(asked.dns, entitled.dns), ...without(asked.ip, entitled.ip)];
  if (foreign.length > 0)
    reasons.push(`${foreign.length} of the names in the request are not ones that ${nodeId} may have.`);
  // Certificates count in seconds.
  const after = revokedUntil === undefined ? 0 : (Math.floor(revokedUntil / 1_000) + 1) * 1_000;
  const notBefore = Math.max(ca.notBefore, now - limits.clockSkewMsMax, after);
  if (after > now)
    reasons.push(
      `What ${nodeId} has up to ${new Date(after).toISOString()} is revoked, which is later than this clock says: compare the clocks, or wait.`,
    );
  const lifeMs = Math.min(entitled.validityMs, validityMsMax);
  const notAfter = Math.min(ca.notAfter, notBefore + lifeMs);
  if (!(notAfter > now)) reasons.push('The certificate would be over at once: the CA’s own has reached its end.');
  const [first, ...more] = reasons;
  if (first !== undefined) return refuse('CERTIFICATE_REFUSED', first, ...more);
  return ok({ nodeId, notBefore, notAfter, dns: asked.dns, ip: asked.ip });
}

const without = (asked: readonly string[], allowed: readonly string[]): readonly string[] =>
  asked.filter((name) => !allowed.includes(name));
