import { limits } from '../../limits.ts';
import { type PublicKeyText, publicKeyText } from '../authorization/public-key.ts';
import { list, object, type Shape } from '../json/shape.ts';

/** The trust bundle: whose signatures count, and for what. */
export interface TrustBody {
  /** May sign manifests. */
  readonly deployers: readonly PublicKeyText[];
  /** May issue capability tokens. */
  readonly issuers: readonly PublicKeyText[];
  /** May sign notices, this bundle’s successor among them: at least one. */
  readonly authorities: readonly PublicKeyText[];
}

const keys = (min: number) => list(publicKeyText, limits.trustKeysMax, min);

/** Accepts a trust bundle: at most `limits.trustKeysMax` keys of each kind, none twice. */
export const trustBody: Shape<TrustBody> = object({ deployers: keys(0), issuers: keys(0), authorities: keys(1) });

/** The fields in their fixed order, as they are signed. */
export const trustInOrder = ({ deployers, issuers, authorities }: TrustBody): TrustBody => ({
  deployers,
  issuers,
  authorities,
});

/**
 * What both bundles trust: in force while two of one generation are about. It can come out empty; then nothing new is
 * accepted until an operator steps in, which is better than to follow a stolen key.
 */
export function stricterTrust(a: TrustBody, b: TrustBody): TrustBody {
  const both = (one: readonly PublicKeyText[], other: readonly PublicKeyText[]) =>
    one.filter((key) => other.includes(key));
  return {
    deployers: both(a.deployers, b.deployers),
    issuers: both(a.issuers, b.issuers),
    authorities: both(a.authorities, b.authorities),
  };
}
