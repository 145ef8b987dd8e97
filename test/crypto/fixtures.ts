import { X509Certificate } from 'node:crypto';
import { type IssuedCertificate, issueCa, nodeExtensions } from '../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../src/crypto/certificate-fields.ts';
import {
  type CertificatePlan,
  issueCertificate,
  keyIdentifier,
  keyIdentifierExtensions,
} from '../../src/crypto/issuance.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { type KeyPair, osCrypto } from '../../src/crypto/port.ts';
import { type Result, unwrap } from '../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';

/** A fixed “now” inside the period of every certificate made here, unless the test says otherwise. */
export const now = 1_800_000_000_000;
export const dayMs = 86_400_000;
export const domain = 'test.caxton.internal' as TrustDomain;
export const nodeOne = 'node-1' as NodeId;
export const crypto = osCrypto;

export const period = { notBefore: now - dayMs, notAfter: now + dayMs };

export const makeCa = (trustDomain: string = domain): IssuedCertificate =>
  issueCa(crypto, { trustDomain, notBefore: now - 10 * dayMs, notAfter: now + 10 * dayMs });

export const derOf = (pem: string): Uint8Array => new Uint8Array(new X509Certificate(pem).raw);

/**
 * A node’s certificate as the CA would issue it, with anything in the plan replaced: for the bad ones that the public
 * functions refuse to make.
 */
export function nodeCertificate(
  ca: IssuedCertificate,
  change: (plan: CertificatePlan) => Partial<CertificatePlan> = () => ({}),
  keys: KeyPair = crypto.generateKeyPair('p256'),
): Uint8Array {
  const authority = unwrap(readCertificateFields(derOf(ca.certPem)));
  const plan: CertificatePlan = {
    issuer: { privateKey: unwrap(privateKeyFromPem(ca.keyPem)), subject: authority.subject },
    publicKey: keys.publicKey,
    commonName: nodeOne,
    ...period,
    extensions: [
      ...nodeExtensions(`spiffe://${domain}/node/${nodeOne}`, { dns: ['localhost'], ip: ['127.0.0.1'] }),
      ...keyIdentifierExtensions(keyIdentifier(keys.publicKey), authority.subjectKeyIdentifier ?? ''),
    ],
  };
  return derOf(issueCertificate(crypto, { ...plan, ...change(plan) }));
}

/** The code and reasons of a refusal; throws when there is none, so that a test cannot pass by accident. */
export function refusalOf(result: Result<unknown>): { readonly code: string; readonly text: string } {
  if (result.ok) throw new Error('There is no refusal.');
  return { code: result.refusal.code, text: result.refusal.reasons.join('\n') };
}

export const flipBit = (bytes: Uint8Array, bit: number): Uint8Array => {
  const flipped = bytes.slice();
  flipped[bit >> 3]! ^= 1 << (bit & 7);
  return flipped;
};
