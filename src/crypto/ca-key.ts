import { type KeyObject, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import type { TrustDomain } from '../names.ts';
import type { IssuedCertificate } from './certificate.ts';
import { certificatesFromPem, isSelfIssued } from './certificate-chain.ts';
import { readCertificateFields } from './certificate-fields.ts';
import { decryptPrivateKey, isEncryptedKey } from './encrypted-key.ts';
import { privateKeyFromPem, privateKeyToPem } from './keys.ts';

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
  // Upwards over roots themselves, and not over what others have signed of them.
  const all = [...found.values()].sort((a, b) => Number(isSelfIssued(b)) - Number(isSelfIssued(a)));
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

/** A CA that can sign: its key is not encrypted here, and goes to no file in this form. */
export interface OpenCa {
  readonly pair: IssuedCertificate;
  /** What must stand behind a certificate that it signs: see `IssuingCa`. */
  readonly chainPem: string;
}

export interface CaFiles {
  /** The CA’s certificate is in it, and those between it and the root. */
  readonly certPem: string;
  /** PKCS #8, encrypted or not. */
  readonly keyPem: string;
  /** Opens an encrypted key. */
  readonly passphrase?: string | undefined;
  readonly trustDomain: TrustDomain;
}

/**
 * A CA’s certificate and key, ready to sign: the key decrypted and compared with the certificate. MALFORMED,
 * CERTIFICATE_REFUSED; no refusal quotes key or passphrase.
 */
export function openCa({ certPem: text, keyPem, passphrase, trustDomain }: CaFiles): Result<OpenCa> {
  const key = readCaKey(keyPem, passphrase);
  if (!key.ok) return key;
  const ca = issuingCa(key.value, text);
  if (!ca.ok) return ca;
  const { certPem, chainPem } = ca.value;
  const fields = readCertificateFields(new Uint8Array(new X509Certificate(certPem).raw));
  if (!fields.ok) return fields;
  const uris = fields.value.altNames.filter(({ tag }) => tag === 6).map(({ value }) => value);
  return uris.length === 1 && uris[0] === `spiffe://${trustDomain}`
    ? ok({ pair: { certPem, keyPem: privateKeyToPem(key.value) }, chainPem })
    : refuse('CERTIFICATE_REFUSED', `The CA’s certificate is not of the trust domain ${trustDomain}.`);
}

function readCaKey(pem: string, passphrase: string | undefined): Result<KeyObject> {
  if (!isEncryptedKey(pem)) return privateKeyFromPem(pem);
  if (passphrase === undefined) return refuse('MALFORMED', 'The key is encrypted, and no passphrase was given.');
  return decryptPrivateKey(pem, passphrase);
}
