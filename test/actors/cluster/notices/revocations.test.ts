import { describe, expect, it } from 'vitest';
import { Revocations } from '../../../../src/actors/cluster/notices/revocations.ts';
import { issueIntermediateCa } from '../../../../src/crypto/certificate.ts';
import { certificateKeyId, joinChain } from '../../../../src/crypto/certificate-chain.ts';
import { type NodeSvid, verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { unwrap } from '../../../../src/errors.ts';
import { certificatesUntil, type Revocation } from '../../../../src/protocols/notice/revocation.ts';
import { crypto, derOf, domain, makeCa, nodeCertificate, nodeOne, now, period } from '../../../crypto/fixtures.ts';

const ca = makeCa();
const online = unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
const chain = joinChain([nodeCertificate(online), derOf(online.certPem)]);
const svidOf = (der: Uint8Array): NodeSvid =>
  unwrap(verifyNodeSvid(der, { caPem: ca.certPem, trustDomain: domain, now }));
const svid = svidOf(chain);
const [onlineKey, rootKey] = svid.issuerKeyIds as [string, string];

function judged(...revocations: readonly Pick<Revocation, 'kind' | 'id'>[]): string | undefined {
  const all = new Revocations();
  all.set(revocations.map((one) => ({ ...one, reason: 'keyCompromise', at: now })));
  return all.ofCertificate(svid)?.code;
}

describe('a certificate', () => {
  it.each([
    ['its node', 'node', nodeOne],
    ['its serial', 'serial', svid.serial],
    ['its key', 'key', svid.keyId],
    ['the serial of a CA above it', 'serial', svid.issuerSerials[0]],
    ['the key of the CA that signed it', 'key', onlineKey],
    ['the key of the root', 'key', rootKey],
    ['the moment in which it began', 'certificates', certificatesUntil(nodeOne, svid.notBefore)],
  ] as const)('is revoked by %s', (_, kind, id) => {
    expect(judged({ kind, id: id! })).toBe('REVOKED');
  });

  it('is not revoked by the key of another, nor by a moment before it began', () => {
    const other = certificateKeyId(crypto.generateKeyPair('p256').publicKey);
    expect(judged({ kind: 'key', id: other })).toBeUndefined();
    expect(judged({ kind: 'certificates', id: certificatesUntil(nodeOne, svid.notBefore - 1) })).toBeUndefined();
  });

  it('of a key that is revoked is so also when it is another certificate of the same key', () => {
    const key = crypto.generateKeyPair('p256');
    const [first, second] = [svidOf(nodeCertificate(ca, undefined, key)), svidOf(nodeCertificate(ca, undefined, key))];
    expect(first.serial).not.toBe(second.serial);
    const all = new Revocations();
    all.set([{ kind: 'key', id: first.keyId, reason: 'keyCompromise', at: now }]);
    expect(all.ofCertificate(second)?.reasons[0]).toContain(first.keyId);
  });

  it('has its key hashed only when the key of some certificate is revoked', () => {
    const all = new Revocations();
    all.set([{ kind: 'key', id: 'A'.repeat(22), reason: 'keyCompromise', at: now }]);
    const watched = {
      ...{ nodeId: nodeOne, serial: svid.serial },
      get keyId(): string {
        throw new Error('It was hashed.');
      },
    };
    expect(all.ofCertificate(watched)).toBeUndefined();
  });
});
