import type { TlsIdentity } from '../../src/actors/kernel/ports.ts';
import { type IssuedCertificate, issueCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import type { TrustDomain } from '../../src/names.ts';

export type Authority = IssuedCertificate;
export const trustDomain = 'bench.caxton.internal' as TrustDomain;
const dayMs = 86_400_000;
const period = (days: number) => ({ notBefore: Date.now() - dayMs, notAfter: Date.now() + days * dayMs });

export const makeAuthority = (): Authority => issueCa(osCrypto, { trustDomain, ...period(30) });

/** What a node of this CA shows, with a new key. */
export function identityOf(ca: Authority, nodeId: string): TlsIdentity {
  const key = osCrypto.generateKeyPair('p256');
  const names = { dns: ['localhost'], ip: ['127.0.0.1'] };
  const plan = { ca, nodeId, trustDomain, publicKey: key.publicKey, ...period(10), ...names };
  return {
    certPem: unwrap(issueNodeCertificate(osCrypto, plan)),
    keyPem: privateKeyToPem(key.privateKey),
    caPem: ca.certPem,
  };
}
