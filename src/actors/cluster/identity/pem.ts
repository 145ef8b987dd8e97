import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { chainFromPem, splitChain } from '../../../crypto/certificate-chain.ts';
import { privateKeyFromPem } from '../../../crypto/keys.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';

/** The chain of a PEM text, as `LinkChannel.peerCertificate`. MALFORMED when there is no whole certificate. */
export function shownChain(pem: string): Result<Uint8Array> {
  const chain = chainFromPem(pem);
  return chain.ok ? chain : noCertificate();
}

/** A certificate in DER as PEM; the text of anything else is refused by whoever reads it. */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** The certificates of a chain, as `shownChain` gives it, as PEM; empty for bytes that are none. */
export function chainPem(der: Uint8Array): string {
  const parts = splitChain(der);
  return parts.ok ? parts.value.map((part) => certificatePem(part)).join('') : '';
}

/** From when to when the first certificate of a PEM text holds; never, when it cannot be read. */
export function certificatePeriod(pem: string): { readonly notBefore: number; readonly notAfter: number } {
  const certificate = firstCertificate(pem);
  return { notBefore: certificate?.validFromDate.getTime() ?? 0, notAfter: certificate?.validToDate.getTime() ?? 0 };
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
