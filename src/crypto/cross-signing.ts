import { ok, type Result, refuse } from '../errors.ts';
import { issuingAlgorithm, keyFits } from './algorithms.ts';
import {
  caExtensions,
  domainReasons,
  type IssuedCertificate,
  readAuthority,
  readPem,
  validityReasons,
} from './certificate.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { issueCertificate, keyIdentifier, keyIdentifierExtensions } from './issuance.ts';
import type { Crypto } from './port.ts';

/** A root and the one that is to follow it. */
export interface CrossSigning {
  /** The old root, which signs. */
  readonly ca: IssuedCertificate;
  /** The next root’s own certificate, PEM. */
  readonly nextPem: string;
  readonly trustDomain: string;
}

/**
 * The next root signed by the old one: its name and its key, so that whoever knows the old root alone accepts what stands
 * under the next one. It ends with the first of the two. One CA may stand below it.
 *
 * @returns PEM. CERTIFICATE_REFUSED with every reason, also when the old root lets no two CAs stand below it.
 */
export function crossSign(crypto: Crypto, { ca, nextPem, trustDomain }: CrossSigning): Result<string> {
  const next = readPem(nextPem);
  const old = readPem(ca.certPem);
  if (!next || !old) return refuse('CERTIFICATE_REFUSED', 'One of the two roots cannot be read.');
  const fields = readCertificateFields(new Uint8Array(next.raw));
  if (!fields.ok) return fields;
  const notBefore = Math.max(next.validFromDate.getTime(), old.validFromDate.getTime());
  const notAfter = Math.min(next.validToDate.getTime(), old.validToDate.getTime());
  const authority = readAuthority({ ca, notAfter });
  if (!authority.ok) return authority;
  const { commonNames, subjectKeyIdentifier } = fields.value;
  const reasons = [...validityReasons({ notBefore, notAfter }), ...domainReasons({ trustDomain })];
  if (!authority.value.uris.includes(`spiffe://${trustDomain}`))
    reasons.push(`The old root is not of the trust domain ${trustDomain}.`);
  if (![next, old].every((root) => keyFits(root.publicKey, issuingAlgorithm.signature)))
    reasons.push('Only roots with P-256 keys can be cross-signed.');
  if ((authority.value.pathLength ?? 2) < 2) reasons.push('The old root lets no two CAs stand below it (path length).');
  const [head, ...more] = reasons;
  if (head !== undefined) return refuse('CERTIFICATE_REFUSED', head, ...more);
  return ok(
    issueCertificate(crypto, {
      issuer: authority.value.issuer,
      subject: fields.value.subject,
      publicKey: next.publicKey,
      commonName: commonNames[0] ?? '',
      notBefore,
      notAfter,
      extensions: [
        { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 1 },
        ...caExtensions(trustDomain),
        ...keyIdentifierExtensions(
          subjectKeyIdentifier ?? keyIdentifier(next.publicKey),
          authority.value.keyIdentifier,
        ),
      ],
    }),
  );
}
