import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { TlsIdentity } from '../../actors/kernel/ports.ts';

const chainMax = 8;
/** RFC 5280 §4.2.1.12. */
const purposes = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/** A TLS identity, read. */
export interface ReadIdentity {
  /** The leaf first, then whatever helps to find the way to a CA; empty when nothing is shown. */
  readonly shown: readonly X509Certificate[];
  readonly trusted: readonly X509Certificate[];
}

/** Reads PEM as TLS would. Throws when it cannot be read, or when key and certificate do not belong together. */
export function readIdentity({ certPem, keyPem, caPem }: TlsIdentity): ReadIdentity {
  const shown = certificatesOf(certPem);
  const [leaf] = shown;
  if (certPem !== '' && leaf === undefined) throw new Error('The certificate is not PEM.');
  if (leaf && !leaf.checkPrivateKey(createPrivateKey(keyPem)))
    throw Object.assign(new Error('The key does not belong to the certificate.'), {
      code: 'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
    });
  return { shown, trusted: certificatesOf(caPem) };
}

const certificatesOf = (pem: string): X509Certificate[] =>
  [...pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)].map(
    ([text]) => new X509Certificate(text),
  );

/**
 * Judges what a peer shows as TLS does: a chain to one of the CAs, signatures, validity at `now` (milliseconds since
 * 1970), and the purpose. Names are not looked at; who the peer is, is judged elsewhere.
 *
 * @returns undefined when it is accepted, else the reason by OpenSSL’s name.
 */
export function refusalOf(
  shown: readonly X509Certificate[],
  trusted: readonly X509Certificate[],
  now: number,
  purpose: keyof typeof purposes,
): string | undefined {
  const [leaf] = shown;
  if (leaf === undefined) return 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE';
  let current = leaf;
  for (let depth = 0; depth < chainMax; depth++) {
    const time = refusalOfTime(current, now);
    const root = trusted.find((ca) => ca.raw.equals(current.raw) || signs(ca, current));
    if (root) return time ?? refusalOfTime(root, now) ?? refusalOfPurpose(leaf, purpose);
    const above = shown.find((other) => other !== current && other.ca && signs(other, current));
    if (time !== undefined) return time;
    if (!above) return depth === 0 ? 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' : 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY';
    current = above;
  }
  return 'CERT_CHAIN_TOO_LONG';
}

const signs = (ca: X509Certificate, certificate: X509Certificate): boolean =>
  ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey);

function refusalOfTime(certificate: X509Certificate, now: number): string | undefined {
  // Written so that a time that is no number refuses.
  if (!(certificate.validFromDate.getTime() <= now)) return 'CERT_NOT_YET_VALID';
  if (!(now <= certificate.validToDate.getTime())) return 'CERT_HAS_EXPIRED';
  return undefined;
}

/** Without an extended key usage a certificate is for everything. */
function refusalOfPurpose(leaf: X509Certificate, purpose: keyof typeof purposes): string | undefined {
  const usage = leaf.keyUsage as readonly string[] | undefined;
  return usage === undefined || usage.includes(purposes[purpose]) ? undefined : 'INVALID_PURPOSE';
}
