import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  algorithmOfDomain,
  certificateAlgorithm,
  type SignatureDomain,
  signatureDomains,
} from '../../src/crypto/algorithms.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { signWith, verifyWith } from '../../src/crypto/signature.ts';
import { flipBit } from './fixtures.ts';

const ed25519 = osCrypto.generateKeyPair('ed25519');
const p256 = osCrypto.generateKeyPair('p256');
const domains = Object.keys(signatureDomains) as SignatureDomain[];
const keysOf = (domain: SignatureDomain): typeof ed25519 => (signatureDomains[domain] === 'ed25519' ? ed25519 : p256);
const bytes = new TextEncoder().encode('the bytes carried');

describe('the algorithm tables', () => {
  it('know nothing that was not written into them', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', '', 'caxton gossip claim v2']) {
      expect(algorithmOfDomain(name)).toBe(undefined);
      expect(certificateAlgorithm(name)).toBe(undefined);
    }
    // RSA with SHA-256, ECDSA with SHA-1, Ed25519: none signs a certificate here.
    for (const oid of ['1.2.840.113549.1.1.11', '1.2.840.10045.4.1', '1.3.101.112'])
      expect(certificateAlgorithm(oid)).toBe(undefined);
  });

  it('cannot be changed, and no domain holds the separator', () => {
    expect(Object.isFrozen(signatureDomains)).toBe(true);
    for (const domain of domains) expect(domain).not.toContain('\0');
  });
});

describe('a signature', () => {
  it.each(domains)('round trip, 64 bytes: %s', (domain) => {
    const { privateKey, publicKey } = keysOf(domain);
    const signature = signWith(privateKey, domain, bytes);
    expect(signature).toHaveLength(64);
    expect(verifyWith(publicKey, domain, bytes, signature)).toBe(true);
  });

  it('counts for its own domain only', () => {
    for (const domain of domains) {
      const { privateKey, publicKey } = keysOf(domain);
      const signature = signWith(privateKey, domain, bytes);
      for (const other of domains.filter((name) => name !== domain))
        expect(verifyWith(publicKey, other, bytes, signature)).toBe(false);
    }
  });

  it('fails when any bit of the bytes or of the signature is another', () => {
    const domain = 'caxton message v1';
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        fc.nat(),
        fc.nat({ max: 511 }),
        (message, at, bit) => {
          const signature = signWith(ed25519.privateKey, domain, message);
          expect(verifyWith(ed25519.publicKey, domain, message, signature)).toBe(true);
          expect(verifyWith(ed25519.publicKey, domain, flipBit(message, at % (message.length * 8)), signature)).toBe(
            false,
          );
          expect(verifyWith(ed25519.publicKey, domain, message, flipBit(signature, bit))).toBe(false);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('is never valid, and never throws, with what does not belong there', () => {
    const domain = 'caxton message v1';
    const signature = signWith(ed25519.privateKey, domain, bytes);
    const other = osCrypto.generateKeyPair('ed25519').publicKey;
    expect(verifyWith(other, domain, bytes, signature)).toBe(false);
    expect(verifyWith(p256.publicKey, domain, bytes, signature)).toBe(false);
    expect(verifyWith(osCrypto.generateKeyPair('x25519').publicKey, domain, bytes, signature)).toBe(false);
    expect(verifyWith(ed25519.privateKey, domain, bytes, signature)).toBe(false);
    expect(verifyWith(ed25519.publicKey, 'constructor' as SignatureDomain, bytes, signature)).toBe(false);
    for (const length of [0, 63, 65])
      expect(verifyWith(ed25519.publicKey, domain, bytes, new Uint8Array(length))).toBe(false);
  });

  it('is not made with a wrong key or for an unknown purpose', () => {
    expect(() => signWith(p256.privateKey, 'caxton message v1', bytes)).toThrow(TypeError);
    expect(() => signWith(ed25519.privateKey, 'caxton claim-key binding v1', bytes)).toThrow(TypeError);
    expect(() => signWith(ed25519.publicKey, 'caxton message v1', bytes)).toThrow(TypeError);
    expect(() => signWith(ed25519.privateKey, 'toString' as SignatureDomain, bytes)).toThrow(TypeError);
  });
});
