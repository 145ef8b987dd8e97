import { createPrivateKey, X509Certificate } from 'node:crypto';
import { type IssuedCertificate, issueCa, nodeExtensions } from '../../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../../src/crypto/certificate-fields.ts';
import { issueCertificate, keyIdentifier, keyIdentifierExtensions } from '../../../src/crypto/issuance.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';

const hourMs = 3_600_000;

/** What a TLS client shows, in PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** Where a certificate departs from what its CA would issue to the node. */
export interface Mint {
  /** Whose name it bears. */
  readonly nodeId: string;
  /** The common name, when it is another one. */
  readonly commonName?: string;
  /** All URI names, when they are others. */
  readonly uris?: readonly string[];
  /** Milliseconds from now. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly clientAuth?: boolean;
}

/** A CA for `trustDomain` that nobody here trusts. */
export const mintCa = (trustDomain: string): IssuedCertificate =>
  issueCa(osCrypto, { trustDomain, notBefore: Date.now() - hourMs, notAfter: Date.now() + hourMs });

/** A leaf signed by `ca`, as wrong as it is asked to be: no rule of the issuer is kept. */
export function mintLeaf(ca: IssuedCertificate, trustDomain: string, plan: Mint): Credentials {
  const { nodeId, uris = [`spiffe://${trustDomain}/node/${nodeId}`] } = plan;
  const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
  const issuer = unwrap(readCertificateFields(new Uint8Array(new X509Certificate(ca.certPem).raw)));
  const extensions = nodeExtensions('', { dns: [], ip: ['127.0.0.1'] }).map((extension) => {
    if (extension.name === 'extKeyUsage') return { ...extension, clientAuth: plan.clientAuth ?? true };
    if (extension.name !== 'subjectAltName') return extension;
    return { ...extension, altNames: uris.map((value) => ({ type: 6, value })) };
  });
  const cert = issueCertificate(osCrypto, {
    issuer: { privateKey: createPrivateKey(ca.keyPem), subject: issuer.subject },
    publicKey,
    commonName: plan.commonName ?? nodeId,
    notBefore: Date.now() + (plan.fromMs ?? -hourMs),
    notAfter: Date.now() + (plan.untilMs ?? hourMs),
    extensions: [
      ...extensions,
      ...keyIdentifierExtensions(keyIdentifier(publicKey), issuer.subjectKeyIdentifier ?? ''),
    ],
  });
  return { cert, key: privateKeyToPem(privateKey) };
}
