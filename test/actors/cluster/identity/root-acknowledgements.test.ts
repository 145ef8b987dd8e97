import { describe, expect, it } from 'vitest';
import { createNodeIdentity } from '../../../../src/actors/cluster/identity/node-identity.ts';
import { acknowledge } from '../../../../src/actors/cluster/identity/root-acknowledgement.ts';
import {
  RootAcknowledgements,
  type RootAcknowledgementsOptions,
} from '../../../../src/actors/cluster/identity/root-acknowledgements.ts';
import { TrustedRoots } from '../../../../src/actors/cluster/identity/trusted-roots.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { rootsInPem } from '../../../../src/crypto/root-bundle.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import type { RootsAcknowledgement } from '../../../../src/protocols/notice/acknowledgement.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, domain, makeCa, nodeOne, now } from '../../../crypto/fixtures.ts';

const clusterId = 'cluster-1';
const ca = makeCa();
const roots = new TrustedRoots(domain, ca.certPem);
const bundle = {
  ...{ trustDomain: domain, roots: unwrap(rootsInPem(ca.certPem)).roots, issuing: 0, crossSigned: [], lockedOut: [] },
};
unwrap(roots.set(bundle, 1, new Uint8Array(32)));

function identityOf(nodeId: NodeId = nodeOne, notAfter = now + dayMs) {
  const key = crypto.generateKeyPair('p256');
  const claimKey = crypto.generateKeyPair('ed25519').privateKey;
  const names = { nodeId, trustDomain: domain, dns: [], ip: [] };
  const period = { notBefore: now - 3 * dayMs, notAfter };
  const certPem = unwrap(issueNodeCertificate(crypto, { ca, publicKey: key.publicKey, ...names, ...period }));
  const files = { nodeId, trustDomain: domain, certPem, keyPem: privateKeyToPem(key.privateKey), claimKey };
  return unwrap(createNodeIdentity({ ...files, caPem: ca.certPem }, now - 2 * dayMs));
}

async function opened(options: Partial<RootAcknowledgementsOptions>) {
  const acknowledgements = new RootAcknowledgements({
    clock: new ManualClock(now),
    store: new MemoryStore(),
    ...{ clusterId, trustDomain: domain, identity: identityOf(), roots },
    saved: async () => undefined,
    links: () => [],
    onTaken: () => undefined,
    onSaid: () => undefined,
    onRefused: () => undefined,
    fault: () => undefined,
    ...options,
  });
  await acknowledgements.load();
  return acknowledgements;
}

const saidAt = (line: string | undefined): number =>
  (JSON.parse((JSON.parse(line!) as { payload: string }).payload) as RootsAcknowledgement).at;

describe('a node’s own word about the roots', () => {
  it('is later than the one before, though the clock was set back, also after a restart', async () => {
    const store = new MemoryStore();
    const clock = new ManualClock(now);
    const before = await opened({ store, clock });
    before.say();
    await settle();
    const first = saidAt(before.own());
    clock.jump(-60_000);
    // The same node, with the certificate that it got meanwhile.
    const after = await opened({ store, clock });
    expect(saidAt(after.own())).toBeGreaterThan(first);
  });

  it('is not of a future in which nobody would believe it', async () => {
    const store = new MemoryStore();
    const clock = new ManualClock(now);
    const before = await opened({ store, clock });
    before.say();
    await settle();
    clock.jump(-dayMs / 2);
    const after = await opened({ store, clock });
    expect(saidAt(after.own())).toBe(clock.now());
  });
});

describe('what is kept of others', () => {
  it('goes when all that is known of one has ended, and nothing of this node’s own is among it', async () => {
    const store = new MemoryStore();
    const [gone, stays] = [identityOf('node-2' as NodeId, now - dayMs), identityOf('node-3' as NodeId)];
    for (const identity of [gone, stays]) {
      const said = acknowledge(identity, { clusterId, generation: 1, hash: new Uint8Array(32) }, now - 2 * dayMs);
      await store.put('root-acknowledgements', identity.nodeId, Buffer.from(said));
      await store.put('member-certificates', identity.nodeId, identity.svid.der);
    }
    const acknowledgements = await opened({ store });
    acknowledgements.say();
    await settle();
    expect([...acknowledgements.known.keys()]).toEqual(['node-3']);
    expect((await store.entries('member-certificates')).map(([id]) => id)).toEqual(['node-3']);
    expect((await store.entries('root-acknowledgements')).map(([id]) => id).sort()).toEqual(['node-1', 'node-3']);
  });
});
