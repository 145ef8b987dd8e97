import type { KeyObject } from 'node:crypto';
import { ed25519PublicKey, keyId, publicKeyFromText } from '../../crypto/keys.ts';
import { decodeDocument, verifyDocument } from '../../crypto/signed-document.ts';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Capability, readCapability } from '../../protocols/authorization/capability.ts';
import { readChain, wideningReasons } from '../../protocols/authorization/delegation.ts';
import { type FindRevocation, revokedRefusal } from '../../protocols/notice/revocation.ts';
import { readPayload } from './document-payload.ts';

/** Why a chain is not believed. */
export interface ChainRefusal extends Refusal {
  /** Everything is signed, and somebody gave more than he had: the id of the key that did. */
  readonly widenedBy?: string;
}

export interface ChainTrust {
  /** The key of a trusted issuer by its id. */
  readonly issuer: (keyId: string) => KeyObject | undefined;
  readonly revoked: FindRevocation;
}

/** One token of a chain, verified. */
export interface ChainLink {
  readonly capability: Capability;
  /** The document id of its text. */
  readonly id: string;
}

/**
 * Verifies a presented token from its root on: the root by a trusted issuer, each other one with the holder’s key of the
 * one before, which it names and narrows. Nothing in it may be revoked, key or token. Says nothing about times: the last
 * token’s lie within all others’, so `checkCapability` asks it alone.
 *
 * The links in their order, at least one. SIGNATURE_INVALID, MALFORMED, LIMIT_EXCEEDED, REVOKED; UNAUTHORIZED with
 * `widenedBy` when a token grants what the one before it does not.
 */
export function verifyChain(
  text: string,
  trust: ChainTrust,
): Result<readonly [ChainLink, ...ChainLink[]], ChainRefusal> {
  const chain = readChain(text);
  if (!chain.ok) return chain;
  const [rootText, ...narrowed] = chain.value;
  const root = verifyLink(rootText, trust.issuer, trust.revoked);
  if (!root.ok) return root;
  if (root.value.capability.parent !== undefined)
    return refuse('SIGNATURE_INVALID', 'The capability token narrows another one, which has to stand before it.');
  const links: [ChainLink, ...ChainLink[]] = [root.value];
  for (const childText of narrowed) {
    const parent = links.at(-1)!;
    const link = verifyLink(childText, holderOf(parent.capability), trust.revoked);
    if (!link.ok) return link;
    const { capability } = link.value;
    if (capability.parent !== parent.id)
      return refuse(
        'SIGNATURE_INVALID',
        `The capability token of ${capability.subject} narrows another one than it follows.`,
      );
    const [first, ...more] = wideningReasons(parent.capability, capability);
    if (first !== undefined)
      return { ok: false, refusal: { code: 'UNAUTHORIZED', reasons: [first, ...more], widenedBy: capability.issuer } };
    links.push(link.value);
  }
  return ok(links);
}

/** The capability that a chain gives to whoever presents it: its last. */
export const grantedBy = (links: readonly [ChainLink, ...ChainLink[]]): Capability => links.at(-1)!.capability;

function holderOf({ holder }: Capability): ChainTrust['issuer'] {
  if (holder === undefined) return () => undefined;
  const raw = publicKeyFromText(holder);
  const key = raw.ok ? ed25519PublicKey(raw.value) : raw;
  if (!raw.ok || !key.ok) return () => undefined;
  const id = keyId(raw.value);
  return (wanted) => (wanted === id ? key.value : undefined);
}

function verifyLink(text: string, trusted: ChainTrust['issuer'], revoked: FindRevocation): Result<ChainLink> {
  const decoded = decodeDocument('capability', text, limits.tokenBytesMax);
  const signed = decoded.ok ? verifyDocument('capability', decoded.value, trusted) : decoded;
  if (!signed.ok) return signed;
  const { keyId: signer, id } = signed.value;
  const found = revoked('key', signer) ?? revoked('token', id);
  if (found) return { ok: false, refusal: revokedRefusal(found) };
  const capability = readPayload(signed.value, (payload) => readCapability(payload, signer));
  return capability.ok ? ok({ capability: capability.value, id }) : capability;
}
