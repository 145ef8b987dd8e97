import { type KeyObject, X509Certificate } from 'node:crypto';
import { CaxtonError, ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId, isTrustDomain, nodeSpiffeId } from '../names.ts';
import { issuingAlgorithm, keyFits } from './algorithms.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { binaryString } from './der.ts';
import { ipAddressBytes } from './ip-address.ts';
import {
  type ExtensionPlan,
  type Issuer,
  issueCertificate,
  keyIdentifier,
  keyIdentifierExtensions,
  permittedUri,
  wholeSeconds,
} from './issuance.ts';
import { privateKeyFromPem, privateKeyToPem } from './keys.ts';
import type { Crypto, KeyPair } from './port.ts';

/** A certificate with its private key (PKCS #8), both PEM. */
export interface IssuedCertificate {
  readonly certPem: string;
  readonly keyPem: string;
}

/** From when to when, in milliseconds since 1970. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** DNS names and IP addresses that a TLS client may check besides the SPIFFE ID. */
export interface AltNames {
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

/** What every certificate that a CA signs has in common. */
export interface LeafRequest extends Validity, AltNames {
  readonly ca: IssuedCertificate;
  /** P-256. */
  readonly publicKey: KeyObject;
}

/** The private key stays with the node: only the public key comes here. */
export interface NodeCertificateRequest extends LeafRequest {
  readonly nodeId: string;
  readonly trustDomain: string;
}

/** For an endpoint of the management API. `commonName` is 1 to 64 printable ASCII characters, for people. */
export interface ServerCertificateRequest extends LeafRequest {
  readonly commonName: string;
}

/**
 * Makes a trust domain’s CA: a fresh P-256 key (or `key`) and a certificate that it signs itself, critical cA=true and
 * keyCertSign|cRLSign, URI SAN `spiffe://<domain>` (X509-SVID §4). Throws CONFIG_INVALID for a wrong domain or period.
 */
export function issueCa(
  crypto: Crypto,
  request: { readonly trustDomain: string; readonly key?: KeyPair } & Validity,
): IssuedCertificate {
  const reasons = [...validityReasons(request), ...domainReasons(request)];
  if (reasons.length > 0) throw new CaxtonError('CONFIG_INVALID', reasons);
  const { publicKey, privateKey } = request.key ?? crypto.generateKeyPair('p256');
  const identifier = keyIdentifier(publicKey);
  const certPem = issueCertificate(crypto, {
    issuer: { privateKey, subject: undefined },
    publicKey,
    commonName: caName('Caxton CA', identifier),
    notBefore: request.notBefore,
    notAfter: request.notAfter,
    extensions: [
      { name: 'basicConstraints', critical: true, cA: true },
      ...caExtensions(request.trustDomain),
      ...keyIdentifierExtensions(identifier, identifier),
    ],
  });
  return { certPem, keyPem: privateKeyToPem(privateKey) };
}

/** For a CA that stands below another one. */
export interface IntermediateRequest extends Validity {
  readonly ca: IssuedCertificate;
  readonly trustDomain: string;
}

/**
 * Makes a CA below a root that stays offline: a fresh P-256 key, no CA may stand below it (path length 0), and it may
 * sign URIs of the trust domain alone (critical name constraint, RFC 5280 §4.2.1.10), so that who steals it cannot make
 * identities of another domain.
 *
 * @returns CERTIFICATE_REFUSED with every reason: a wrong domain or period, or a root that cannot sign it.
 */
export function issueIntermediateCa(crypto: Crypto, request: IntermediateRequest): Result<IssuedCertificate> {
  const { trustDomain, notBefore, notAfter } = request;
  const reasons = [...validityReasons(request), ...domainReasons(request)];
  const authority = readAuthority(request);
  if (!authority.ok) reasons.push(...authority.refusal.reasons);
  else {
    if (!authority.value.uris.includes(`spiffe://${trustDomain}`))
      reasons.push(`The CA is not of the trust domain ${trustDomain}.`);
    if (authority.value.pathLength === 0) reasons.push('The CA allows no CA below it (path length 0).');
  }
  const [head, ...more] = reasons;
  if (head !== undefined || !authority.ok)
    return refuse('CERTIFICATE_REFUSED', head ?? 'The CA cannot be used.', ...more);
  const { publicKey, privateKey } = crypto.generateKeyPair('p256');
  const identifier = keyIdentifier(publicKey);
  const certPem = issueCertificate(crypto, {
    issuer: authority.value.issuer,
    publicKey,
    commonName: caName('Caxton Intermediate CA', identifier),
    notBefore,
    notAfter,
    extensions: [
      { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
      ...caExtensions(trustDomain),
      permittedUri(trustDomain),
      ...keyIdentifierExtensions(identifier, authority.value.keyIdentifier),
    ],
  });
  return ok({ certPem, keyPem: privateKeyToPem(privateKey) });
}

/** Part of the key’s identifier is in the name, so that two CAs of one domain never share one. */
const caName = (what: string, identifier: string): string =>
  `${what} ${Buffer.from(identifier, 'latin1').toString('hex', 0, 8)}`;

/** What every CA’s certificate says besides how far it may sign. */
export const caExtensions = (trustDomain: string): ExtensionPlan[] => [
  { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
  { name: 'subjectAltName', altNames: [{ type: 6, value: `spiffe://${trustDomain}` }] },
];

/** What is wrong with a trust domain. */
export const domainReasons = ({ trustDomain }: { readonly trustDomain: string }): string[] =>
  isTrustDomain(trustDomain) ? [] : ['The trust domain is not lower-case letters, digits, “.-_”.'];

/**
 * Signs a node’s certificate, an X.509-SVID: CN = node id, one URI SAN with DNS and IP SANs beside it, critical KeyUsage
 * digitalSignature, EKU serverAuth and clientAuth, cA=false.
 *
 * @returns PEM. CERTIFICATE_REFUSED with every reason: a wrong name, key, period, or a CA that cannot sign it.
 */
export function issueNodeCertificate(crypto: Crypto, request: NodeCertificateRequest): Result<string> {
  const { nodeId, trustDomain } = request;
  const reasons: string[] = [];
  if (!isNodeId(nodeId)) reasons.push('The node id is not in the grammar of node ids.');
  reasons.push(...domainReasons(request));
  const uri = isNodeId(nodeId) && isTrustDomain(trustDomain) ? nodeSpiffeId(trustDomain, nodeId) : '';
  const authority = readAuthority(request);
  if (authority.ok && uri !== '' && !authority.value.uris.includes(`spiffe://${trustDomain}`))
    reasons.push(`The CA is not of the trust domain ${trustDomain}.`);
  return issueLeaf(crypto, request, authority, reasons, nodeId, nodeExtensions(uri, request));
}

/** What a node’s certificate carries besides its key identifiers. */
export const nodeExtensions = (uri: string, names: AltNames): ExtensionPlan[] => [
  { name: 'basicConstraints', critical: true, cA: false },
  { name: 'keyUsage', critical: true, digitalSignature: true },
  { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
  subjectAltNames([uri], names),
];

/** The alternative names of a certificate, or of a request for one: URIs, then DNS names and addresses. */
export const subjectAltNames = (uris: readonly string[], names: AltNames): ExtensionPlan => ({
  name: 'subjectAltName',
  altNames: [...uris.map((value) => ({ type: 6, value })), ...altNames(names)],
});

/**
 * Signs a certificate for an API endpoint: EKU serverAuth alone and no URI SAN, so that it never passes for a node.
 *
 * @returns PEM. CERTIFICATE_REFUSED with every reason.
 */
export function issueServerCertificate(crypto: Crypto, request: ServerCertificateRequest): Result<string> {
  const reasons: string[] = [];
  if (!/^[\x20-\x7e]{1,64}$/.test(request.commonName)) reasons.push('The common name is not 1 to 64 ASCII characters.');
  if (request.dns.length + request.ip.length === 0)
    reasons.push('A server certificate needs a DNS name or IP address.');
  return issueLeaf(crypto, request, readAuthority(request), reasons, request.commonName, [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: altNames(request) },
  ]);
}

/** A CA that is about to sign. */
export interface Authority {
  readonly issuer: Issuer;
  readonly keyIdentifier: string;
  readonly uris: readonly string[];
  readonly pathLength: number | undefined;
}

function issueLeaf(
  crypto: Crypto,
  request: LeafRequest,
  authority: Result<Authority>,
  namesWrong: readonly string[],
  commonName: string,
  extensions: readonly ExtensionPlan[],
): Result<string> {
  const reasons = [...namesWrong, ...validityReasons(request), ...altNameReasons(request)];
  if (request.publicKey.type !== 'public' || !keyFits(request.publicKey, issuingAlgorithm.signature))
    reasons.push('The key is not a P-256 public key.');
  if (!authority.ok) reasons.push(...authority.refusal.reasons);
  const [head, ...more] = reasons.slice(0, limits.reasonsMax);
  if (head !== undefined || !authority.ok)
    return refuse('CERTIFICATE_REFUSED', head ?? 'The CA cannot be used.', ...more);
  const { publicKey, notBefore, notAfter } = request;
  const { issuer, keyIdentifier: authorityIdentifier } = authority.value;
  return ok(
    issueCertificate(crypto, {
      issuer,
      publicKey,
      commonName,
      notBefore,
      notAfter,
      extensions: [...extensions, ...keyIdentifierExtensions(keyIdentifier(publicKey), authorityIdentifier)],
    }),
  );
}

/** The CA’s certificate and key, read and compared. Also refuses a leaf that would outlive it. */
export function readAuthority({ ca, notAfter }: Pick<LeafRequest, 'ca' | 'notAfter'>): Result<Authority> {
  const key = privateKeyFromPem(ca.keyPem);
  if (!key.ok) return key;
  const certificate = readPem(ca.certPem);
  if (!certificate) return refuse('CERTIFICATE_REFUSED', 'The CA certificate cannot be read.');
  const fields = readCertificateFields(new Uint8Array(certificate.raw));
  if (!fields.ok) return fields;
  const { subject, isCa, keyUsage, subjectKeyIdentifier, pathLength, altNames: names } = fields.value;
  if (!isCa || !keyUsage?.keyCertSign || subjectKeyIdentifier === undefined)
    return refuse('CERTIFICATE_REFUSED', 'The CA certificate is not one that may sign certificates.');
  if (!certificate.checkPrivateKey(key.value))
    return refuse('CERTIFICATE_REFUSED', 'The CA key does not belong to the CA certificate.');
  if (!(wholeSeconds(notAfter).getTime() <= certificate.validToDate.getTime()))
    return refuse('CERTIFICATE_REFUSED', 'The certificate would outlive the CA that signs it.');
  return ok({
    issuer: { privateKey: key.value, subject },
    keyIdentifier: subjectKeyIdentifier,
    uris: names.filter(({ tag }) => tag === 6).map(({ value }) => value),
    pathLength,
  });
}

/** The first certificate of a PEM text; undefined when it cannot be read. */
export function readPem(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** What is wrong with a period. */
export function validityReasons({ notBefore, notAfter }: Validity): string[] {
  const whole = Number.isSafeInteger(notBefore) && Number.isSafeInteger(notAfter) && notBefore >= 0;
  return whole && notBefore < notAfter ? [] : ['The validity does not end after it begins, or is no time.'];
}

const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const isDnsName = (name: string): boolean =>
  name.length <= 253 && name.split('.').every((label) => dnsLabel.test(label));

function altNameReasons({ dns, ip }: AltNames): string[] {
  const reasons: string[] = [];
  if (dns.length + ip.length > limits.altNamesMax) reasons.push(`More than ${limits.altNamesMax} alternative names.`);
  for (const name of dns) if (!isDnsName(name)) reasons.push(`“${name.slice(0, 64)}” is not a DNS name.`);
  for (const address of ip)
    if (!ipAddressBytes(address)) reasons.push(`“${address.slice(0, 64)}” is not an IP address.`);
  return reasons;
}

const altNames = ({ dns, ip }: AltNames): { type: number; value: string }[] => [
  ...dns.map((value) => ({ type: 2, value })),
  ...ip.map((address) => ({ type: 7, value: binaryString(ipAddressBytes(address) ?? new Uint8Array()) })),
];
