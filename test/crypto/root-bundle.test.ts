import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { issueCa, issueIntermediateCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { certificatesFromPem, chainFromPem } from '../../src/crypto/certificate-chain.ts';
import { crossSign } from '../../src/crypto/cross-signing.ts';
import { bundleText, readRootBundle, rootAbove, rootsInPem } from '../../src/crypto/root-bundle.ts';
import { verifyNodeSvid } from '../../src/crypto/svid.ts';
import { unwrap } from '../../src/errors.ts';
import type { TrustDomain } from '../../src/names.ts';
import { crypto, dayMs, domain, nodeOne, now } from './fixtures.ts';

const period = { notBefore: now - dayMs, notAfter: now + 30 * dayMs };
const root = (trustDomain: string = domain) => issueCa(crypto, { trustDomain, ...period });
const old = root();
const next = root();
const cross = unwrap(crossSign(crypto, { ca: old, nextPem: next.certPem, trustDomain: domain }));
const text = (pem: string): string => bundleText(unwrap(certificatesFromPem(pem))[0]!);
const below = unwrap(issueIntermediateCa(crypto, { ca: next, trustDomain: domain, ...period }));
const bundle = (over: object = {}) => ({
  ...{ trustDomain: domain, roots: [text(old.certPem), text(next.certPem)], issuing: 1, crossSigned: [text(cross)] },
  ...over,
});

function leafUnder(ca: typeof old, ...above: readonly string[]): string {
  const { publicKey } = crypto.generateKeyPair('p256');
  const names = { nodeId: nodeOne, trustDomain: domain, dns: [], ip: [] };
  return unwrap(issueNodeCertificate(crypto, { ca, publicKey, ...names, ...period })) + above.join('');
}
const judge = (leafPem: string, caPem: string) => {
  const svid = verifyNodeSvid(unwrap(chainFromPem(leafPem)), { caPem, trustDomain: domain, now });
  return svid.ok ? svid.value.issuerSerials.at(-1) : svid.refusal.reasons[0];
};
const serial = (pem: string): string => new X509Certificate(pem).serialNumber;

describe('a root that the old one has signed', () => {
  it('lets who knows the old root alone accept what stands under the next one, an online CA between them included', () => {
    for (const leaf of [leafUnder(next, cross), leafUnder(below, below.certPem, cross)]) {
      expect(judge(leaf, old.certPem)).toBe(serial(old.certPem));
      expect(judge(leaf, next.certPem)).toBe(serial(next.certPem));
      // The nearer root counts where both are believed, or nobody would be seen to have changed.
      expect(judge(leaf, old.certPem + next.certPem)).toBe(serial(next.certPem));
      expect(rootAbove(leaf, old.certPem + next.certPem)).toBe(serial(next.certPem));
      expect(rootAbove(leaf, old.certPem)).toBe(serial(old.certPem));
      expect(rootAbove(leaf, root().certPem)).toBeUndefined();
    }
  });

  it('is no way to a longer path, and ends with the first of the two', () => {
    const deep = unwrap(issueIntermediateCa(crypto, { ca: next, trustDomain: domain, ...period }));
    expect(issueIntermediateCa(crypto, { ca: deep, trustDomain: domain, ...period }).ok).toBe(false);
    const short = issueCa(crypto, { trustDomain: domain, ...period, notAfter: now + dayMs });
    const crossed = unwrap(crossSign(crypto, { ca: short, nextPem: next.certPem, trustDomain: domain }));
    expect(new X509Certificate(crossed).validToDate.getTime()).toBe(now + dayMs);
    expect(new X509Certificate(crossed).subject).toBe(new X509Certificate(next.certPem).subject);
  });

  it.each<[string, () => { readonly ok: boolean }]>([
    [
      'a root of another trust domain',
      () => crossSign(crypto, { ca: root('other.org'), nextPem: next.certPem, trustDomain: domain }),
    ],
    [
      'a CA below a root, which may sign none',
      () => crossSign(crypto, { ca: below, nextPem: next.certPem, trustDomain: domain }),
    ],
    [
      'a key of another CA',
      () => crossSign(crypto, { ca: { ...old, keyPem: next.keyPem }, nextPem: next.certPem, trustDomain: domain }),
    ],
    ['nothing', () => crossSign(crypto, { ca: old, nextPem: 'nothing', trustDomain: domain })],
  ])('is not made with %s', (_, make) => {
    expect(make().ok).toBe(false);
  });
});

describe('a bundle of roots', () => {
  it('has the root that signs first where TLS believes them', () => {
    const read = unwrap(readRootBundle(bundle(), domain));
    expect(serial(read.caPem)).toBe(serial(next.certPem));
    expect(read.issuing.serial).toBe(serial(next.certPem));
    expect(unwrap(rootsInPem(read.caPem + read.crossPem))).toEqual({
      roots: [text(next.certPem), text(old.certPem)],
      others: [text(cross)],
    });
  });

  it.each<[string, object, RegExp]>([
    ['of another trust domain', { trustDomain: 'other.org' }, /never merge/],
    [
      'with a root of another trust domain',
      { roots: [text(old.certPem), text(root('other.org').certPem)] },
      /Root 2 is not of the trust domain/,
    ],
    [
      'with a CA that is no root',
      { roots: [text(old.certPem), text(below.certPem)] },
      /Root 2 is not signed by itself/,
    ],
    [
      'with a node’s certificate',
      { roots: [text(old.certPem), text(leafUnder(old))] },
      /Root 2 is not signed by itself/,
    ],
    ['with one root as two', { roots: [text(old.certPem), text(old.certPem)] }, /the name or the key of another root/],
    ['with a cross-signed root that is none of it', { roots: [text(old.certPem)], issuing: 0 }, /is none of the roots/],
    ['with a CA for a cross-signed root', { crossSigned: [text(below.certPem)] }, /is none of the roots/],
    ['with a root for a cross-signed one', { crossSigned: [text(next.certPem)] }, /not signed by another/],
    ['with bytes behind a certificate', { roots: [`${text(old.certPem)}AAAA`] }, /MALFORMED|not/],
    ['that is not DER', { roots: ['AAAA'] }, /Root 1/],
  ])('%s is refused', (_, over, reason) => {
    const read = readRootBundle(bundle(over) as never, domain as TrustDomain);
    expect(read.ok ? 'ok' : read.refusal.reasons.join(' ')).toMatch(reason);
  });
});
