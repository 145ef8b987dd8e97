import { createPrivateKey, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import type { TrustDomain } from '../names.ts';
import type { IssuedCertificate } from './certificate.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { privateKeyFromPem, privateKeyToPem } from './keys.ts';

export interface CaFiles {
  /** The CA’s certificate comes first in it. */
  readonly certPem: string;
  /** PKCS #8, encrypted or not. */
  readonly keyPem: string;
  /** Opens an encrypted key. */
  readonly passphrase: string | undefined;
  readonly trustDomain: TrustDomain;
}

/**
 * A CA’s certificate and key, ready to sign: the key decrypted and compared with the certificate. MALFORMED,
 * CERTIFICATE_REFUSED; no refusal quotes key or passphrase.
 */
export function openCa({ certPem, keyPem, passphrase, trustDomain }: CaFiles): Result<IssuedCertificate> {
  const plain = decrypted(keyPem, passphrase);
  if (!plain.ok) return plain;
  const key = privateKeyFromPem(plain.value);
  if (!key.ok) return key;
  try {
    const certificate = new X509Certificate(certPem);
    if (!certificate.ca) return refuse('CERTIFICATE_REFUSED', 'The certificate beside it is not one of a CA.');
    if (!certificate.checkPrivateKey(key.value))
      return refuse('CERTIFICATE_REFUSED', 'The key does not belong to the CA’s certificate.');
    const fields = readCertificateFields(new Uint8Array(certificate.raw));
    if (!fields.ok) return fields;
    const uris = fields.value.altNames.filter(({ tag }) => tag === 6).map(({ value }) => value);
    return uris.length === 1 && uris[0] === `spiffe://${trustDomain}`
      ? ok({ certPem, keyPem: plain.value })
      : refuse('CERTIFICATE_REFUSED', `The CA’s certificate is not of the trust domain ${trustDomain}.`);
  } catch {
    return refuse('MALFORMED', 'The CA’s certificate cannot be read.');
  }
}

function decrypted(pem: string, passphrase: string | undefined): Result<string> {
  if (pem.length > limits.pemBytesMax) return refuse('LIMIT_EXCEEDED', 'The private key file is too long.');
  if (!pem.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----')) return ok(pem);
  if (passphrase === undefined) return refuse('MALFORMED', 'The key is encrypted, and no passphrase was given.');
  try {
    return ok(privateKeyToPem(createPrivateKey({ key: pem, format: 'pem', passphrase })));
  } catch {
    return refuse('MALFORMED', 'The passphrase does not open the key.');
  }
}
