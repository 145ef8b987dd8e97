import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import forge from 'node-forge';
import { describe, expect, it } from 'vitest';
import { issueIntermediateCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { chainFromPem, joinChain } from '../../src/crypto/certificate-chain.ts';
import { certificateReasons } from '../../src/crypto/certificate-reason.ts';
import type { CertificatePlan, ExtensionPlan } from '../../src/crypto/issuance.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { type SvidExpectation, verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import {
  crypto,
  dayMs,
  derOf,
  domain,
  flipBit,
  makeCa,
  nodeCertificate,
  nodeOne,
  now,
  period,
  refusalOf,
} from './fixtures.ts';

const ca = makeCa();
const expectation: SvidExpectation = { caPem: ca.certPem, trustDomain: domain, now, nodeId: nodeOne };
const keys = crypto.generateKeyPair('p256');
const uri = `spiffe://${domain}/node/${nodeOne}`;

/** The plan with one extension replaced by others (none: left out). */
const replaced =
  (name: string, ...others: ExtensionPlan[]) =>
  (plan: CertificatePlan): Partial<CertificatePlan> => ({
    extensions: [...plan.extensions.filter((extension) => extension.name !== name), ...others],
  });
const named = (...altNames: { type: number; value: string }[]) =>
  replaced('subjectAltName', { name: 'subjectAltName', altNames });

describe('a good certificate', () => {
  it('gives the identity', () => {
    const pem = unwrap(
      issueNodeCertificate(crypto, {
        ca,
        publicKey: keys.publicKey,
        nodeId: nodeOne,
        trustDomain: domain,
        dns: [],
        ip: ['127.0.0.1'],
        ...period,
      }),
    );
    const x509 = new X509Certificate(pem);
    const svid = unwrap(verifyNodeSvid(derOf(pem), expectation));
    expect(svid).toMatchObject({
      nodeId: nodeOne,
      spiffeId: uri,
      serial: x509.serialNumber,
      notBefore: period.notBefore,
      notAfter: period.notAfter,
      fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    });
    expect(svid.publicKey.equals(keys.publicKey)).toBe(true);
    expect(Buffer.from(svid.der).equals(x509.raw)).toBe(true);
  });

  it('needs no expected node', () => {
    const { nodeId: _, ...anyNode } = expectation;
    expect(verifyNodeSvid(nodeCertificate(ca), anyNode).ok).toBe(true);
  });

  it('is forgiven the clock difference that was given, and no more', () => {
    const der = nodeCertificate(ca);
    const at = (time: number, skewMs: number): boolean => verifyNodeSvid(der, { ...expectation, now: time, skewMs }).ok;
    expect(at(period.notAfter + 5_000, 5_000)).toBe(true);
    expect(at(period.notAfter + 5_001, 5_000)).toBe(false);
    expect(at(period.notBefore - 5_000, 5_000)).toBe(true);
    expect(at(period.notBefore - 5_001, 5_000)).toBe(false);
  });
});

const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
const pemOf = (der: Uint8Array): string => new X509Certificate(der).toString();
const codesOf = (judged: ReturnType<typeof verifyNodeSvid>): string[] =>
  judged.ok ? [] : judged.refusal.findings.map(({ code }) => code);
const leafPem = new X509Certificate(nodeCertificate(ca)).toString();

/** The certificate with another OID after the signed part. */
function withOuterAlgorithm(der: Uint8Array, oid: string): Uint8Array {
  const bytes = Buffer.from(der);
  bytes.write(oid, bytes.lastIndexOf(Buffer.from('2a8648ce3d040302', 'hex')), 'hex');
  return new Uint8Array(bytes);
}

function rsaCertificate(): Uint8Array {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = forge.pki.privateKeyFromPem(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString());
  const certificate = forge.pki.createCertificate();
  certificate.serialNumber = '01';
  certificate.publicKey = forge.pki.setRsaPublicKey(key.n, key.e);
  certificate.validity.notBefore = new Date(period.notBefore);
  certificate.validity.notAfter = new Date(period.notAfter);
  certificate.sign(key, forge.md.sha256.create());
  return derOf(forge.pki.certificateToPem(certificate));
}

describe('a chain over an intermediate', () => {
  const online = unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
  const chain = (leaf = nodeCertificate(online), ...above: Uint8Array[]) =>
    joinChain([leaf, ...(above.length > 0 ? above : [derOf(online.certPem)])]);

  it('is accepted, and goes with the identity', () => {
    const svid = unwrap(verifyNodeSvid(chain(), expectation));
    expect(svid.nodeId).toBe(nodeOne);
    expect(verifyNodeSvid(svid.der, expectation).ok).toBe(true);
    expect(chainFromPem(pemOf(nodeCertificate(online)) + online.certPem + ca.certPem).ok).toBe(true);
    expect(verifyNodeSvid(chain(undefined, derOf(ca.certPem), derOf(online.certPem)), expectation).ok).toBe(true);
  });

  it('is accepted under any CA of the bundle, and under none that is not in it', () => {
    const next = makeCa();
    const caPem = next.certPem + ca.certPem;
    expect(verifyNodeSvid(chain(), { ...expectation, caPem }).ok).toBe(true);
    expect(verifyNodeSvid(nodeCertificate(next), { ...expectation, caPem }).ok).toBe(true);
    expect(codesOf(verifyNodeSvid(chain(), { ...expectation, caPem: next.certPem }))).toContain('OTHER_CA');
  });

  it.each<[string, () => Uint8Array, string]>([
    ['without the intermediate', () => nodeCertificate(online), 'OTHER_CA'],
    [
      'whose intermediate was changed',
      () => chain(undefined, flipBit(derOf(online.certPem), 8 * derOf(online.certPem).length - 1)),
      'BAD_SIGNATURE',
    ],
    [
      'with a leaf as intermediate',
      () => {
        const keys = crypto.generateKeyPair('p256');
        const leaf = nodeCertificate(ca, undefined, keys);
        return chain(nodeCertificate({ certPem: pemOf(leaf), keyPem: privateKeyToPem(keys.privateKey) }), leaf);
      },
      'ISSUER_NOT_CA',
    ],
    [
      'of more certificates than a chain has',
      () => chain(undefined, ...Array.from({ length: 4 }, () => derOf(online.certPem))),
      'MALFORMED',
    ],
    ['with something behind it', () => Uint8Array.from([...chain(), 0x30]), 'MALFORMED'],
  ])('is refused %s', (_, made, code) => {
    expect(codesOf(verifyNodeSvid(made(), expectation))).toContain(code);
  });

  it('is refused when the leaf, its key or its node was revoked, or its intermediate', () => {
    const der = chain();
    const { serial, keyId } = unwrap(verifyNodeSvid(der, expectation));
    const asked: [string, string, string | undefined][] = [];
    const judge = (revoked: SvidExpectation['revoked']) =>
      verifyNodeSvid(der, { ...expectation, ...(revoked && { revoked }) });
    expect(judge((one) => asked.push([one.serial, one.keyId, one.nodeId]) < 0).ok).toBe(true);
    expect(asked).toEqual([
      ...[online, ca].map(({ certPem }) => [
        new X509Certificate(certPem).serialNumber,
        expect.stringMatching(/^[0-9a-f]{64}$/),
        undefined,
      ]),
      [serial, keyId, nodeOne],
    ]);
    expect(codesOf(judge((one) => one.serial === serial))).toEqual(['REVOKED']);
    expect(codesOf(judge((one) => one.keyId === keyId))).toEqual(['REVOKED']);
    expect(codesOf(judge((one) => one.nodeId === nodeOne))).toEqual(['REVOKED']);
    expect(codesOf(judge((one) => one.serial === new X509Certificate(online.certPem).serialNumber))).toEqual([
      'ISSUER_REVOKED',
    ]);
  });
});

describe('a CA that is in the bundle', () => {
  const online = unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
  const [root, above] = [ca, online].map(({ certPem }) => new X509Certificate(certPem).serialNumber);
  const leaf = nodeCertificate(online);
  const whole = joinChain([leaf, derOf(online.certPem)]);

  it.each<[string, Uint8Array, string]>([
    ['root', whole, ca.certPem],
    ['intermediate and root', whole, online.certPem + ca.certPem],
    ['root and intermediate', whole, ca.certPem + online.certPem],
    ['both, and the leaf comes alone', leaf, online.certPem + ca.certPem],
  ])('is revoked like any other: %s', (_, der, caPem) => {
    const judge = (serial?: string) =>
      verifyNodeSvid(der, { ...expectation, caPem, revoked: (one) => one.serial === serial });
    const svid = unwrap(judge());
    expect(svid.issuerSerials).toEqual([above, root]);
    // Other nodes may have the root alone.
    expect(Buffer.from(svid.der).equals(whole)).toBe(true);
    for (const serial of [above, root]) expect(codesOf(judge(serial))).toEqual(['ISSUER_REVOKED']);
  });

  it('is revoked as the only one that there is, an intermediate without its root among them', () => {
    for (const [der, caPem, serial] of [
      [nodeCertificate(ca), ca.certPem, root],
      [leaf, online.certPem, above],
    ] as const) {
      expect(unwrap(verifyNodeSvid(der, { ...expectation, caPem })).issuerSerials).toEqual([serial]);
      expect(codesOf(verifyNodeSvid(der, { ...expectation, caPem, revoked: (one) => one.serial === serial }))).toEqual([
        'ISSUER_REVOKED',
      ]);
    }
  });
});

describe('a certificate is refused', () => {
  const foreign = makeCa('other.domain');
  const impostor = makeCa();
  const refused: [string, () => Uint8Array, Partial<SvidExpectation>, RegExp][] = [
    ['from another CA of the same domain', () => nodeCertificate(impostor), {}, /not signed by this cluster/],
    [
      'from another CA under this CA’s name',
      () => nodeCertificate({ certPem: ca.certPem, keyPem: impostor.keyPem }),
      {},
      /not signed by/,
    ],
    ['expired', () => nodeCertificate(ca), { now: period.notAfter + 60_001 }, /certificate has expired/],
    ['not yet valid', () => nodeCertificate(ca), { now: period.notBefore - 60_001 }, /certificate is not yet valid/],
    ['at a time that is no number', () => nodeCertificate(ca), { now: Number.NaN }, /not yet valid[\s\S]*expired/],
    ['after its CA expired', () => nodeCertificate(ca), { now: now + 11 * dayMs }, /CA certificate has expired/],
    ['for another node', () => nodeCertificate(ca), { nodeId: 'node-2' as NodeId }, /of node node-1, and node-2/],
    [
      'in another trust domain',
      () => nodeCertificate(ca),
      { trustDomain: 'other.domain' as TrustDomain },
      /of this trust domain/,
    ],
    [
      'under a CA of another trust domain',
      () => nodeCertificate(foreign),
      { caPem: foreign.certPem },
      /CA is not of the trust domain/,
    ],
    [
      'with two URI names',
      () => nodeCertificate(ca, named({ type: 6, value: uri }, { type: 6, value: uri })),
      {},
      /has 2 URI names/,
    ],
    ['without a URI name', () => nodeCertificate(ca, named({ type: 2, value: 'localhost' })), {}, /has 0 URI names/],
    ['without alternative names', () => nodeCertificate(ca, replaced('subjectAltName')), {}, /has 0 URI names/],
    [
      'with a URI inside a DNS name',
      () => nodeCertificate(ca, named({ type: 2, value: `x, URI:${uri}` })),
      {},
      /has 0 URI names/,
    ],
    [
      'with an agent’s URI',
      () => nodeCertificate(ca, named({ type: 6, value: `spiffe://${domain}/tenant/t/agent/a` })),
      {},
      /not spiffe:/,
    ],
    ['with a longer path', () => nodeCertificate(ca, named({ type: 6, value: `${uri}/x` })), {}, /not spiffe:/],
    [
      'with an escaped path',
      () => nodeCertificate(ca, named({ type: 6, value: `spiffe://${domain}/node/node%2d1` })),
      {},
      /not spiffe:/,
    ],
    [
      'with a zero byte in the path',
      () => nodeCertificate(ca, named({ type: 6, value: `${uri}\0x` })),
      {},
      /not spiffe:/,
    ],
    [
      'with an upper-case domain',
      () => nodeCertificate(ca, named({ type: 6, value: uri.replace('test', 'TEST') })),
      {},
      /not spiffe:/,
    ],
    [
      'with an e-mail name',
      () => nodeCertificate(ca, named({ type: 6, value: uri }, { type: 1, value: 'a@b' })),
      {},
      /neither URI, DNS/,
    ],
    [
      'with another common name',
      () => nodeCertificate(ca, () => ({ commonName: 'node-2' })),
      {},
      /common name is not the node id/,
    ],
    [
      'with cA=true',
      () => nodeCertificate(ca, replaced('basicConstraints', { name: 'basicConstraints', critical: true, cA: true })),
      {},
      /cA=false/,
    ],
    ['without KeyUsage', () => nodeCertificate(ca, replaced('keyUsage')), {}, /KeyUsage extension is missing/],
    [
      'with a KeyUsage that is not critical',
      () => nodeCertificate(ca, replaced('keyUsage', { name: 'keyUsage', digitalSignature: true })),
      {},
      /not critical/,
    ],
    [
      'without digitalSignature',
      () => nodeCertificate(ca, replaced('keyUsage', { name: 'keyUsage', critical: true, keyAgreement: true })),
      {},
      /lacks digitalSignature/,
    ],
    [
      'with keyCertSign',
      () =>
        nodeCertificate(
          ca,
          replaced('keyUsage', { name: 'keyUsage', critical: true, digitalSignature: true, keyCertSign: true }),
        ),
      {},
      /keyCertSign/,
    ],
    [
      'with cRLSign',
      () =>
        nodeCertificate(
          ca,
          replaced('keyUsage', { name: 'keyUsage', critical: true, digitalSignature: true, cRLSign: true }),
        ),
      {},
      /cRLSign/,
    ],
    [
      'for clients only',
      () => nodeCertificate(ca, replaced('extKeyUsage', { name: 'extKeyUsage', clientAuth: true })),
      {},
      /lacks serverAuth/,
    ],
    [
      'for servers only',
      () => nodeCertificate(ca, replaced('extKeyUsage', { name: 'extKeyUsage', serverAuth: true })),
      {},
      /lacks clientAuth/,
    ],
    [
      'without extended key usage',
      () => nodeCertificate(ca, replaced('extKeyUsage')),
      {},
      /lacks serverAuth[\s\S]*lacks clientAuth/,
    ],
    [
      'with an extension twice',
      () =>
        nodeCertificate(ca, (plan) => ({
          extensions: [...plan.extensions, ...plan.extensions.filter(({ name }) => name === 'subjectAltName')],
        })),
      {},
      /2\.5\.29\.17 is there twice/,
    ],
    [
      'with a critical extension that nobody knows',
      () =>
        nodeCertificate(ca, (plan) => ({
          extensions: [...plan.extensions, { name: 'unknown', id: '1.2.3.4', critical: true, value: '\x05\0' }],
        })),
      {},
      /1\.2\.3\.4 is not known/,
    ],
    ['with a CA text that is none', () => nodeCertificate(ca), { caPem: 'x' }, /CA certificate cannot be read/],
    [
      'with a key that is not P-256',
      () => nodeCertificate(ca, () => ({ publicKey: crypto.generateKeyPair('ed25519').publicKey })),
      {},
      /P-256/,
    ],
    [
      'signed with the CA’s key under another issuer’s name',
      () => nodeCertificate(ca, ({ issuer }) => ({ issuer: { ...issuer, subject: undefined } })),
      {},
      /not signed by this cluster/,
    ],
    ['with a P-384 key', () => nodeCertificate(ca, () => ({ publicKey: p384 })), {}, /P-256/],
    [
      'that says two signature algorithms',
      () => withOuterAlgorithm(nodeCertificate(ca), '2a8648ce3d040303'),
      {},
      /ECDSA/,
    ],
    ['signed with RSA', rsaCertificate, {}, /not ECDSA with SHA-256/],
    ['under a CA that may not sign', () => nodeCertificate(ca), { caPem: leafPem }, /CA certificate may not sign/],
    ['that is the CA itself', () => derOf(ca.certPem), {}, /cA=false/],
    ['that is PEM', () => new Uint8Array(Buffer.from(ca.certPem)), {}, /DER/],
    ['with bytes after its end', () => Uint8Array.from([...nodeCertificate(ca), 0]), {}, /DER/],
    ['that is empty', () => new Uint8Array(), {}, /DER/],
    ['that is too long', () => new Uint8Array(100_000), {}, /bytes at most/],
  ];
  it.each(refused)('%s', (_, certificate, change, reason) => {
    const refusal = refusalOf(verifyNodeSvid(certificate(), { ...expectation, ...change }));
    expect(refusal.code).toBe('CERTIFICATE_REFUSED');
    expect(refusal.text).toMatch(reason);
    for (const line of refusal.text.split('\n')) expect(certificateReasons).toHaveProperty(line.split(':')[0]!);
  });

  it('by nothing but the fault that the table names', () => {
    // Guards the table above: the same plan without a change passes.
    expect(verifyNodeSvid(nodeCertificate(ca), expectation).ok).toBe(true);
    const single = refusalOf(
      verifyNodeSvid(
        nodeCertificate(ca, () => ({ commonName: 'node-2' })),
        expectation,
      ),
    );
    expect(single.text.split('\n')).toHaveLength(1);
  });

  it('with all reasons at once', () => {
    const der = nodeCertificate(impostor, (plan) => ({
      commonName: 'x y',
      extensions: plan.extensions.filter(({ name }) => name === 'basicConstraints'),
    }));
    const { text } = refusalOf(verifyNodeSvid(der, { ...expectation, now: now + 2 * dayMs }));
    for (const reason of [
      /0 URI names/,
      /common name/,
      /KeyUsage/,
      /serverAuth/,
      /clientAuth/,
      /expired/,
      /not signed/,
    ])
      expect(text).toMatch(reason);
  });

  it('when any bit of it is another', () => {
    const der = nodeCertificate(ca);
    fc.assert(
      fc.property(fc.nat({ max: der.length * 8 - 1 }), (bit) => {
        expect(verifyNodeSvid(flipBit(der, bit), expectation).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
