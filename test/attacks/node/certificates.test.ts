import { X509Certificate } from 'node:crypto';
import type { ConnectionOptions } from 'node:tls';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { issueCa } from '../../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../../src/crypto/certificate-fields.ts';
import { issueCertificate, keyIdentifier, keyIdentifierExtensions } from '../../../src/crypto/issuance.ts';
import { privateKeyToPem } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';
import { type AttackedNode, attackedNode, expectRefused, privateKey, tlsUntilCut } from './attacked-node.ts';

const hourMs = 3_600_000;
let attacked: AttackedNode;
beforeAll(async () => {
  attacked = await attackedNode();
});
afterAll(() => attacked.close());

interface Leaf {
  readonly ca?: { readonly certPem: string; readonly keyPem: string };
  readonly cn?: string;
  readonly uris?: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly clientAuth?: boolean;
}

const nodeUri = (id: string): string => `spiffe://${attacked.config.cluster.trustDomain}/node/${id}`;

/** A certificate as no CA should issue it; what is not said is as it should be for `stranger`. */
function leaf(over: () => Leaf): { readonly cert: string; readonly key: string } {
  const now = Date.now();
  const { ca = attacked.ca, cn = 'stranger', uris = [nodeUri('stranger')], ...rest } = over();
  const { publicKey, privateKey: key } = osCrypto.generateKeyPair('p256');
  const { subject, subjectKeyIdentifier } = unwrap(
    readCertificateFields(new Uint8Array(new X509Certificate(ca.certPem).raw)),
  );
  const purposes = { name: 'extKeyUsage', serverAuth: true, clientAuth: rest.clientAuth ?? true };
  const cert = issueCertificate(osCrypto, {
    issuer: { privateKey: privateKey(ca.keyPem), subject },
    publicKey,
    commonName: cn,
    notBefore: rest.notBefore ?? now - hourMs,
    notAfter: rest.notAfter ?? now + hourMs,
    extensions: [
      { name: 'basicConstraints', critical: true, cA: false },
      { name: 'keyUsage', critical: true, digitalSignature: true },
      purposes,
      { name: 'subjectAltName', altNames: uris.map((value) => ({ type: 6, value })) },
      ...keyIdentifierExtensions(keyIdentifier(publicKey), subjectKeyIdentifier ?? ''),
    ],
  });
  return { cert, key: privateKeyToPem(key) };
}

let source = '127.0.0.1';

/** Shows a certificate and then talks as a peer would, for what TLS itself lets through. */
async function shows(shown: { readonly cert?: string; readonly key?: string }, more: ConnectionOptions = {}) {
  await tlsUntilCut(attacked.config, { localAddress: source, ...shown, ...more }, (socket) => socket.write(upgrade));
}

const upgrade = [
  'GET / HTTP/1.1',
  'Host: target',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n');

describe('the link port refuses', () => {
  const now = Date.now();
  const stranger = (): { readonly cert: string; readonly key: string } => attacked.filesOf('stranger');
  const otherCa = issueCa(osCrypto, {
    trustDomain: 'dev.caxton.internal',
    notBefore: now - hourMs,
    notAfter: now + hourMs,
  });
  const cases: readonly [string, () => Promise<void>, RegExp][] = [
    ['no certificate', () => shows({}), /DID_NOT_RETURN_A_CERTIFICATE/],
    ['TLS 1.2', () => shows(stranger(), { maxVersion: 'TLSv1.2' }), /UNSUPPORTED_PROTOCOL/],
    ['a client without ALPN', () => shows(stranger(), { ALPNProtocols: [] }), /did not agree on the protocol/],
    ['another protocol by ALPN', () => shows(stranger(), { ALPNProtocols: ['h2'] }), /ALPN|APPLICATION_PROTOCOL/i],
    ['another CA of the same name', () => shows(leaf(() => ({ ca: otherCa }))), /UNABLE_TO_VERIFY|SIGNATURE|ISSUER/],
    ['an expired one', () => shows(leaf(() => ({ notBefore: now - 3 * hourMs, notAfter: now - hourMs }))), /EXPIRED/],
    [
      'one of tomorrow',
      () => shows(leaf(() => ({ notBefore: now + hourMs, notAfter: now + 2 * hourMs }))),
      /NOT_YET_VALID/,
    ],
    ['one for servers alone', () => shows(leaf(() => ({ clientAuth: false }))), /INVALID_PURPOSE|clientAuth/],
    ['two names', () => shows(leaf(() => ({ uris: [nodeUri('stranger'), nodeUri('target')] }))), /2 URI names/],
    ['no name', () => shows(leaf(() => ({ uris: [] }))), /0 URI names/],
    [
      'another trust domain',
      () => shows(leaf(() => ({ uris: ['spiffe://elsewhere/node/stranger'] }))),
      /elsewhere|trust domain/,
    ],
    ['a CN of another node', () => shows(leaf(() => ({ cn: 'friend' }))), /common name/],
    [
      'an agent’s name',
      () => shows(leaf(() => ({ uris: ['spiffe://dev.caxton.internal/tenant/t/agent/a'] }))),
      /node|SPIFFE/i,
    ],
  ];
  it.each(cases)('%s, says why and whence in the audit log, and serves on', async (name, attack, reason) => {
    // Each from an address of its own: of one address the log has the first eight of a kind in full.
    source = `127.0.0.${10 + cases.findIndex(([known]) => known === name)}`;
    await attack();
    await expectRefused(attacked, source, reason);
    await attacked.serves();
  });
});
