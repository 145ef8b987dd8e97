import { ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { unverified } from '../../unverified.ts';
import type { SignedClaim } from './claim.ts';
import type { Packet } from './packet.ts';

/** How the world tells whose key is whose and checks a signature. */
export interface ClaimAuthority {
  /** The Ed25519 claim key that the directory binds to a node, or nothing for unknown and revoked nodes. */
  claimKeyOf(node: NodeId): Uint8Array | undefined;
  /** Whether the signature covers the bytes (under the claims’ domain). */
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** Why a claim was not believed. `missing` names the signer whose key the directory lacks. */
export interface ClaimRefusal extends Refusal {
  readonly missing?: NodeId;
}

/**
 * Checks every signature of a claim against its signer’s key.
 *
 * @returns UNREACHABLE with `missing` when a key is unknown (ask for the directory and try again); SIGNATURE_INVALID
 *   when a signature does not fit. Either way nothing may be believed.
 */
export function verifyClaim(
  claim: Unverified<SignedClaim>,
  authority: ClaimAuthority,
): Result<SignedClaim, ClaimRefusal> {
  const signed = claim.unverified;
  for (const { signer, bytes } of signed.signatures) {
    const key = authority.claimKeyOf(signer);
    if (key === undefined) {
      const reason = `The claim key of ${signer} is not known here, so its claim cannot be verified.`;
      return { ok: false, refusal: { code: 'UNREACHABLE', reasons: [reason], missing: signer } };
    }
    if (!authority.verify(key, signed.body, bytes)) {
      const reason = `The ${signed.claim.kind} claim about ${signed.claim.node} does not carry the signature of ${signer}.`;
      return { ok: false, refusal: { code: 'SIGNATURE_INVALID', reasons: [reason] } };
    }
  }
  return ok(signed);
}

/**
 * Verifies what needs it in a list of claims. Old news is dropped before it costs a signature check; what cannot be
 * verified is dropped with a refusal, and the rest still counts. An honest list has no more about one node than can
 * stand at once, so nothing beyond that is looked at; nor is anything after `limits.claimForgeriesMax` bad signatures.
 */
export function verifyClaims(
  claims: Unverified<readonly SignedClaim[]>,
  authority: ClaimAuthority,
  isNews: (claim: Unverified<SignedClaim>) => boolean,
): { readonly claims: readonly SignedClaim[]; readonly refusals: readonly ClaimRefusal[] } {
  const verified: SignedClaim[] = [];
  const refusals: ClaimRefusal[] = [];
  const looked = new Map<string, number>();
  let forgeries = 0;
  for (const claim of claims.unverified) {
    const candidate = unverified(claim);
    if (!isNews(candidate)) continue;
    const { kind, node } = claim.claim;
    const about = `${kind} ${node}`;
    const before = looked.get(about) ?? 0;
    if (before >= (kind === 'suspect' ? limits.suspicionsMax : 1)) continue;
    looked.set(about, before + 1);
    const result = verifyClaim(candidate, authority);
    if (result.ok) verified.push(result.value);
    else {
      refusals.push(result.refusal);
      if (result.refusal.code === 'SIGNATURE_INVALID' && ++forgeries >= limits.claimForgeriesMax) break;
    }
  }
  return { claims: verified, refusals };
}

/** `verifyClaims` for a packet: its head is covered by the seal already. */
export function verifyPacket(
  packet: Unverified<Packet>,
  authority: ClaimAuthority,
  isNews: (claim: Unverified<SignedClaim>) => boolean,
): { readonly packet: Packet; readonly refusals: readonly ClaimRefusal[] } {
  const { claims, refusals } = verifyClaims(unverified(packet.unverified.claims), authority, isNews);
  return { packet: { ...packet.unverified, claims }, refusals };
}
