import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Directory } from '../../../src/actors/cluster/directory.ts';
import { Revocations } from '../../../src/actors/cluster/notices/revocations.ts';
import { issueIntermediateCa, issueNodeCertificate } from '../../../src/crypto/certificate.ts';
import { joinChain } from '../../../src/crypto/certificate-chain.ts';
import { bindClaimKey } from '../../../src/crypto/identity.ts';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import { signWith } from '../../../src/crypto/signature.ts';
import { verifyNodeSvid } from '../../../src/crypto/svid.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import type { DirectoryEntry } from '../../../src/protocols/link/push-pull-frame.ts';
import {
  crypto,
  dayMs,
  derOf,
  domain,
  makeCa,
  nodeCertificate,
  nodeOne,
  now,
  refusalOf,
} from '../../crypto/fixtures.ts';

const ca = makeCa();
const trusted = { caPem: ca.certPem, trustDomain: domain };

interface Made {
  readonly entry: DirectoryEntry;
  readonly claim: ReturnType<typeof crypto.generateKeyPair>;
}

/** An entry of node-1 as node-1 itself would make it. */
function made(period: { notBefore?: number; notAfter?: number } = {}, authority = ca): Made {
  const keys = crypto.generateKeyPair('p256');
  const claim = crypto.generateKeyPair('ed25519');
  const certificate = nodeCertificate(authority, () => period, keys);
  const at = (period.notBefore ?? now) + 1;
  const svid = unwrap(verifyNodeSvid(certificate, { caPem: authority.certPem, trustDomain: domain, now: at }));
  const binding = bindClaimKey(keys.privateKey, rawPublicKey(claim.publicKey), svid);
  return { entry: { nodeId: nodeOne, certificate, binding }, claim };
}

describe('the directory of claim keys', () => {
  it('knows the key that a good entry binds, and checks claims with it', () => {
    const directory = new Directory(trusted);
    const { entry, claim } = made();
    expect(directory.add(entry, now).ok).toBe(true);
    const raw = directory.claimKeyOf(nodeOne, now)!;
    expect(raw).toEqual(rawPublicKey(claim.publicKey));
    const bytes = new Uint8Array([1, 2, 3]);
    const signature = signWith(claim.privateKey, 'caxton gossip claim v1', bytes);
    expect(directory.authorityAt(now).verify(raw, bytes, signature)).toBe(true);
    expect(directory.authorityAt(now).verify(raw, new Uint8Array([1, 2, 4]), signature)).toBe(false);
  });

  it('takes an entry below an intermediate, and passes on no more than vouches for it', () => {
    const online = unwrap(
      issueIntermediateCa(crypto, { ca, trustDomain: domain, notBefore: now - dayMs, notAfter: now + dayMs }),
    );
    const { entry } = made({}, online);
    const alone = new Directory(trusted);
    expect(refusalOf(alone.add(entry, now)).text).toContain('OTHER_CA');
    const directory = new Directory(trusted);
    const whole = { ...entry, certificate: joinChain([entry.certificate, derOf(online.certPem)]) };
    const stuffed = { ...whole, certificate: joinChain([whole.certificate, derOf(makeCa().certPem)]) };
    expect(directory.add(stuffed, now).ok).toBe(true);
    expect(directory.entryOf(nodeOne, now)).toEqual(whole);
  });

  it('drops what stands under no root any more, and hears nothing from that node until it shows another', () => {
    const trust = { caPem: ca.certPem, trustDomain: domain };
    const other = makeCa();
    const directory = new Directory(trust);
    const { entry } = made();
    expect(directory.add(entry, now).ok).toBe(true);
    trust.caPem = other.certPem;
    directory.dropUntrusted(now);
    expect([directory.entryOf(nodeOne, now), directory.isCut(nodeOne)]).toEqual([undefined, true]);
    expect(directory.add(entry, now).ok).toBe(false);
    expect(directory.isCut(nodeOne)).toBe(true);
    expect(directory.add(made({}, other).entry, now).ok).toBe(true);
    expect(directory.isCut(nodeOne)).toBe(false);
    // Whose certificate has ended alone may renew it: that is no reason.
    directory.dropUntrusted(now + 5 * dayMs);
    expect([directory.entryOf(nodeOne, now), directory.isCut(nodeOne)]).toEqual([undefined, false]);
  });

  it('drops, and takes no more, what stands below a CA that is revoked', () => {
    const revocations = new Revocations();
    const directory = new Directory(trusted, revocations);
    expect(directory.add(made().entry, now).ok).toBe(true);
    revocations.set([
      { kind: 'serial', id: new X509Certificate(ca.certPem).serialNumber, reason: 'cACompromise', at: now },
    ]);
    directory.dropRevoked();
    expect([directory.entryOf(nodeOne, now), directory.isCut(nodeOne)]).toEqual([undefined, true]);
    expect(refusalOf(directory.add(made().entry, now)).code).toBe('REVOKED');
  });

  it.each([
    ['another CA', () => made({}, makeCa()).entry, 'CERTIFICATE_REFUSED'],
    ['another node’s certificate', () => ({ ...made().entry, nodeId: 'node-2' as NodeId }), 'CERTIFICATE_REFUSED'],
    ['the binding of another certificate', () => ({ ...made().entry, binding: made().entry.binding }), 'MALFORMED'],
    ['no binding', () => ({ ...made().entry, binding: new Uint8Array(0) }), 'MALFORMED'],
    ['no certificate', () => ({ ...made().entry, certificate: new Uint8Array(9) }), undefined],
    [
      'a binding that was tampered with',
      () => {
        const { entry } = made();
        const binding = entry.binding.slice();
        binding[binding.length - 1]! ^= 1;
        return { ...entry, binding };
      },
      'SIGNATURE_INVALID',
    ],
  ])('refuses an entry with %s', (_, entry, code) => {
    const directory = new Directory(trusted);
    const refusal = refusalOf(directory.add(entry(), now));
    if (code !== undefined) expect(refusal.code).toBe(code);
    expect([directory.claimKeyOf(nodeOne, now), directory.entries(now)]).toEqual([undefined, []]);
  });

  it('remembers a refusal for a minute', () => {
    const directory = new Directory(trusted);
    const { entry } = made({}, makeCa());
    expect(refusalOf(directory.add(entry, now)).text).not.toContain('before');
    expect(refusalOf(directory.add(entry, now + 59_999)).text).toBe('This entry was refused before.');
    expect(refusalOf(directory.add(entry, now + 60_000)).text).not.toBe('This entry was refused before.');
  });

  it('takes a certificate that was not valid yet once it is', () => {
    const directory = new Directory(trusted);
    const { entry } = made({ notBefore: now + 90_000 });
    expect(directory.add(entry, now).ok).toBe(false);
    expect(directory.add(entry, now + 120_000).ok).toBe(true);
  });

  it('cannot be kept from an honest entry by a bad one that looks alike', () => {
    const directory = new Directory(trusted);
    const { entry } = made();
    const { certificate, binding } = entry;
    expect(directory.add({ ...entry, nodeId: 'node-2' as NodeId }, now).ok).toBe(false);
    const shifted = {
      ...entry,
      certificate: new Uint8Array([...certificate, binding[0]!]),
      binding: binding.slice(1),
    };
    expect(directory.add(shifted, now).ok).toBe(false);
    expect(directory.add(entry, now).ok).toBe(true);
  });

  it('keeps the certificate that lives longer, in whichever order they come', () => {
    const old = made({ notAfter: now + dayMs });
    const renewed = made({ notAfter: now + 2 * dayMs });
    for (const order of [
      [old, renewed],
      [renewed, old],
    ]) {
      const directory = new Directory(trusted);
      for (const { entry } of order) expect(directory.add(entry, now).ok).toBe(true);
      expect(directory.claimKeyOf(nodeOne, now)).toEqual(rawPublicKey(renewed.claim.publicKey));
      expect(directory.entries(now)).toEqual([renewed.entry]);
    }
  });

  it('lets a claim key count no longer than the certificate that binds it, and forgets it then', () => {
    const directory = new Directory(trusted);
    const end = now + 3_600_000;
    const { entry } = made({ notAfter: end });
    expect(directory.add(entry, now).ok).toBe(true);
    expect(directory.authorityAt(end).claimKeyOf(nodeOne)).toBeDefined();
    expect(directory.entries(end)).toEqual([entry]);
    const over = end + limits.clockSkewMsMax + 1;
    expect(directory.authorityAt(over).claimKeyOf(nodeOne)).toBeUndefined();
    expect(directory.entries(over)).toEqual([]);
    expect(refusalOf(directory.add(entry, over)).code).toBe('CERTIFICATE_REFUSED');
    const renewed = made({ notAfter: over + dayMs });
    expect(directory.add(renewed.entry, over).ok).toBe(true);
    expect(directory.claimKeyOf(nodeOne, over)).toEqual(rawPublicKey(renewed.claim.publicKey));
  });

  it('begins each time elsewhere, so that a few documents that hold part of it hold all', () => {
    const directory = new Directory(trusted);
    const names = Array.from({ length: 60 }, (_, at) => `node-${at + 1}` as NodeId);
    for (const nodeId of names) {
      const keys = crypto.generateKeyPair('p256');
      const certPem = unwrap(
        issueNodeCertificate(crypto, {
          ...{ ca, publicKey: keys.publicKey, nodeId, trustDomain: domain, dns: [], ip: [] },
          ...{ notBefore: now - dayMs, notAfter: now + dayMs },
        }),
      );
      const svid = unwrap(verifyNodeSvid(derOf(certPem), { ...trusted, now }));
      const claimKey = rawPublicKey(crypto.generateKeyPair('ed25519').publicKey);
      const binding = bindClaimKey(keys.privateKey, claimKey, svid);
      expect(directory.add({ nodeId, certificate: svid.der, binding }, now).ok).toBe(true);
    }
    for (const [part, calls] of [
      [30, 4],
      [20, 6],
      [6, 20],
    ] as const) {
      const seen = new Set<NodeId>();
      for (let call = 0; call < calls; call++)
        for (const { nodeId } of directory.entries(now).slice(0, part)) seen.add(nodeId);
      expect([part, seen.size]).toEqual([part, names.length]);
    }
  });

  it('owns its bytes', () => {
    const directory = new Directory(trusted);
    const { entry } = made();
    const frame = { ...entry, certificate: Buffer.from(entry.certificate), binding: Buffer.from(entry.binding) };
    directory.add(frame, now);
    frame.certificate.fill(0);
    frame.binding.fill(0);
    expect(directory.entries(now)).toEqual([entry]);
  });
});
