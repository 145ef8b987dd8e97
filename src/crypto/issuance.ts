import { type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { issuingAlgorithm } from './algorithms.ts';
import { type Asn1, binaryString, bytesOfBinary, derOf, parseDer } from './der.ts';
import { type Crypto, sha256 } from './port.ts';

const { Class, Type } = forge.asn1;

/** An extension in forge’s words, such as `{ name: 'keyUsage', critical: true, digitalSignature: true }`. */
export interface ExtensionPlan {
  readonly name: string;
  readonly critical?: boolean;
  readonly [field: string]: unknown;
}

/** Who signs. */
export interface Issuer {
  /** P-256. */
  readonly privateKey: KeyObject;
  /** The subject of the issuer’s certificate, copied as it stands; undefined when the certificate signs itself. */
  readonly subject: Asn1 | undefined;
}

/** Everything that will stand in a certificate. What is written is what is planned: rules are the caller’s. */
export interface CertificatePlan {
  readonly issuer: Issuer;
  /** P-256. */
  readonly publicKey: KeyObject;
  readonly commonName: string;
  /** The whole subject as it stands in another certificate, in place of the common name. */
  readonly subject?: Asn1;
  /** Milliseconds since 1970; certificates hold whole seconds, and parts of one are dropped. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly ExtensionPlan[];
}

/**
 * Makes and signs a certificate.
 *
 * forge knows no elliptic curves. It builds the part to be signed around a placeholder key; then the algorithm
 * identifier and the SubjectPublicKeyInfo are replaced with those of the real key, and node:crypto signs.
 *
 * @returns PEM.
 */
export function issueCertificate(crypto: Crypto, plan: CertificatePlan): string {
  const draft = forge.pki.createCertificate();
  draft.serialNumber = Buffer.from(serialNumber(crypto)).toString('hex');
  draft.siginfo.algorithmOid = issuingAlgorithm.signatureOid;
  draft.validity.notBefore = wholeSeconds(plan.notBefore);
  draft.validity.notAfter = wholeSeconds(plan.notAfter);
  draft.publicKey = placeholderKey;
  // UTF8String, because PrintableString has no underscore and node ids have; the types mistake the type for a class.
  const utf8Type = Type.UTF8 as number as forge.asn1.Class;
  const name = [{ name: 'commonName', value: plan.commonName, valueTagClass: utf8Type }];
  draft.setSubject(name);
  draft.setIssuer(name);
  // forge fills the descriptions in place, and the plan is not ours to change.
  draft.setExtensions(plan.extensions.map((extension) => ({ ...extension })));

  const tbs = signedPart(draft);
  const parts = tbs.value as Asn1[];
  parts[2] = algorithmIdentifier();
  if (plan.issuer.subject) parts[3] = plan.issuer.subject;
  if (plan.subject) parts[5] = plan.subject;
  parts[6] = parseDer(binaryString(plan.publicKey.export({ type: 'spki', format: 'der' })));

  const signature = sign(issuingAlgorithm.signature.digest, bytesOfBinary(derOf(tbs)), {
    key: plan.issuer.privateKey,
    dsaEncoding: 'der',
  });
  const certificate = forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    tbs,
    algorithmIdentifier(),
    forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`),
  ]);
  return new X509Certificate(bytesOfBinary(derOf(certificate))).toString();
}

/** A key identifier: the leftmost 160 bits of SHA-256 of the public key (RFC 7093 §2, method 1), as a binary string. */
export function keyIdentifier(publicKey: KeyObject): string {
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  // P-256, uncompressed: the key is the last 65 bytes.
  return binaryString(sha256(spki.subarray(spki.length - 65)).subarray(0, 20));
}

/** The two extensions that chain certificates by key. Identifiers are binary strings. */
export const keyIdentifierExtensions = (subject: string, authority: string): ExtensionPlan[] => [
  { name: 'subjectKeyIdentifier', value: forge.asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, subject) },
  { name: 'authorityKeyIdentifier', keyIdentifier: authority },
];

/** A critical name constraint: URIs of this host alone (RFC 5280 §4.2.1.10). */
export const permittedUri = (host: string): ExtensionPlan => {
  const { CONTEXT_SPECIFIC, UNIVERSAL } = Class;
  const base = forge.asn1.create(CONTEXT_SPECIFIC, 6 as forge.asn1.Type, false, host);
  const subtree = forge.asn1.create(UNIVERSAL, Type.SEQUENCE, true, [base]);
  const permitted = forge.asn1.create(CONTEXT_SPECIFIC, 0 as forge.asn1.Type, true, [subtree]);
  const constraints = forge.asn1.create(UNIVERSAL, Type.SEQUENCE, true, [permitted]);
  return { name: 'nameConstraints', id: '2.5.29.30', critical: true, value: derOf(constraints) };
};

/** 128 bits from the port, positive and without a leading zero byte in DER (RFC 5280 §4.1.2.2). */
function serialNumber(crypto: Crypto): Uint8Array {
  const serial = crypto.randomBytes(16).slice();
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial;
}

/** A time as certificates hold it: parts of a second dropped. */
export const wholeSeconds = (ms: number): Date => new Date(Math.floor(ms / 1000) * 1000);

// The published types leave this function out.
const signedPart = (forge.pki as unknown as { getTBSCertificate: (draft: forge.pki.Certificate) => Asn1 })
  .getTBSCertificate;

/** ecdsa-with-SHA256 has no parameters, not even NULL (RFC 5758 §3.2). */
export const algorithmIdentifier = (): Asn1 =>
  forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [
    forge.asn1.create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(issuingAlgorithm.signatureOid).getBytes()),
  ]);

/** forge wants an RSA key where the real one will stand. */
const three = new forge.jsbn.BigInteger('3');
const placeholderKey = forge.pki.setRsaPublicKey(three, three);
