import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type CertificateFields, readCertificateFields } from './certificate-fields.ts';

/** A certificate that two readers took for the same: OpenSSL for keys and signatures, the strict one for fields. */
export interface ReadCertificate {
  readonly x509: X509Certificate;
  readonly fields: CertificateFields;
  /** Undefined when node:crypto does not know its type. */
  readonly publicKey: KeyObject | undefined;
}

/** Reads one certificate in DER. MALFORMED, LIMIT_EXCEEDED. */
export function readCertificate(der: Uint8Array): Result<ReadCertificate> {
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

/**
 * The certificates of a chain as it travels: DER of the leaf, then of its intermediates, nothing between them and nothing
 * behind. MALFORMED, LIMIT_EXCEEDED.
 */
export function splitChain(bytes: Uint8Array): Result<readonly Uint8Array[]> {
  if (bytes.length > limits.certificateBytesMax)
    return refuse('LIMIT_EXCEEDED', `A certificate may have ${limits.certificateBytesMax} bytes at most.`);
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = start + derLength(bytes.subarray(start));
    // One byte more than a whole one is not DER either, so the comparison with NaN must refuse.
    if (!(end <= bytes.length)) return refuse('MALFORMED', 'The certificate is not DER.');
    if (parts.push(bytes.subarray(start, end)) > limits.chainCertificatesMax)
      return refuse('LIMIT_EXCEEDED', `A chain has ${limits.chainCertificatesMax} certificates at most.`);
    start = end;
  }
  return parts.length === 0 ? refuse('MALFORMED', 'The certificate is empty, and so not DER.') : ok(parts);
}

/** How long the SEQUENCE is that begins here, head included (X.690 §8.1.3); NaN when none does. */
function derLength(bytes: Uint8Array): number {
  const [tag, short] = bytes;
  if (tag !== 0x30 || short === undefined) return Number.NaN;
  if (short < 0x80) return 2 + short;
  const count = short & 0x7f;
  if (count === 0 || count > 3 || bytes.length < 2 + count) return Number.NaN;
  let length = 0;
  for (const byte of bytes.subarray(2, 2 + count)) length = length * 256 + byte;
  return 2 + count + length;
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** DER of every certificate in a PEM text, in its order. MALFORMED when there is none, or one cannot be read. */
export function certificatesFromPem(pem: string): Result<readonly Uint8Array[]> {
  try {
    const found = (pem.match(certificateBlock) ?? []).map((block) => new Uint8Array(new X509Certificate(block).raw));
    return found.length === 0 ? refuse('MALFORMED', 'It holds no whole PEM certificate.') : ok(found);
  } catch {
    return refuse('MALFORMED', 'It holds a PEM certificate that cannot be read.');
  }
}

/**
 * The chain of a PEM text as it travels. A root at its end is left out: whoever judges has it, or does not believe it.
 * MALFORMED.
 */
export function chainFromPem(pem: string): Result<Uint8Array> {
  const parts = certificatesFromPem(pem);
  if (!parts.ok) return parts;
  return ok(joinChain(parts.value.filter((der, at) => at === 0 || !isSelfIssued(new X509Certificate(der)))));
}

/** Whether a certificate names itself as its issuer. */
export const isSelfIssued = (x509: X509Certificate): boolean => x509.checkIssued(x509);

/** Certificates one after the other, as a chain travels. */
export const joinChain = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat([...parts]));

let lastBundle: { readonly pem: string; readonly read: Result<readonly ReadCertificate[]> } | undefined;

/** The CAs of a trust bundle. Read once for each text: a node judges thousands of peers by one bundle. */
export function readBundle(pem: string): Result<readonly ReadCertificate[]> {
  if (lastBundle?.pem === pem) return lastBundle.read;
  const read = bundleOf(pem);
  lastBundle = { pem, read };
  return read;
}

function bundleOf(pem: string): Result<readonly ReadCertificate[]> {
  const parts = certificatesFromPem(pem);
  if (!parts.ok) return refuse('MALFORMED', 'The CA certificate cannot be read.');
  const read: ReadCertificate[] = [];
  for (const der of parts.value.slice(0, limits.bundleCertificatesMax)) {
    const certificate = readCertificate(der);
    if (!certificate.ok) return refuse('MALFORMED', ...prefixed('The CA', certificate.refusal.reasons));
    read.push(certificate.value);
  }
  return ok(read);
}

const prefixed = (what: string, [first, ...more]: readonly [string, ...string[]]): [string, ...string[]] => [
  `${what}: ${first}`,
  ...more.map((reason) => `${what}: ${reason}`),
];

/** A leaf and, of many certificates in any order, those that lead upwards from it, in their order. */
export function orderedChain(leaf: Uint8Array, pool: readonly Uint8Array[]): readonly Uint8Array[] {
  const chain = [leaf];
  const left = new Set(pool);
  for (let current: X509Certificate | undefined = new X509Certificate(leaf); current; ) {
    const below: X509Certificate = current;
    const above = [...left].find((der) => below.checkIssued(new X509Certificate(der)));
    current = above && new X509Certificate(above);
    if (!above) break;
    left.delete(above);
    chain.push(above);
  }
  return chain;
}

const keyIds = new WeakMap<KeyObject, string>();

/** The name of a key in revocations: SHA-256 of its SubjectPublicKeyInfo, lower-case hex. Worked out once for each object: 110 µs. */
export function certificateKeyId(publicKey: KeyObject): string {
  const known = keyIds.get(publicKey);
  if (known !== undefined) return known;
  const id = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  keyIds.set(publicKey, id);
  return id;
}

/**
 * Whether one signed the other, by name, key identifier and signature. “named”: all but the signature is its. “unfit”: the
 * signature is its, and it is no CA, or not the one whose key identifier is meant.
 */
export function issued(issuer: ReadCertificate, certificate: ReadCertificate): 'signed' | 'named' | 'unfit' | 'no' {
  const { publicKey, x509 } = issuer;
  // checkIssued compares names, key identifiers and what the issuer may do; only verify looks at the signature.
  const matches = certificate.x509.checkIssued(x509);
  if (!matches && certificate.x509.issuer !== x509.subject) return 'no';
  const signed = publicKey !== undefined && hasSigned(issuer, certificate, publicKey);
  return matches ? (signed ? 'signed' : 'named') : signed ? 'unfit' : 'no';
}

/** Issuers whose signature on a certificate was found good: no change of either object can make it another. */
const signers = new WeakMap<ReadCertificate, WeakSet<ReadCertificate>>();

function hasSigned(issuer: ReadCertificate, certificate: ReadCertificate, key: KeyObject): boolean {
  if (signers.get(certificate)?.has(issuer)) return true;
  if (!verifies(certificate.x509, key)) return false;
  const found = signers.get(certificate) ?? new WeakSet();
  signers.set(certificate, found.add(issuer));
  return true;
}

/** A key of another kind than the signature throws where one that does not fit says no. */
function verifies(x509: X509Certificate, key: KeyObject): boolean {
  try {
    return x509.verify(key);
  } catch {
    return false;
  }
}
