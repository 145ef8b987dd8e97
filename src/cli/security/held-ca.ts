import { type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openFault, readKeyFile } from '../../config/key-file.ts';
import { type IssuingCa, issuingCa } from '../../crypto/ca-key.ts';
import type { IssuedCertificate } from '../../crypto/certificate.ts';
import { readCertificateFields } from '../../crypto/certificate-fields.ts';
import { decryptPrivateKey, isEncryptedKey } from '../../crypto/encrypted-key.ts';
import { privateKeyFromPem, privateKeyToPem } from '../../crypto/keys.ts';
import { CaxtonError, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isTrustDomain, type TrustDomain } from '../../names.ts';
import type { Invocation } from '../command.ts';
import { passphraseFor } from './passphrase.ts';

/** A CA whose key this command holds. */
export interface HeldCa extends IssuingCa {
  /** For the functions that issue; the key never goes to a file in this form. */
  readonly pair: IssuedCertificate;
  readonly trustDomain: TrustDomain;
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Reads a CA’s certificate and key. The certificate’s file may hold the CAs above it too, and `more` further ones.
 * FILE_UNREADABLE, MALFORMED, CERTIFICATE_REFUSED, each with the path.
 */
export async function readHeldCa(
  invocation: Invocation,
  certificate: string,
  key: string,
  ...more: readonly string[]
): Promise<HeldCa> {
  const { cwd } = invocation.terminal;
  const keyPath = resolve(cwd, key);
  const texts = await Promise.all([certificate, ...more].map((path) => readPem(resolve(cwd, path))));
  const privateKey = await readCaKey(invocation, keyPath);
  const ca = about(`${certificate} and ${key}`, issuingCa(privateKey, ...texts));
  const x509 = new X509Certificate(ca.certPem);
  return {
    ...ca,
    pair: { certPem: ca.certPem, keyPem: privateKeyToPem(privateKey) },
    trustDomain: trustDomainOf(ca.certPem, certificate),
    notBefore: x509.validFromDate.getTime(),
    notAfter: x509.validToDate.getTime(),
  };
}

/** A CA’s private key from its file, opened with the passphrase when it is encrypted. */
export async function readCaKey(invocation: Invocation, path: string): Promise<KeyObject> {
  const pem = Buffer.from(about(path, await readKeyFile(path))).toString('latin1');
  if (!isEncryptedKey(pem)) return about(path, privateKeyFromPem(pem));
  return about(path, decryptPrivateKey(pem, await passphraseFor(invocation, path)));
}

/** A file of PEM text. FILE_UNREADABLE. */
export async function readPem(path: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new CaxtonError('FILE_UNREADABLE', openFault(path, error));
  });
  if (bytes.length <= limits.certificateListBytesMax * 2) return bytes.toString('latin1');
  throw new CaxtonError('FILE_UNREADABLE', `${path} is too long for certificates.`);
}

/** The trust domain that a CA’s certificate names. CERTIFICATE_REFUSED when it names none. */
export function trustDomainOf(certPem: string, path: string): TrustDomain {
  const fields = about(path, readCertificateFields(new Uint8Array(new X509Certificate(certPem).raw)));
  const uris = fields.altNames.filter(({ tag }) => tag === 6);
  const domain = /^spiffe:\/\/([^/]+)$/.exec(uris.length === 1 ? uris[0]!.value : '')?.[1] ?? '';
  if (isTrustDomain(domain)) return domain;
  throw new CaxtonError('CERTIFICATE_REFUSED', `${path} names no trust domain (one URI name spiffe://<trust domain>).`);
}

/** The value, or a throw that says which file it was about. */
export function about<T>(path: string, result: Result<T>): T {
  if (result.ok) return result.value;
  const { code, reasons } = result.refusal;
  throw new CaxtonError(
    code,
    reasons.map((reason, at) => (at === 0 && !reason.startsWith(path) ? `${path}: ${reason}` : reason)),
  );
}
