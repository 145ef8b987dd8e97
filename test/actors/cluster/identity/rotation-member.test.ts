import { describe, expect, it } from 'vitest';
import { createNodeIdentity } from '../../../../src/actors/cluster/identity/node-identity.ts';
import { acknowledge, verifyAcknowledgement } from '../../../../src/actors/cluster/identity/root-acknowledgement.ts';
import { type MemberJudgement, rotationMember } from '../../../../src/actors/cluster/identity/rotation-member.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { verifyClaimKeyBinding } from '../../../../src/crypto/identity.ts';
import { keyId, privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { readRootBundle, rootsInPem } from '../../../../src/crypto/root-bundle.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { type Revocation, revocationIndex } from '../../../../src/protocols/notice/revocation.ts';
import { crypto, dayMs, domain, makeCa, nodeOne, now } from '../../../crypto/fixtures.ts';

const nodeTwo = 'node-2' as NodeId;
const clusterId = 'cluster-1';
const [old, next] = [makeCa(), makeCa()];
const texts = [old, next].map(({ certPem }) => unwrap(rootsInPem(certPem)).roots[0]!);
const bundle = unwrap(readRootBundle({ trustDomain: domain, roots: texts, issuing: 1, crossSigned: [] }, domain));
const hash = new Uint8Array(32).fill(7);
const revoked = (): undefined => undefined;
const judge: MemberJudgement = {
  ...{ clusterId, trustDomain: domain, bundle, generation: 3, hashes: [hash], revoked, now },
};

function identityOf(nodeId: NodeId, ca = old, notAfter = now + dayMs) {
  const key = crypto.generateKeyPair('p256');
  const claimKey = crypto.generateKeyPair('ed25519').privateKey;
  const period = { notBefore: now - 3 * dayMs, notAfter };
  const names = { nodeId, trustDomain: domain, dns: [], ip: [] };
  const certPem = unwrap(issueNodeCertificate(crypto, { ca, publicKey: key.publicKey, ...names, ...period }));
  const files = { nodeId, trustDomain: domain, certPem, keyPem: privateKeyToPem(key.privateKey), claimKey };
  return unwrap(createNodeIdentity({ ...files, caPem: bundle.caPem }, now - 2 * dayMs));
}
const one = identityOf(nodeOne, next);
const word = (generation = 3, over: object = {}) => acknowledge(one, { clusterId, generation, hash, ...over }, now);

const revocationOf = (id: string): Revocation => ({
  ...{ kind: id.length === 22 ? 'key' : 'serial', id, reason: 'keyCompromise', at: now },
});

describe('a member’s word about the roots', () => {
  it('says what it has taken and under which root it stands', () => {
    expect(rotationMember(nodeOne, [word()], [], judge)).toEqual({
      ...{ nodeId: nodeOne, acknowledged: 3, root: texts[1], endsAt: one.svid.notAfter },
    });
  });

  it.each<[string, string]>([
    ['of another member', acknowledge(identityOf(nodeTwo), { clusterId, generation: 3, hash }, now)],
    ['of another cluster', word(3, { clusterId: 'cluster-2' })],
    ['with another name in it', word().replaceAll('node-1', 'node-2')],
    ['with another generation in it', word(2).replace('\\"generation\\":2', '\\"generation\\":3')],
    ['of the future', acknowledge(one, { clusterId, generation: 3, hash }, now + dayMs)],
    ['with a signature of nobody', JSON.stringify({ ...(JSON.parse(word()) as object), signature: 'AAAA' })],
    ['that is no JSON', 'nonsense'],
    ['with more in it than there is', word().replace('{', '{"more":1,')],
  ])('counts for nothing when it is %s', (_, line) => {
    expect(rotationMember(nodeOne, [line], [], judge)).toMatchObject({ acknowledged: 0, root: undefined });
  });

  it('about another document of the same generation acknowledges nothing', () => {
    const rival = word(3, { hash: new Uint8Array(32).fill(8) });
    expect(rotationMember(nodeOne, [rival], [], judge).acknowledged).toBe(0);
    expect(rotationMember(nodeOne, [word(2), rival], [], judge).acknowledged).toBe(2);
  });

  it('about any of several documents of the same generation acknowledges it', () => {
    const other = new Uint8Array(32).fill(8);
    for (const said of [hash, other])
      expect(rotationMember(nodeOne, [word(3, { hash: said })], [], { ...judge, hashes: [hash, other] })).toMatchObject(
        {
          acknowledged: 3,
        },
      );
  });

  it('with a certificate that has ended acknowledges nothing: its key may be anybody’s by now', () => {
    const over = identityOf(nodeOne, old, now - dayMs);
    const stolen = acknowledge(over, { clusterId, generation: 3, hash }, now - 2 * dayMs);
    expect(rotationMember(nodeOne, [stolen], [one.svid.der], judge).acknowledged).toBe(0);
  });

  it('with a key that is revoked counts for nothing, and who has no other certificate is waited for no more', () => {
    const { serial, issuerSerials, nodeId } = one.svid;
    const claimKeyId = keyId(unwrap(verifyClaimKeyBinding(one.svid, one.binding)));
    for (const gone of [serial, issuerSerials[0]!, claimKeyId]) {
      const judged = { ...judge, revoked: revocationIndex([revocationOf(gone)]) };
      const later = identityOf(nodeOne, old);
      const certificates = gone === claimKeyId ? [] : [one.svid.der];
      expect(rotationMember(nodeId, [word()], certificates, judged)).toMatchObject({ acknowledged: 0, revoked: true });
      expect(rotationMember(nodeId, [word()], [later.svid.der], judged)).toMatchObject({
        ...{ acknowledged: 0, root: texts[0], endsAt: later.svid.notAfter },
      });
    }
  });

  it('under a root that nobody believes is none', () => {
    const stranger = makeCa();
    const period = { notBefore: now - dayMs, notAfter: now + dayMs };
    const key = crypto.generateKeyPair('p256');
    const names = { nodeId: nodeOne, trustDomain: domain, dns: [], ip: [] };
    const certPem = unwrap(
      issueNodeCertificate(crypto, { ca: stranger, publicKey: key.publicKey, ...names, ...period }),
    );
    const keyPem = privateKeyToPem(key.privateKey);
    const claimKey = crypto.generateKeyPair('ed25519').privateKey;
    const files = { nodeId: nodeOne, trustDomain: domain, certPem, keyPem, claimKey, caPem: stranger.certPem };
    const line = acknowledge(unwrap(createNodeIdentity(files, now)), { clusterId, generation: 3, hash }, now);
    const verified = verifyAcknowledgement(line, { clusterId, trustDomain: domain, caPem: bundle.caPem, now });
    expect(verified.ok ? 'ok' : verified.refusal.code).toBe('CERTIFICATE_REFUSED');
  });

  it('with a certificate that is over does not make a member over whose other one is not', () => {
    const over = identityOf(nodeOne, old, now - dayMs);
    const stolen = acknowledge(over, { clusterId, generation: 2, hash }, now - 2 * dayMs);
    expect(rotationMember(nodeOne, [stolen], [], judge).endsAt).toBe(over.svid.notAfter);
    expect(rotationMember(nodeOne, [stolen], [one.svid.der], judge).endsAt).toBe(one.svid.notAfter);
    expect(rotationMember(nodeOne, [], [over.svid.der], judge).endsAt).toBe(over.svid.notAfter);
    expect(rotationMember(nodeTwo, [], [one.svid.der, new Uint8Array([1])], judge).endsAt).toBeUndefined();
  });
});
