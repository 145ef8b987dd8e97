import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { certificatesFromPem, chainFromPem, isSelfIssued } from '../../crypto/certificate-chain.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';

/** The chain of a PEM text, as `LinkChannel.peerCertificate`. MALFORMED when there is no whole certificate. */
export function shownChain(pem: string): Result<Uint8Array> {
  const chain = chainFromPem(pem);
  return chain.ok ? chain : noCertificate();
}

const noCertificate = (): ReturnType<typeof refuse> =>
  refuse('MALFORMED', 'It holds no whole PEM certificate; was it written to its end?');

function firstCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Whether a PEM text begins with the certificate of a CA. MALFORMED, CERTIFICATE_REFUSED. */
export function checkCaCertificate(pem: string): Result<void> {
  const certificate = firstCertificate(pem);
  if (!certificate) return noCertificate();
  return certificate.ca ? ok(undefined) : refuse('CERTIFICATE_REFUSED', 'This is not the certificate of a CA.');
}

/** Until when the first certificate of a PEM text holds, in milliseconds since 1970; undefined when there is none. */
export const certificateEnd = (pem: string): number | undefined => firstCertificate(pem)?.validToDate.getTime();

/** A PKCS #8 private key; the refusal never quotes the text. */
export const readPrivateKey = (pem: string): Result<KeyObject> => privateKeyFromPem(pem);

/** Whether the private key’s public half is the certificate’s. */
export const keyMatches = (privateKey: KeyObject, publicKey: KeyObject): boolean =>
  createPublicKey(privateKey).equals(publicKey);

/** Whether the first certificate of a PEM text is for the key of another one; false when either cannot be read. */
export function belongTogether(certPem: string, keyPem: string): boolean {
  const key = readPrivateKey(keyPem);
  return key.ok && firstCertificate(certPem)?.checkPrivateKey(key.value) === true;
}

export interface ServerPair {
  readonly certPem: string;
  /** Any kind of key that TLS takes: the API’s certificate may come from a public CA. */
  readonly keyPem: string;
  readonly keyPath: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Whether a server can show the certificate with the key now: clients would refuse an expired one only when they come.
 * MALFORMED, or CERTIFICATE_REFUSED with the reason.
 */
export function checkServerPair({ certPem, keyPem, keyPath, now }: ServerPair): Result<void> {
  const certificate = firstCertificate(certPem);
  if (!certificate) return noCertificate();
  let key: KeyObject;
  try {
    key = createPrivateKey(keyPem);
  } catch {
    return refuse('MALFORMED', `Its key ${keyPath} is no private key in PEM, or is encrypted.`);
  }
  if (!certificate.checkPrivateKey(key))
    return refuse('CERTIFICATE_REFUSED', `The private key ${keyPath} does not belong to this certificate.`);
  const { validFromDate, validToDate } = certificate;
  if (now + limits.clockSkewMsMax < validFromDate.getTime())
    return refuse('CERTIFICATE_REFUSED', `It is not yet valid: it begins ${validFromDate.toISOString()}.`);
  if (now - limits.clockSkewMsMax > validToDate.getTime())
    return refuse('CERTIFICATE_REFUSED', `It has expired: it ended ${validToDate.toISOString()}.`);
  return ok(undefined);
}

/** A CA of PEM texts that a key belongs to, and what must stand behind a certificate that it signs. */
export interface IssuingCa {
  readonly certPem: string;
  /** The intermediates from the CA up to the root, root left out; empty when the CA is the root itself. */
  readonly chainPem: string;
  /** The roots of the texts: what a node believes. */
  readonly rootsPem: string;
}

/**
 * Which of the certificates in PEM texts is the CA of this key. MALFORMED when one cannot be read, CERTIFICATE_REFUSED
 * when none is.
 */
export function issuingCa(key: KeyObject, ...pems: readonly string[]): Result<IssuingCa> {
  const read = certificatesFromPem(pems.join('\n'));
  if (!read.ok) return read;
  const found = new Map(read.value.map((der) => new X509Certificate(der)).map((x509) => [x509.fingerprint256, x509]));
  const all = [...found.values()];
  const ca = all.find((x509) => x509.ca && x509.checkPrivateKey(key));
  if (!ca) return refuse('CERTIFICATE_REFUSED', 'The CA key does not belong to any CA certificate here.');
  const chain: X509Certificate[] = [];
  for (let at: X509Certificate | undefined = ca; at && !isSelfIssued(at) && !chain.includes(at); ) {
    chain.push(at);
    const below: X509Certificate = at;
    at = all.find((candidate) => candidate !== below && below.checkIssued(candidate));
  }
  const text = (certificates: readonly X509Certificate[]) => certificates.map(String).join('');
  return ok({ certPem: ca.toString(), chainPem: text(chain), rootsPem: text(all.filter(isSelfIssued)) });
}
