import { createHash, type KeyObject } from 'node:crypto';
import { ok, type Result } from '../errors.ts';
import { isNodeId, isTrustDomain, type NodeId, nodeSpiffeId, type TrustDomain } from '../names.ts';
import { certificateKeyId, joinChain, type ReadCertificate } from './certificate-chain.ts';
import { type CertificateFields, keyPurposes } from './certificate-fields.ts';
import { algorithmFindings, finding, timeFindings, urisOf } from './certificate-findings.ts';
import { type CertificateFinding, type CertificateRefusal, refusalFor } from './certificate-reason.ts';
import { readChain, rememberChain } from './recent-chains.ts';
import { isRevoked, pathAbove } from './svid-path.ts';

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
  /** Of the CAs above it, upper-case hex, the root’s last: whoever revokes one of them revokes what is below. */
  readonly issuerSerials: readonly string[];
  /** As `keyId`, of the same CAs. */
  readonly issuerKeyIds: readonly string[];
  /** The leaf’s DER and behind it that of the intermediates that its path needs: what vouches for it elsewhere. */
  readonly der: Uint8Array;
  /** SHA-256 of the leaf’s DER, lower-case hex. */
  readonly fingerprint: string;
}

/** A certificate that stands in a path; its fields as those of `NodeSvid`. */
export interface JudgedCertificate extends Pick<NodeSvid, 'serial' | 'keyId' | 'notBefore'> {
  /** Undefined for a CA’s, and for one that names none. */
  readonly nodeId: NodeId | undefined;
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
  /** Whether a certificate was revoked: asked for the leaf, with its node, and for each CA above it, roots included, without one. */
  readonly revoked?: (certificate: JudgedCertificate) => boolean;
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
  const chain = readChain(certificate);
  if (!chain.ok) return malformed(chain.refusal.reasons);
  const [leaf, ...intermediates] = chain.value as [ReadCertificate, ...ReadCertificate[]];
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
    ...(isRevoked(leaf, nodeId, expect)
      ? [finding('REVOKED', 'The certificate, its key or its node was revoked.')]
      : []),
    ...serialFindings(leaf),
  ]);
  if (refused) return refused;
  // Without a reason both are there; saying so here keeps the types honest without an assertion.
  if (nodeId === undefined || publicKey === undefined) return malformed(['No identity was found.']);
  rememberChain(certificate, chain.value);
  return ok({
    nodeId,
    spiffeId: nodeSpiffeId(expect.trustDomain, nodeId),
    serial: x509.serialNumber,
    notBefore,
    notAfter,
    publicKey,
    // Asked for by those who revoke, and dear.
    get keyId() {
      return certificateKeyId(publicKey);
    },
    issuerSerials: above.issuers.map((issuer) => issuer.x509.serialNumber),
    get issuerKeyIds() {
      return above.issuers.flatMap((issuer) => (issuer.publicKey ? [certificateKeyId(issuer.publicKey)] : []));
    },
    // Whoever passes a chain on may have put more into it: that goes no further.
    der: joinChain([leaf, ...above.path].map((one) => one.x509.raw)),
    fingerprint: createHash('sha256').update(x509.raw).digest('hex'),
  });
}

function malformed([text]: readonly [string, ...string[]]): {
  readonly ok: false;
  readonly refusal: CertificateRefusal;
} {
  return refusalFor([finding('MALFORMED', text)])!;
}

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

const serialFindings = ({ x509: { serialNumber } }: ReadCertificate): CertificateFinding[] =>
  /^[0-9A-F]{1,40}$/.test(serialNumber) && !/^0+$/.test(serialNumber)
    ? []
    : [finding('BAD_SERIAL', 'The serial number is not positive, or longer than 20 bytes.')];
