import { createHash, type KeyObject } from 'node:crypto';
import { ok, type Result } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId, isTrustDomain, type NodeId, nodeSpiffeId, type TrustDomain } from '../names.ts';
import { certificateAlgorithm, issuingAlgorithm, keyFits } from './algorithms.ts';
import {
  certificateKeyId,
  issued,
  joinChain,
  type ReadCertificate,
  readBundle,
  readCertificate,
  splitChain,
} from './certificate-chain.ts';
import { type CertificateFields, keyPurposes } from './certificate-fields.ts';
import {
  type CertificateFinding,
  type CertificateReason,
  type CertificateRefusal,
  refusalFor,
} from './certificate-reason.ts';

/** What a verified node certificate says. */
export interface NodeSvid {
  readonly nodeId: NodeId;
  readonly spiffeId: string;
  /** Upper-case hex. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** P-256. */
  readonly publicKey: KeyObject;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex: the key’s name in revocations. */
  readonly keyId: string;
  /** The leaf’s DER and behind it that of the intermediates that its path needs: what vouches for it elsewhere. */
  readonly der: Uint8Array;
  /** SHA-256 of the leaf’s DER, lower-case hex. */
  readonly fingerprint: string;
}

/** What the certificate has to be. */
export interface SvidExpectation {
  /** The trust bundle: one or several CAs of the trust domain. */
  readonly caPem: string;
  readonly trustDomain: TrustDomain;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The node that should be at the other end; undefined when any node of the domain may be. */
  readonly nodeId?: NodeId;
  /** How far clocks may differ; `limits.clockSkewMsMax` when undefined. */
  readonly skewMs?: number;
  /**
   * Whether a certificate was revoked: asked for the leaf, with its node, and for each intermediate without one. The
   * serial is upper-case hex, the key’s id as `NodeSvid.keyId`.
   */
  readonly revoked?: (serial: string, keyId: string, nodeId: NodeId | undefined) => boolean;
}

/**
 * Judges a node’s certificate as an X.509-SVID of one trust domain (SPIFFE X509-SVID §2 to §5), whatever TLS thought of
 * it: Node’s TLS lets two URI SANs pass, and a server never looks at names. It is a profile and narrower than RFC 5280:
 * one intermediate at most, no name constraints but the trust domain, one algorithm. On a link TLS has validated the path
 * besides; a certificate that another node passes on is judged by the profile alone.
 *
 * @param certificate DER of the leaf, and behind it that of its intermediates.
 * @returns the identity, or CERTIFICATE_REFUSED with every reason that was found.
 */
export function verifyNodeSvid(certificate: Uint8Array, expect: SvidExpectation): Result<NodeSvid, CertificateRefusal> {
  const parts = splitChain(certificate);
  if (!parts.ok) return malformed(parts.refusal.reasons);
  const chain: ReadCertificate[] = [];
  for (const part of parts.value) {
    const read = readCertificate(part);
    if (!read.ok) return malformed(read.refusal.reasons);
    chain.push(read.value);
  }
  const [leaf, ...intermediates] = chain as [ReadCertificate, ...ReadCertificate[]];
  const { x509, fields, publicKey } = leaf;
  const nodeId = nodeOf(urisOf(fields), expect.trustDomain);
  const notBefore = x509.validFromDate.getTime();
  const notAfter = x509.validToDate.getTime();
  const above = pathAbove(leaf, intermediates, expect);
  const refused = refusalFor([
    ...nameFindings(fields, nodeId, expect),
    ...usageFindings(fields),
    ...algorithmFindings('certificate', leaf),
    ...timeFindings('certificate', leaf, expect),
    ...above.findings,
    ...revocationFindings(leaf, nodeId, expect),
    ...serialFindings(leaf),
  ]);
  if (refused) return refused;
  // Without a reason both are there; saying so here keeps the types honest without an assertion.
  if (nodeId === undefined || publicKey === undefined) return malformed(['No identity was found.']);
  return ok({
    nodeId,
    spiffeId: nodeSpiffeId(expect.trustDomain, nodeId),
    serial: x509.serialNumber,
    notBefore,
    notAfter,
    publicKey,
    keyId: certificateKeyId(publicKey),
    // Whoever passes a chain on may have put more into it: that goes no further.
    der: joinChain([leaf, ...above.path].map((one) => one.x509.raw)),
    fingerprint: createHash('sha256').update(x509.raw).digest('hex'),
  });
}

const finding = (code: CertificateReason, text: string): CertificateFinding => ({ code, text });

function malformed([text]: readonly [string, ...string[]]): {
  readonly ok: false;
  readonly refusal: CertificateRefusal;
} {
  return refusalFor([finding('MALFORMED', text)])!;
}

const urisOf = ({ altNames }: CertificateFields): readonly string[] =>
  altNames.filter(({ tag }) => tag === 6).map(({ value }) => value);

/** The node that the only URI names; undefined when there are several, or it is of another form or domain. */
function nodeOf(uris: readonly string[], trustDomain: TrustDomain): NodeId | undefined {
  const prefix = `spiffe://${trustDomain}/node/`;
  const [uri] = uris;
  if (uris.length !== 1 || !uri?.startsWith(prefix)) return undefined;
  const id = uri.slice(prefix.length);
  return isNodeId(id) ? id : undefined;
}

/** Whether a URI names something in another trust domain than the one expected (SPIFFE-ID §2). */
function isForeign(uri: string | undefined, expected: TrustDomain): boolean {
  const domain = /^spiffe:\/\/([^/]*)(?:\/|$)/.exec(uri ?? '')?.[1] ?? '';
  return isTrustDomain(domain) && domain !== expected;
}

function nameFindings(
  fields: CertificateFields,
  nodeId: NodeId | undefined,
  { trustDomain, nodeId: expected }: SvidExpectation,
): CertificateFinding[] {
  const uris = urisOf(fields);
  const findings: CertificateFinding[] = [];
  if (uris.length !== 1)
    findings.push(
      finding(
        uris.length === 0 ? 'NO_URI_NAME' : 'TWO_URI_NAMES',
        `The certificate has ${uris.length} URI names; an SVID has exactly one.`,
      ),
    );
  else if (nodeId === undefined)
    findings.push(
      finding(
        isForeign(uris[0], trustDomain) ? 'OTHER_TRUST_DOMAIN' : 'WRONG_URI_NAME',
        `The URI name is not spiffe://${trustDomain}/node/<id> of this trust domain.`,
      ),
    );
  if (nodeId !== undefined && expected !== undefined && nodeId !== expected)
    findings.push(finding('WRONG_NODE', `The certificate is of node ${nodeId}, and ${expected} was expected.`));
  const [commonName, ...others] = fields.commonNames;
  if (commonName === undefined || others.length > 0)
    findings.push(finding('CN_MISMATCH', 'The subject does not have exactly one common name.'));
  else if (nodeId === undefined ? !isNodeId(commonName) : commonName !== nodeId)
    findings.push(finding('CN_MISMATCH', 'The common name is not the node id.'));
  if (fields.altNames.some(({ tag }) => tag !== 2 && tag !== 6 && tag !== 7))
    findings.push(
      finding('FOREIGN_NAME_KIND', 'There is an alternative name that is neither URI, DNS name nor IP address.'),
    );
  return findings;
}

function usageFindings({ isCa, keyUsage, extKeyUsage, unknownCritical }: CertificateFields): CertificateFinding[] {
  const findings: CertificateFinding[] = [];
  if (isCa) findings.push(finding('IS_CA', 'The certificate is a CA’s; a node’s has cA=false.'));
  if (!keyUsage) findings.push(finding('KEY_USAGE_MISSING', 'The KeyUsage extension is missing.'));
  else {
    if (!keyUsage.critical) findings.push(finding('KEY_USAGE_MISSING', 'The KeyUsage extension is not critical.'));
    if (!keyUsage.digitalSignature) findings.push(finding('WRONG_KEY_USAGE', 'The KeyUsage lacks digitalSignature.'));
    if (keyUsage.keyCertSign || keyUsage.cRLSign)
      findings.push(finding('WRONG_KEY_USAGE', 'The KeyUsage has keyCertSign or cRLSign.'));
  }
  for (const purpose of ['serverAuth', 'clientAuth'] as const)
    if (!extKeyUsage?.includes(keyPurposes[purpose]))
      findings.push(finding('WRONG_EKU', `The extended key usage lacks ${purpose}.`));
  for (const oid of unknownCritical)
    findings.push(finding('UNKNOWN_CRITICAL', `The critical extension ${oid} is not known.`));
  return findings;
}

function algorithmFindings(what: string, { fields, publicKey }: ReadCertificate): CertificateFinding[] {
  const findings: CertificateFinding[] = [];
  if (fields.version !== 3) findings.push(finding('MALFORMED', `The ${what} is not of X.509 version 3.`));
  const [inner, outer] = fields.signatureOids;
  const signed = certificateAlgorithm(inner);
  if (!signed || inner !== outer || fields.signatureParameters)
    findings.push(finding('WEAK_SIGNATURE', `The ${what}’s signature algorithm is not ECDSA with SHA-256.`));
  const { keyOid, curveOid } = fields;
  const wanted = signed ?? issuingAlgorithm;
  if (keyOid !== wanted.keyOid || curveOid !== wanted.curveOid || !publicKey || !keyFits(publicKey, wanted.signature))
    findings.push(finding('WEAK_KEY', `The ${what}’s key is not of the type P-256.`));
  return findings;
}

// Written so that a time that is no number refuses: every comparison with NaN is false.
function timeFindings(what: string, { x509 }: ReadCertificate, expect: SvidExpectation): CertificateFinding[] {
  const skewMs = expect.skewMs ?? limits.clockSkewMsMax;
  const findings: CertificateFinding[] = [];
  if (!(expect.now + skewMs >= x509.validFromDate.getTime()))
    findings.push(finding('NOT_YET_VALID', `The ${what} is not yet valid.`));
  if (!(expect.now - skewMs <= x509.validToDate.getTime()))
    findings.push(finding('EXPIRED', `The ${what} has expired.`));
  return findings;
}

function revocationFindings(
  { x509, publicKey }: ReadCertificate,
  nodeId: NodeId | undefined,
  { revoked }: SvidExpectation,
): CertificateFinding[] {
  const known = publicKey && revoked?.(x509.serialNumber, certificateKeyId(publicKey), nodeId);
  return known ? [finding('REVOKED', 'The certificate, its key or its node was revoked.')] : [];
}

const serialFindings = ({ x509: { serialNumber } }: ReadCertificate): CertificateFinding[] =>
  /^[0-9A-F]{1,40}$/.test(serialNumber) && !/^0+$/.test(serialNumber)
    ? []
    : [finding('BAD_SERIAL', 'The serial number is not positive, or longer than 20 bytes.')];

/** What is wrong above the leaf: from it to a CA of the bundle, over the intermediates that it came with. */
function pathAbove(
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
    const root = bundle.value.find((ca) => issued(ca, above) !== 'no');
    const issuer = root ?? rest.find((candidate) => issued(candidate, above) !== 'no');
    if (!issuer) {
      findings.push(notUnderCa(above));
      // The only CA there is may say more about why.
      if (bundle.value.length === 1) findings.push(...caFindings('CA', bundle.value[0]!, path.length, expect));
      break;
    }
    const how = issued(issuer, above);
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
  ...revocationFindings(ca, undefined, expect).map(() =>
    finding('ISSUER_REVOKED', 'The intermediate CA, or its key, was revoked.'),
  ),
];
