import { limits } from '../limits.ts';
import type { NodeId } from '../names.ts';
import { certificateKeyId, issued, type ReadCertificate, readBundle } from './certificate-chain.ts';
import { algorithmFindings, finding, timeFindings, urisOf } from './certificate-findings.ts';
import type { CertificateFinding } from './certificate-reason.ts';
import type { SvidExpectation } from './svid.ts';

/** What is wrong above the leaf: from it to a CA of the bundle, over the intermediates that it came with. */
export function pathAbove(
  leaf: ReadCertificate,
  intermediates: readonly ReadCertificate[],
  expect: SvidExpectation,
): { readonly findings: readonly CertificateFinding[]; readonly path: readonly ReadCertificate[] } {
  const bundle = readBundle(expect.caPem);
  if (!bundle.ok) return { findings: [finding('OTHER_CA', bundle.refusal.reasons[0])], path: [] };
  const findings: CertificateFinding[] = [];
  const path: ReadCertificate[] = [];
  let current = leaf;
  for (;;) {
    const above = current;
    const rest = intermediates.filter((candidate) => candidate !== leaf && !path.includes(candidate));
    const root = issuerIn(bundle.value, above);
    const found = root ?? issuerIn(rest, above);
    if (!found) {
      findings.push(notUnderCa(above));
      // The only CA there is may say more about why.
      if (bundle.value.length === 1) findings.push(...caFindings('CA', bundle.value[0]!, path.length, expect));
      break;
    }
    const { issuer, how } = found;
    if (how === 'named')
      findings.push(finding('BAD_SIGNATURE', 'The certificate names its CA, and is not signed by it.'));
    if (how === 'unfit')
      findings.push(finding('ISSUER_NOT_CA', 'What signed the certificate is no CA, or not the one that it names.'));
    findings.push(...caFindings(root ? 'CA' : 'intermediate CA', issuer, path.length, expect));
    if (root) break;
    findings.push(...intermediateFindings(issuer, expect));
    path.push(issuer);
    current = issuer;
  }
  if (path.length > limits.intermediatesMax)
    findings.push(finding('PATH_TOO_LONG', `There are more than ${limits.intermediatesMax} intermediates.`));
  return { findings, path };
}

/** Which of several CAs signed it; when none did, one that is at least named as its issuer. */
function issuerIn(cas: readonly ReadCertificate[], certificate: ReadCertificate) {
  let best: { readonly issuer: ReadCertificate; readonly how: 'signed' | 'named' | 'unfit' } | undefined;
  for (const issuer of cas) {
    const how = issued(issuer, certificate);
    if (how === 'signed') return { issuer, how };
    if (how !== 'no') best ??= { issuer, how };
  }
  return best;
}

const notUnderCa = (certificate: ReadCertificate): CertificateFinding =>
  ['signed', 'unfit'].includes(issued(certificate, certificate))
    ? finding('SELF_SIGNED', 'The certificate is signed with its own key, and not signed by this cluster’s CA.')
    : finding('OTHER_CA', 'The certificate is not signed by this cluster’s CA.');

function caFindings(what: string, ca: ReadCertificate, below: number, expect: SvidExpectation): CertificateFinding[] {
  const { isCa, keyUsage, pathLength, unknownCritical, nameConstraints } = ca.fields;
  const findings = timeFindings(`${what} certificate`, ca, expect);
  if (!isCa || !keyUsage?.keyCertSign)
    findings.push(finding('ISSUER_NOT_CA', `The ${what} certificate may not sign certificates.`));
  // Bundles of different trust domains never merge: a CA speaks for the one domain that it names.
  const uris = urisOf(ca.fields);
  if (uris.length !== 1 || uris[0] !== `spiffe://${expect.trustDomain}`)
    findings.push(finding('OTHER_TRUST_DOMAIN', `The ${what} is not of the trust domain ${expect.trustDomain}.`));
  if (pathLength !== undefined && below > pathLength)
    findings.push(finding('PATH_TOO_LONG', `The ${what} allows ${pathLength} intermediates below it.`));
  for (const oid of unknownCritical)
    findings.push(finding('UNKNOWN_CRITICAL', `The ${what}’s critical extension ${oid} is not known.`));
  const { trustDomain } = expect;
  if (nameConstraints && (nameConstraints.more || !nameConstraints.permittedUris.every((host) => host === trustDomain)))
    findings.push(finding('NAME_CONSTRAINT', `The ${what}’s name constraints are not the trust domain alone.`));
  return findings;
}

/** A root is believed because it is in the bundle; what stands between must be as good as a leaf. */
const intermediateFindings = (ca: ReadCertificate, expect: SvidExpectation): CertificateFinding[] => [
  ...algorithmFindings('intermediate CA', ca),
  ...(isRevoked(ca, undefined, expect)
    ? [finding('ISSUER_REVOKED', 'The intermediate CA, or its key, was revoked.')]
    : []),
];

/** Whether a certificate was revoked: by its serial, its key or its node. */
export const isRevoked = (
  { x509, publicKey }: ReadCertificate,
  nodeId: NodeId | undefined,
  { revoked }: SvidExpectation,
): boolean => publicKey !== undefined && revoked?.(x509.serialNumber, certificateKeyId(publicKey), nodeId) === true;
