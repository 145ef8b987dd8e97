import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type IssuedCertificate,
  issueCa,
  issueNodeCertificate,
  issueServerCertificate,
  type NodeCertificateRequest,
} from '../../src/crypto/certificate.ts';
import { readCertificateFields } from '../../src/crypto/certificate-fields.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { verifyNodeSvid } from '../../src/crypto/svid.ts';
import { CaxtonError, unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { crypto, dayMs, derOf, domain, makeCa, nodeOne, now, period, refusalOf } from './fixtures.ts';

const ca = makeCa();
const keys = crypto.generateKeyPair('p256');
const request: NodeCertificateRequest = {
  ca,
  publicKey: keys.publicKey,
  nodeId: nodeOne,
  trustDomain: domain,
  dns: ['localhost'],
  ip: ['127.0.0.1', '::1'],
  ...period,
};

describe('a CA', () => {
  const x509 = new X509Certificate(ca.certPem);
  const fields = unwrap(readCertificateFields(derOf(ca.certPem)));

  it('signs itself, names its trust domain, and may sign certificates and lists only', () => {
    expect(x509.ca).toBe(true);
    expect(x509.verify(x509.publicKey) && x509.checkIssued(x509)).toBe(true);
    expect(fields.altNames).toEqual([{ tag: 6, value: `spiffe://${domain}` }]);
    expect(fields.keyUsage).toEqual({ critical: true, digitalSignature: false, keyCertSign: true, cRLSign: true });
    expect(fields.version).toBe(3);
  });

  it('holds for the time asked, to the second', () => {
    expect(x509.validFromDate.getTime()).toBe(now - 10 * dayMs);
    expect(x509.validToDate.getTime()).toBe(now + 10 * dayMs);
  });

  it('is not made for a wrong domain or period', () => {
    for (const wrong of [
      { trustDomain: 'Upper.Case', ...period },
      { trustDomain: domain, notBefore: now, notAfter: now },
      { trustDomain: domain, notBefore: now, notAfter: Number.NaN },
    ])
      expect(() => issueCa(crypto, wrong)).toThrow(CaxtonError);
  });
});

describe('a node’s certificate', () => {
  it('is what DESIGN says a node’s certificate is', () => {
    const x509 = new X509Certificate(unwrap(issueNodeCertificate(crypto, request)));
    const fields = unwrap(readCertificateFields(new Uint8Array(x509.raw)));
    expect(fields.commonNames).toEqual([nodeOne]);
    expect(fields.altNames).toEqual([
      { tag: 6, value: `spiffe://${domain}/node/${nodeOne}` },
      { tag: 2, value: 'localhost' },
      { tag: 7, value: '\x7f\0\0\x01' },
      { tag: 7, value: `${'\0'.repeat(15)}\x01` },
    ]);
    expect(fields.isCa).toBe(false);
    expect(fields.keyUsage).toEqual({ critical: true, digitalSignature: true, keyCertSign: false, cRLSign: false });
    expect(fields.extKeyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(fields.subjectKeyIdentifier).toHaveLength(20);
    expect(x509.publicKey.equals(keys.publicKey)).toBe(true);
    expect(x509.checkIssued(new X509Certificate(ca.certPem))).toBe(true);
    expect(x509.checkHost('localhost')).toBe('localhost');
    expect(x509.checkIP('::1')).toBe('::1');
  });

  it('has a positive serial of 16 bytes from the port', () => {
    for (const [byte, serial] of [
      [0x00, `40${'00'.repeat(15)}`],
      [0xff, `7F${'FF'.repeat(15)}`],
    ] as const) {
      const seeded = { ...crypto, randomBytes: (length: number) => new Uint8Array(length).fill(byte) };
      expect(new X509Certificate(unwrap(issueNodeCertificate(seeded, request))).serialNumber).toBe(serial);
    }
  });

  const other = makeCa();
  const refused: [string, Partial<NodeCertificateRequest>, RegExp][] = [
    ['a node id outside the grammar', { nodeId: 'Node/1' }, /node id/],
    ['a trust domain outside the grammar', { trustDomain: 'a/b' }, /trust domain/],
    ['a trust domain that is not the CA’s', { trustDomain: 'other.domain' }, /not of the trust domain/],
    ['a DNS name that is none', { dns: ['local host'] }, /not a DNS name/],
    ['an empty DNS label', { dns: ['a..b'] }, /not a DNS name/],
    ['an IP address that is none', { ip: ['127.0.0.256'] }, /not an IP address/],
    ['too many names', { dns: Array<string>(limits.altNamesMax + 1).fill('a') }, /alternative names/],
    ['a period that ends before it begins', { notBefore: now, notAfter: now - 1 }, /validity/],
    ['a period that is no time', { notAfter: Number.NaN }, /validity/],
    ['a period past the CA’s', { notAfter: now + 11 * dayMs }, /outlive/],
    ['a key of another curve', { publicKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey }, /P-256/],
    ['an Ed25519 key', { publicKey: crypto.generateKeyPair('ed25519').publicKey }, /P-256/],
    ['a private key', { publicKey: keys.privateKey }, /P-256/],
    ['a key that is not the CA’s', { ca: { certPem: ca.certPem, keyPem: other.keyPem } }, /does not belong/],
    ['a CA text that is none', { ca: { certPem: 'x', keyPem: ca.keyPem } }, /cannot be read/],
    ['a CA key text that is none', { ca: { certPem: ca.certPem, keyPem: 'x' } }, /private key/],
  ];
  it.each(refused)('is refused for %s', (_, change, reason) => {
    const refusal = refusalOf(issueNodeCertificate(crypto, { ...request, ...change }));
    expect(refusal.code).toBe('CERTIFICATE_REFUSED');
    expect(refusal.text).toMatch(reason);
  });

  it('is not signed by a certificate that is no CA’s', () => {
    const ca = { certPem: unwrap(issueNodeCertificate(crypto, request)), keyPem: privateKeyToPem(keys.privateKey) };
    expect(refusalOf(issueNodeCertificate(crypto, { ...request, ca })).text).toMatch('may sign certificates');
  });

  it('may end with its CA, to the very millisecond that was asked', () => {
    const odd = { notBefore: now - 1, notAfter: now + dayMs + 501 };
    const issuer = issueCa(crypto, { trustDomain: domain, ...odd });
    expect(issueNodeCertificate(crypto, { ...request, ...odd, ca: issuer }).ok).toBe(true);
  });

  it('is refused with all reasons at once', () => {
    const refusal = refusalOf(issueNodeCertificate(crypto, { ...request, nodeId: '', ip: ['x'], notAfter: 0 }));
    expect(refusal.text).toMatch(/node id[\s\S]*validity[\s\S]*IP address/);
  });
});

describe('a server’s certificate', () => {
  const server = { ...request, commonName: nodeOne };

  it('is for serverAuth alone and has no URI name, so that it never passes for a node', () => {
    const der = derOf(unwrap(issueServerCertificate(crypto, server)));
    const fields = unwrap(readCertificateFields(der));
    expect(fields.extKeyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(fields.altNames.map(({ tag }) => tag)).toEqual([2, 7, 7]);
    const refusal = refusalOf(verifyNodeSvid(der, { caPem: ca.certPem, trustDomain: domain, now }));
    expect(refusal.text).toMatch(/0 URI names[\s\S]*clientAuth/);
  });

  it('is refused without a name to check', () => {
    expect(refusalOf(issueServerCertificate(crypto, { ...server, dns: [], ip: [] })).text).toMatch('needs a DNS name');
    expect(refusalOf(issueServerCertificate(crypto, { ...server, commonName: '' })).text).toMatch('common name');
  });
});

describe('mutual TLS 1.3 on loopback', () => {
  const open: { close(): void }[] = [];
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });

  // TLS looks at the real time, so these certificates hold around it.
  const real = new Date(performance.timeOrigin).getTime();
  const around = { notBefore: real - dayMs, notAfter: real + dayMs };
  const liveCa = (): IssuedCertificate => issueCa(crypto, { trustDomain: domain, ...around });
  const identity = (issuer: IssuedCertificate, nodeId: string): { cert: string; key: string } => {
    const { publicKey, privateKey } = crypto.generateKeyPair('p256');
    const cert = unwrap(issueNodeCertificate(crypto, { ...request, ...around, ca: issuer, publicKey, nodeId }));
    return { cert, key: privateKeyToPem(privateKey) };
  };

  async function handshake(trusted: IssuedCertificate, client: { cert: string; key: string }) {
    const tls = { ca: trusted.certPem, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;
    const server = createServer({
      ...tls,
      ...identity(trusted, 'node-1'),
      requestCert: true,
      rejectUnauthorized: true,
    });
    open.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = new Promise<TLSSocket>((resolve, reject) => {
      server.once('secureConnection', resolve);
      server.once('tlsClientError', reject);
    });
    const { port } = server.address() as AddressInfo;
    const socket = connect({ ...tls, ...client, host: '127.0.0.1', port });
    socket.on('error', () => {});
    open.push({ close: () => socket.destroy() });
    return { socket, peer: await accepted };
  }

  it('accepts what this CA issued, on both sides', async () => {
    const issuer = liveCa();
    const { socket, peer } = await handshake(issuer, identity(issuer, 'node-2'));
    if (socket.getProtocol() !== 'TLSv1.3') await once(socket, 'secureConnect');
    expect(socket.authorized && peer.authorized).toBe(true);
    expect(peer.getProtocol()).toBe('TLSv1.3');
    const expect2 = { caPem: issuer.certPem, trustDomain: domain, now: real };
    const client = unwrap(verifyNodeSvid(new Uint8Array(peer.getPeerX509Certificate()!.raw), expect2));
    expect(client.nodeId).toBe('node-2');
    peer.destroy();
  });

  it('refuses what another CA of the same name issued', async () => {
    await expect(handshake(liveCa(), identity(liveCa(), 'node-2'))).rejects.toThrow();
  });
});
