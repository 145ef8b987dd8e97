import { type KeyObject, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { ok, type Result, refuse } from '../errors.ts';
import { issuingAlgorithm, keyFits } from './algorithms.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { type Asn1, binaryString, bytesOfBinary, derOf } from './der.ts';
import { keyIdentifier } from './issuance.ts';

const { Class, Type } = forge.asn1;

/** One line of a CRL. */
export interface RevokedCertificate {
  /** Hexadecimal. */
  readonly serial: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** CRLReason of RFC 5280 §5.3.1; 0 is left out, as it says there. */
  readonly reason: number;
}

export interface RevocationListPlan {
  readonly caCertPem: string;
  /** P-256. */
  readonly caKey: KeyObject;
  /** Grows with each list of the CA. */
  readonly number: number;
  /** Milliseconds since 1970: from when it is the newest, and until when there is a newer one. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedCertificate[];
}

/**
 * Makes and signs a certificate revocation list (RFC 5280 §5, version 2), for programs outside of the cluster: nodes go by
 * the revocations notice alone. PEM. CERTIFICATE_REFUSED for a certificate that may not sign one, or of another key.
 */
export function issueRevocationList(plan: RevocationListPlan): Result<string> {
  const ca = caOf(plan);
  if (!ca.ok) return ca;
  const tbs = sequence(
    integer('\x01'),
    algorithmIdentifier(),
    ca.value.subject,
    time(plan.thisUpdate),
    time(plan.nextUpdate),
    ...(plan.revoked.length === 0 ? [] : [sequence(...plan.revoked.map(entryOf))]),
    forge.asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [
      sequence(
        extension('2.5.29.35', sequence(contextual(0, ca.value.keyId))),
        extension('2.5.29.20', integer(numberBytes(plan.number))),
      ),
    ]),
  );
  const signature = sign(issuingAlgorithm.signature.digest, bytesOfBinary(derOf(tbs)), {
    key: plan.caKey,
    dsaEncoding: 'der',
  });
  const bits = forge.asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${binaryString(signature)}`);
  const base64 = Buffer.from(derOf(sequence(tbs, algorithmIdentifier(), bits)), 'latin1').toString('base64');
  return ok(`-----BEGIN X509 CRL-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END X509 CRL-----\n`);
}

function caOf({ caCertPem, caKey }: RevocationListPlan): Result<{ readonly subject: Asn1; readonly keyId: string }> {
  let x509: X509Certificate;
  try {
    x509 = new X509Certificate(caCertPem);
  } catch {
    return refuse('CERTIFICATE_REFUSED', 'The CA certificate cannot be read.');
  }
  const fields = readCertificateFields(new Uint8Array(x509.raw));
  if (!fields.ok) return fields;
  const { isCa, keyUsage, subject, subjectKeyIdentifier } = fields.value;
  if (!isCa || !keyUsage?.cRLSign) return refuse('CERTIFICATE_REFUSED', 'The certificate may not sign CRLs.');
  if (caKey.type !== 'private' || !keyFits(caKey, issuingAlgorithm.signature) || !x509.checkPrivateKey(caKey))
    return refuse('CERTIFICATE_REFUSED', 'The private key does not belong to the CA certificate.');
  return ok({ subject, keyId: subjectKeyIdentifier ?? keyIdentifier(x509.publicKey) });
}

function entryOf({ serial, at, reason }: RevokedCertificate): Asn1 {
  const parts = [integer(positive(Buffer.from(serial, 'hex').toString('latin1'))), time(at)];
  const code = forge.asn1.create(Class.UNIVERSAL, Type.ENUMERATED, false, String.fromCharCode(reason));
  return sequence(...parts, ...(reason === 0 ? [] : [sequence(extension('2.5.29.21', code))]));
}

const sequence = (...parts: readonly Asn1[]): Asn1 =>
  forge.asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...parts]);
const integer = (bytes: string): Asn1 => forge.asn1.create(Class.UNIVERSAL, Type.INTEGER, false, bytes);
const contextual = (tag: number, bytes: string): Asn1 =>
  forge.asn1.create(Class.CONTEXT_SPECIFIC, tag as forge.asn1.Type, false, bytes);
const oid = (text: string): Asn1 =>
  forge.asn1.create(Class.UNIVERSAL, Type.OID, false, forge.asn1.oidToDer(text).getBytes());
const extension = (id: string, value: Asn1): Asn1 =>
  sequence(oid(id), forge.asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, derOf(value)));

/** ecdsa-with-SHA256 has no parameters, not even NULL (RFC 5758 §3.2). */
const algorithmIdentifier = (): Asn1 => sequence(oid(issuingAlgorithm.signatureOid));

/** UTCTime through 2049, GeneralizedTime from then on, both in whole seconds and Zulu (RFC 5280 §5.1.2.4). */
function time(ms: number): Asn1 {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  return ms < Date.UTC(2050, 0)
    ? forge.asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, digits.slice(2))
    : forge.asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, digits);
}

/** Without a sign bit that would make it negative. */
const positive = (bytes: string): string => (bytes.charCodeAt(0) > 0x7f ? `\0${bytes}` : bytes);

function numberBytes(value: number): string {
  const hex = value.toString(16);
  return positive(Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('latin1'));
}
