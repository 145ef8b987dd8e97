import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { CertificatePlan } from '../../src/crypto/issuance.ts';
import { refusalOf } from '../../src/testing/network/tls-judgement.ts';
import { crypto, dayMs, makeCa, nodeCertificate, now } from '../crypto/fixtures.ts';

const ca = makeCa();
const root = new X509Certificate(ca.certPem);
const leaf = (change?: (plan: CertificatePlan) => Partial<CertificatePlan>) =>
  new X509Certificate(nodeCertificate(ca, change));
const withUsage = (usage: object) => (plan: CertificatePlan) => ({
  extensions: plan.extensions.map((one) => (one.name === 'extKeyUsage' ? { name: 'extKeyUsage', ...usage } : one)),
});

describe('TLS in memory', () => {
  it('accepts what a trusted CA signed, for either end, the CA itself shown beside it or not', () => {
    for (const purpose of ['client', 'server'] as const) {
      expect(refusalOf([leaf()], [root], now, purpose)).toBeUndefined();
      expect(refusalOf([leaf(), root], [new X509Certificate(makeCa().certPem), root], now, purpose)).toBeUndefined();
    }
  });

  it.each<[string, X509Certificate[], string]>([
    ['nothing', [], 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    ['another CA’s', [leaf()], 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['another CA’s with that CA', [leaf(), root], 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ])('refuses %s', (_, shown, reason) => {
    expect(refusalOf(shown, [new X509Certificate(makeCa().certPem)], now, 'client')).toBe(reason);
  });

  it('refuses a signature that is not the CA’s, though every name fits', () => {
    const { privateKey } = crypto.generateKeyPair('p256');
    const forged = leaf(({ issuer }) => ({ issuer: { ...issuer, privateKey } }));
    expect(forged.checkIssued(root)).toBe(true);
    expect(refusalOf([forged], [root], now, 'client')).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });

  it.each<[string, X509Certificate, number, string]>([
    ['before its time', leaf(), now - 2 * dayMs, 'CERT_NOT_YET_VALID'],
    ['after its time', leaf(), now + 2 * dayMs, 'CERT_HAS_EXPIRED'],
    ['after its CA’s time', leaf(() => ({ notAfter: now + 99 * dayMs })), now + 20 * dayMs, 'CERT_HAS_EXPIRED'],
    ['at no time', leaf(), Number.NaN, 'CERT_NOT_YET_VALID'],
  ])('refuses a certificate %s', (_, shown, at, reason) => {
    expect(refusalOf([shown], [root], at, 'client')).toBe(reason);
  });

  it('refuses a certificate for the other purpose', () => {
    const server = leaf(withUsage({ serverAuth: true }));
    expect(refusalOf([server], [root], now, 'server')).toBeUndefined();
    expect(refusalOf([server], [root], now, 'client')).toBe('INVALID_PURPOSE');
  });

  it('does not let a certificate that is no CA’s sign another', () => {
    const keys = crypto.generateKeyPair('p256');
    const middle = new X509Certificate(nodeCertificate(ca, () => ({}), keys));
    const below = leaf((plan) => ({ issuer: { ...plan.issuer, privateKey: keys.privateKey } }));
    expect(refusalOf([below, middle], [root], now, 'client')).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
  });
});
