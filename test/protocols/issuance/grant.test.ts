import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { NodeId, TrustDomain } from '../../../src/names.ts';
import { type AskedIdentity, type Entitled, grantCertificate } from '../../../src/protocols/issuance/grant.ts';

const now = 1_800_000_000_000;
const dayMs = 86_400_000;
const domain = 'test.internal' as TrustDomain;
const entitled: Entitled = {
  nodeId: 'node-1' as NodeId,
  trustDomain: domain,
  dns: ['a.test', 'localhost'],
  ip: ['127.0.0.1'],
  validityMs: 30 * dayMs,
};
const asked: AskedIdentity = {
  commonName: 'node-1',
  uris: ['spiffe://test.internal/node/node-1'],
  dns: ['a.test'],
  ip: ['127.0.0.1'],
};
const policy = { ca: { notBefore: now - 1_000 * dayMs, notAfter: now + 1_000 * dayMs }, validityMsMax: 90 * dayMs };

describe('a certificate is granted', () => {
  test('for the identity that asks, as long as the one before, from a moment ago on', () => {
    expect(grantCertificate(asked, entitled, policy, now)).toEqual({
      ok: true,
      value: {
        nodeId: 'node-1',
        notBefore: now - limits.clockSkewMsMax,
        notAfter: now - limits.clockSkewMsMax + 30 * dayMs,
        dns: ['a.test'],
        ip: ['127.0.0.1'],
      },
    });
  });

  test('for no longer than the policy and the CA’s own end', () => {
    const ends = (over: Partial<typeof policy>) => {
      const grant = grantCertificate(asked, entitled, { ...policy, ...over }, now);
      return grant.ok && grant.value.notAfter;
    };
    expect(ends({ validityMsMax: dayMs })).toBe(now - limits.clockSkewMsMax + dayMs);
    expect(ends({ ca: { ...policy.ca, notAfter: now + dayMs } })).toBe(now + dayMs);
    expect(ends({ ca: { ...policy.ca, notAfter: now } })).toBe(false);
  });
});

describe('a certificate of a node whose certificates are revoked up to a moment', () => {
  const since = (revokedUntil: number) => {
    const grant = grantCertificate(asked, entitled, { ...policy, revokedUntil }, now);
    return grant.ok ? grant.value.notBefore : grant.refusal.reasons.join();
  };

  test('begins later, by whole seconds, and otherwise as ever', () => {
    expect(since(now - 30_000)).toBe(now - 29_000);
    expect(since(now - 29_001)).toBe(now - 29_000);
    expect(since(now - limits.clockSkewMsMax - 1_000)).toBe(now - limits.clockSkewMsMax);
  });

  test('is refused while that moment lies ahead: the clocks differ', () => {
    expect(since(now - 1_000)).toBe(now);
    expect(since(now)).toContain('compare the clocks');
  });
});

describe('a certificate is refused', () => {
  test.each<[string, Partial<AskedIdentity>]>([
    ['for another’s URI', { uris: ['spiffe://test.internal/node/node-2'] }],
    ['for a URI of another domain', { uris: ['spiffe://other.internal/node/node-1'] }],
    ['for one more URI', { uris: [...asked.uris, 'spiffe://test.internal/node/node-2'] }],
    ['for the same URI twice', { uris: [...asked.uris, ...asked.uris] }],
    ['without a URI', { uris: [] }],
    ['for another’s common name', { commonName: 'node-2' }],
    ['for an empty common name', { commonName: '' }],
    ['for a DNS name that it does not have', { dns: ['a.test', 'b.test'] }],
    ['for an address that it does not have', { ip: ['10.0.0.1'] }],
    ['for its name in another case', { dns: ['A.TEST'] }],
  ])('%s', (_, over) => {
    const grant = grantCertificate({ ...asked, ...over }, entitled, policy, now);
    expect(!grant.ok && grant.refusal.code).toBe('CERTIFICATE_REFUSED');
  });

  test('with every reason at once', () => {
    const grant = grantCertificate({ commonName: 'x', uris: [], dns: ['x'], ip: [] }, entitled, policy, now);
    expect(!grant.ok && grant.refusal.reasons).toHaveLength(3);
  });
});

test('whatever is asked for, what is granted is the asker’s identity, its names, and within all bounds', () => {
  const word = fc.constantFrom('node-1', 'node-2', 'a.test', 'b.test', '127.0.0.1', '10.0.0.1', '');
  const uri = fc.constantFrom(...asked.uris, 'spiffe://test.internal/node/node-2', 'spiffe://test.internal', '');
  const request = fc.record({
    commonName: word,
    uris: fc.array(uri, { maxLength: 3 }),
    dns: fc.array(word, { maxLength: 4 }),
    ip: fc.array(word, { maxLength: 4 }),
  });
  const ms = fc.integer({ min: 0, max: 2_000 * dayMs });
  fc.assert(
    fc.property(request, ms, ms, ms, (wanted, validityMs, validityMsMax, caLeft) => {
      const ca = { notBefore: policy.ca.notBefore, notAfter: now + caLeft };
      const grant = grantCertificate(wanted, { ...entitled, validityMs }, { ca, validityMsMax }, now);
      if (!grant.ok) return;
      const { notBefore, notAfter, dns, ip, nodeId } = grant.value;
      expect([wanted.commonName, ...wanted.uris]).toEqual([nodeId, asked.uris[0]]);
      expect(notAfter).toBeGreaterThan(now);
      expect(notAfter).toBeLessThanOrEqual(ca.notAfter);
      expect(notAfter - notBefore).toBeLessThanOrEqual(Math.min(validityMs, validityMsMax));
      expect([dns, ip]).toEqual([wanted.dns, wanted.ip]);
      for (const name of dns) expect(entitled.dns).toContain(name);
      for (const address of ip) expect(entitled.ip).toContain(address);
    }),
  );
});
