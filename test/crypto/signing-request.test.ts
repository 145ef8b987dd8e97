import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSigningRequest, readSigningRequest, verifySigningRequest } from '../../src/crypto/signing-request.ts';
import { unwrap } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import { crypto, domain, flipBit, nodeOne, refusalOf } from './fixtures.ts';
import { altNames, requestWith } from './request-fixtures.ts';

const key = crypto.generateKeyPair('p256');
const plan = { nodeId: nodeOne, trustDomain: domain, key, dns: ['localhost', 'a.test'], ip: ['127.0.0.1', '::1'] };
const own = createSigningRequest(plan);

function judged(der: Uint8Array) {
  const read = readSigningRequest(der);
  return read.ok ? verifySigningRequest(read.value) : read;
}

describe('a request for a certificate', () => {
  it('says who asks, for which names and key', () => {
    const { publicKey, ...said } = unwrap(judged(own));
    expect(said).toEqual({
      commonName: nodeOne,
      uris: [`spiffe://${domain}/node/${nodeOne}`],
      dns: ['localhost', 'a.test'],
      ip: ['127.0.0.1', '::1'],
    });
    expect(publicKey.equals(key.publicKey)).toBe(true);
    expect(judged(requestWith()).ok).toBe(true);
  });

  it('is refused when its key did not sign it', () => {
    const other = crypto.generateKeyPair('p256');
    expect(refusalOf(judged(requestWith({ signWith: other }))).code).toBe('SIGNATURE_INVALID');
  });

  it.each([
    ['to be a CA', { name: 'basicConstraints', critical: true, cA: true }],
    ['to sign certificates', { name: 'keyUsage', critical: true, keyCertSign: true }],
    ['for another use', { name: 'extKeyUsage', codeSigning: true }],
  ])('is refused when it asks %s', (_, extension) => {
    const { code, text } = refusalOf(judged(requestWith({ extensions: [...altNames(), extension] })));
    expect([code, text]).toEqual(['CERTIFICATE_REFUSED', expect.stringContaining('only alternative names')]);
  });

  it.each([
    ['an e-mail address', [{ type: 1, value: 'a@b.test' }]],
    ['an address of five bytes', [{ type: 7, value: '12345' }]],
  ])('is refused when it names %s', (_, names) => {
    const extensions = [{ name: 'subjectAltName', altNames: names }];
    expect(refusalOf(judged(requestWith({ extensions }))).code).toBe('CERTIFICATE_REFUSED');
  });

  it.each([
    ['no name', []],
    ['two common names', [nodeOne, 'node-2'].map((value) => ({ name: 'commonName', value }))],
    [
      'an organisation beside it',
      [nodeOne, 'x'].map((value, i) => ({ name: i ? 'organizationName' : 'commonName', value })),
    ],
  ])('is refused with %s in its subject', (_, subject) => {
    expect(refusalOf(judged(requestWith({ subject }))).code).toBe('CERTIFICATE_REFUSED');
  });

  it('is refused for a key of another kind', () => {
    for (const pair of [
      generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      generateKeyPairSync('rsa', { modulusLength: 2_048 }),
    ])
      expect(refusalOf(judged(requestWith({ key: pair }))).code).toBe('CERTIFICATE_REFUSED');
  });

  it('is refused with the same extension twice, no attribute, another one, or a list too many', () => {
    const list = { name: 'extensionRequest', extensions: altNames() };
    for (const request of [
      requestWith({ extensions: [...altNames(), ...altNames()] }),
      requestWith({ attributes: [] }),
      requestWith({ attributes: [{ name: 'challengePassword', value: 'x' }] }),
      requestWith({ attributes: [list, list] }),
      requestWith({ attributes: [{ name: 'challengePassword', value: 'x' }, list] }),
    ])
      expect(refusalOf(judged(request)).code).toBe('MALFORMED');
  });

  it('is refused when it is too long, unread', () => {
    const many = Array.from({ length: limits.altNamesMax + 1 }, (_, index) => `n${index}.test`);
    expect(refusalOf(judged(requestWith({ extensions: altNames(undefined, many) }))).code).toBe('LIMIT_EXCEEDED');
    expect(refusalOf(judged(new Uint8Array(limits.signingRequestBytesMax + 1))).code).toBe('LIMIT_EXCEEDED');
  });

  it('does not survive a flipped bit, a cut, or bytes behind it', () => {
    fc.assert(fc.property(fc.nat(own.length * 8 - 1), (bit) => !judged(flipBit(own, bit)).ok));
    fc.assert(fc.property(fc.nat(own.length - 1), (end) => !judged(own.subarray(0, end)).ok));
    expect(judged(Uint8Array.from([...own, 0])).ok).toBe(false);
  });

  it('of any bytes is refused and never thrown at', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => !judged(bytes).ok));
  });
});
