import { limits } from '../limits.ts';
import type { NodeId } from '../names.ts';
import { certificateKeyId, isSelfIssued, issued, type ReadCertificate, readBundle } from './certificate-chain.ts';
import { algorithmFindings, finding, timeFindings, urisOf } from './certificate-findings.ts';
import type { CertificateFinding } from './certificate-reason.ts';
import type { SvidExpectation } from './svid.ts';

/** What stands above a leaf. */
export interface PathAbove {
  readonly findings: readonly CertificateFinding[];
  /** The intermediates, from the leaf’s issuer upwards; also those that the bundle has itself, since other bundles may not. */
  readonly path: readonly ReadCertificate[];
  /** Every CA above the leaf, the root last. */
  readonly issuers: readonly ReadCertificate[];
}

/** What is wrong above the leaf: from it to a CA of the bundle, over the intermediates that it came with. */
export function pathAbove(
  leaf: ReadCertificate,
  intermediates: readonly ReadCertificate[],
  expect: SvidExpectation,
): PathAbove {
  const bundle = readBundle(expect.caPem);
  if (!bundle.ok) return { findings: [finding('OTHER_CA', bundle.refusal.reasons[0])], path: [], issuers: [] };
  const findings: CertificateFinding[] = [];
  const path: ReadCertificate[] = [];
  let anchors: readonly ReadCertificate[] = [];
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
    if (root) {
      anchors = anchorsFrom(issuer, bundle.value);
      break;
    }
    findings.push(...algorithmFindings('intermediate CA', issuer));
    path.push(issuer);
    current = issuer;
  }
  if (path.filter((ca, at) => at < path.length - 1 || !isCrossSigned(ca)).length > limits.intermediatesMax)
    findings.push(finding('PATH_TOO_LONG', `There are more than ${limits.intermediatesMax} intermediates.`));
  const issuers = [...path, ...anchors];
  // Also of a CA that is in the bundle: a file that was not replaced on every machine must not keep it alive.
  if (issuers.some((issuer) => isRevoked(issuer, undefined, expect)))
    findings.push(finding('ISSUER_REVOKED', 'A CA above the certificate, or its key, was revoked.'));
  return { findings, path: [...path, ...anchors.slice(0, -1)], issuers };
}

/**
 * Whether a CA below a root is the next root as this one has signed it (`crossSign`): its signer says that one CA may stand
 * below it, and says so of nothing else.
 */
const isCrossSigned = ({ fields }: ReadCertificate): boolean => fields.pathLength === 1;

/** A CA of the bundle and those of the bundle above it: an intermediate in it is believed, and still has an issuer. */
function anchorsFrom(first: ReadCertificate, bundle: readonly ReadCertificate[]): readonly ReadCertificate[] {
  const anchors = [first];
  for (let current: ReadCertificate | undefined = first; current && !isSelfIssued(current.x509); ) {
    const above = issuerIn(
      bundle.filter((candidate) => !anchors.includes(candidate)),
      current,
    );
    current = above?.how === 'signed' ? above.issuer : undefined;
    if (current) anchors.push(current);
  }
  return anchors;
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

/** Whether a certificate was revoked: by its serial, its beginning, its key or its node. */
export function isRevoked(
  { x509, publicKey }: ReadCertificate,
  nodeId: NodeId | undefined,
  { revoked }: SvidExpectation,
): boolean {
  if (!revoked || publicKey === undefined) return false;
  return revoked({
    ...{ nodeId, serial: x509.serialNumber, notBefore: x509.validFromDate.getTime() },
    get keyId() {
      return certificateKeyId(publicKey);
    },
  });
}
