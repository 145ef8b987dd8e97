import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { issuingCa, openCa } from '../../src/crypto/ca-key.ts';
import { issueIntermediateCa } from '../../src/crypto/certificate.ts';
import { encryptPrivateKey } from '../../src/crypto/encrypted-key.ts';
import { privateKeyFromPem } from '../../src/crypto/keys.ts';
import { unwrap } from '../../src/errors.ts';
import type { TrustDomain } from '../../src/names.ts';
import { crypto, dayMs, domain, makeCa, now, refusalOf } from './fixtures.ts';

const root = makeCa();
const online = unwrap(
  issueIntermediateCa(crypto, { ca: root, trustDomain: domain, notBefore: now - dayMs, notAfter: now + dayMs }),
);
const open = { certPem: online.certPem, keyPem: online.keyPem, trustDomain: domain };

describe('a CA of certificates and a key', () => {
  it('is the one of the key, and below a root its certificate stands behind what it signs', () => {
    const key = unwrap(privateKeyFromPem(online.keyPem));
    for (const pems of [[root.certPem, online.certPem], [online.certPem + root.certPem]]) {
      const found = unwrap(issuingCa(key, ...pems));
      expect(found).toEqual({ certPem: online.certPem, chainPem: online.certPem, rootsPem: root.certPem });
    }
    expect(unwrap(openCa(open)).chainPem).toBe(online.certPem);
    expect(unwrap(openCa({ ...root, trustDomain: domain })).chainPem).toBe('');
  });

  it('is opened with the passphrase of its key alone, which no refusal quotes', () => {
    const keyPem = encryptPrivateKey(crypto, unwrap(privateKeyFromPem(online.keyPem)), 'correct horse');
    const opened = unwrap(openCa({ ...open, keyPem, passphrase: 'correct horse' }));
    expect(
      new X509Certificate(opened.pair.certPem).checkPrivateKey(unwrap(privateKeyFromPem(opened.pair.keyPem))),
    ).toBe(true);
    expect(refusalOf(openCa({ ...open, keyPem })).text).toContain('no passphrase');
    const wrong = refusalOf(openCa({ ...open, keyPem, passphrase: 'wrong horse' }));
    expect(wrong.code).toBe('MALFORMED');
    expect(wrong.text).not.toContain('wrong horse');
  });

  it('is refused with the key of another one, without a CA certificate, and for another trust domain', () => {
    const refused = (over: Partial<typeof open>) => refusalOf(openCa({ ...open, ...over })).code;
    expect(refused({ keyPem: root.keyPem })).toBe('CERTIFICATE_REFUSED');
    expect(refused({ certPem: 'nothing' })).toBe('MALFORMED');
    expect(refused({ keyPem: 'nothing' })).toBe('MALFORMED');
    expect(refused({ trustDomain: 'evil.test' as TrustDomain })).toBe('CERTIFICATE_REFUSED');
  });
});
