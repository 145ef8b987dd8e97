import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId, type NodeId, nodeSpiffeId, type TrustDomain } from '../names.ts';
import { certificateAlgorithm, keyFits } from './algorithms.ts';
import { type CertificateFields, keyPurposes, readCertificateFields } from './certificate-fields.ts';

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
  readonly der: Uint8Array;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
}

/** What the certificate has to be. */
export interface SvidExpectation {
  /** The trust domain’s CA; when the text holds several certificates, the first. */
  readonly caPem: string;
  readonly trustDomain: TrustDomain;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** The node that should be at the other end; undefined when any node of the domain may be. */
  readonly nodeId?: NodeId;
  /** How far clocks may differ; `limits.clockSkewMsMax` when undefined. */
  readonly skewMs?: number;
}

/**
 * Judges a node’s certificate as an X.509-SVID of one trust domain (SPIFFE X509-SVID §2 to §5, RFC 5280 §6), whatever
 * TLS thought of it: Node’s TLS lets two URI SANs pass, and a server never looks at names.
 *
 * @param certificate DER of the leaf.
 * @returns the identity, or CERTIFICATE_REFUSED with every reason that was found.
 */
export function verifyNodeSvid(certificate: Uint8Array, expect: SvidExpectation): Result<NodeSvid> {
  const leaf = readCertificate(certificate);
  if (!leaf.ok) return refuse('CERTIFICATE_REFUSED', ...leaf.refusal.reasons);
  const { x509, fields, publicKey } = leaf.value;
  const uris = fields.altNames.filter(({ tag }) => tag === 6).map(({ value }) => value);
  const nodeId = nodeOf(uris, expect.trustDomain);
  const notBefore = x509.validFromDate.getTime();
  const notAfter = x509.validToDate.getTime();
  const reasons = [
    ...nameReasons(fields, uris, nodeId, expect),
    ...usageReasons(fields),
    ...algorithmReasons(fields, publicKey),
    ...timeReasons('certificate', notBefore, notAfter, expect),
    ...issuerReasons(x509, expect),
  ];
  if (!/^[0-9A-F]{1,40}$/.test(x509.serialNumber) || /^0+$/.test(x509.serialNumber))
    reasons.push('The serial number is not positive, or longer than 20 bytes.');
  const [head, ...more] = reasons.slice(0, limits.reasonsMax);
  if (head !== undefined) return refuse('CERTIFICATE_REFUSED', head, ...more);
  // Without a reason both are there; saying so here keeps the types honest without an assertion.
  if (nodeId === undefined || publicKey === undefined) return refuse('CERTIFICATE_REFUSED', 'No identity was found.');
  const der = new Uint8Array(x509.raw);
  return ok({
    nodeId,
    spiffeId: nodeSpiffeId(expect.trustDomain, nodeId),
    serial: x509.serialNumber,
    notBefore,
    notAfter,
    publicKey,
    der,
    fingerprint: createHash('sha256').update(der).digest('hex'),
  });
}

interface ReadCertificate {
  readonly x509: X509Certificate;
  readonly fields: CertificateFields;
  /** Undefined when node:crypto does not know its type. */
  readonly publicKey: KeyObject | undefined;
}

/** Both readers must take the same bytes: OpenSSL for keys and signatures, the strict one for fields. */
function readCertificate(der: Uint8Array): Result<ReadCertificate> {
  const fields = readCertificateFields(der);
  if (!fields.ok) return fields;
  try {
    const x509 = new X509Certificate(der);
    if (!x509.raw.equals(der)) return refuse('MALFORMED', 'The certificate is not DER alone.');
    return ok({ x509, fields: fields.value, publicKey: publicKeyOf(x509) });
  } catch {
    return refuse('MALFORMED', 'The certificate cannot be read.');
  }
}

function publicKeyOf(x509: X509Certificate): KeyObject | undefined {
  try {
    return x509.publicKey;
  } catch {
    return undefined;
  }
}

/** The node that the only URI names; undefined when there are several, or it is of another form or domain. */
function nodeOf(uris: readonly string[], trustDomain: TrustDomain): NodeId | undefined {
  const prefix = `spiffe://${trustDomain}/node/`;
  const [uri] = uris;
  if (uris.length !== 1 || !uri?.startsWith(prefix)) return undefined;
  const id = uri.slice(prefix.length);
  return isNodeId(id) ? id : undefined;
}

function nameReasons(
  fields: CertificateFields,
  uris: readonly string[],
  nodeId: NodeId | undefined,
  expect: SvidExpectation,
): string[] {
  const reasons: string[] = [];
  if (uris.length !== 1) reasons.push(`The certificate has ${uris.length} URI names; an SVID has exactly one.`);
  else if (nodeId === undefined)
    reasons.push(`The URI name is not spiffe://${expect.trustDomain}/node/<id> of this trust domain.`);
  if (nodeId !== undefined && expect.nodeId !== undefined && nodeId !== expect.nodeId)
    reasons.push(`The certificate is of node ${nodeId}, and ${expect.nodeId} was expected.`);
  const [commonName, ...others] = fields.commonNames;
  if (commonName === undefined || others.length > 0) reasons.push('The subject does not have exactly one common name.');
  else if (nodeId === undefined ? !isNodeId(commonName) : commonName !== nodeId)
    reasons.push('The common name is not the node id.');
  if (fields.altNames.some(({ tag }) => tag !== 2 && tag !== 6 && tag !== 7))
    reasons.push('There is an alternative name that is neither URI, DNS name nor IP address.');
  return reasons;
}

function usageReasons({ isCa, keyUsage, extKeyUsage, unknownCritical }: CertificateFields): string[] {
  const reasons: string[] = [];
  if (isCa) reasons.push('The certificate is a CA’s; a node’s has cA=false.');
  if (!keyUsage) reasons.push('The KeyUsage extension is missing.');
  else {
    if (!keyUsage.critical) reasons.push('The KeyUsage extension is not critical.');
    if (!keyUsage.digitalSignature) reasons.push('The KeyUsage lacks digitalSignature.');
    if (keyUsage.keyCertSign || keyUsage.cRLSign) reasons.push('The KeyUsage has keyCertSign or cRLSign.');
  }
  if (!extKeyUsage?.includes(keyPurposes.serverAuth)) reasons.push('The extended key usage lacks serverAuth.');
  if (!extKeyUsage?.includes(keyPurposes.clientAuth)) reasons.push('The extended key usage lacks clientAuth.');
  for (const oid of unknownCritical) reasons.push(`The critical extension ${oid} is not known.`);
  return reasons;
}

function algorithmReasons(fields: CertificateFields, publicKey: KeyObject | undefined): string[] {
  const reasons: string[] = [];
  if (fields.version !== 3) reasons.push('The certificate is not of X.509 version 3.');
  const [inner, outer] = fields.signatureOids;
  const algorithm = certificateAlgorithm(inner);
  if (!algorithm || inner !== outer || fields.signatureParameters)
    return [...reasons, 'The signature algorithm is not ECDSA with SHA-256.'];
  const { keyOid, curveOid } = fields;
  if (keyOid !== algorithm.keyOid || curveOid !== algorithm.curveOid || !publicKey)
    reasons.push('The key is not of the type P-256.');
  else if (!keyFits(publicKey, algorithm.signature)) reasons.push('The key is not of the type P-256.');
  return reasons;
}

// Written so that a time that is no number refuses: every comparison with NaN is false.
function timeReasons(what: string, notBefore: number, notAfter: number, expect: SvidExpectation): string[] {
  const skewMs = expect.skewMs ?? limits.clockSkewMsMax;
  const reasons: string[] = [];
  if (!(expect.now + skewMs >= notBefore)) reasons.push(`The ${what} is not yet valid.`);
  if (!(expect.now - skewMs <= notAfter)) reasons.push(`The ${what} has expired.`);
  return reasons;
}

function issuerReasons(leaf: X509Certificate, expect: SvidExpectation): string[] {
  try {
    const ca = new X509Certificate(expect.caPem);
    const fields = readCertificateFields(new Uint8Array(ca.raw));
    if (!fields.ok) return fields.refusal.reasons.map((reason) => `The CA: ${reason}`);
    const reasons = timeReasons('CA certificate', ca.validFromDate.getTime(), ca.validToDate.getTime(), expect);
    const { isCa, keyUsage, altNames } = fields.value;
    if (!isCa || !keyUsage?.keyCertSign) reasons.push('The CA certificate may not sign certificates.');
    // Bundles of different trust domains never merge: a CA speaks for the one domain that it names.
    const uris = altNames.filter(({ tag }) => tag === 6);
    if (uris.length !== 1 || uris[0]?.value !== `spiffe://${expect.trustDomain}`)
      reasons.push(`The CA is not of the trust domain ${expect.trustDomain}.`);
    // checkIssued compares names and key identifiers; only verify looks at the signature.
    if (!leaf.checkIssued(ca) || !leaf.verify(ca.publicKey))
      reasons.push('The certificate is not signed by this cluster’s CA.');
    return reasons;
  } catch {
    return ['The CA certificate cannot be read.'];
  }
}
