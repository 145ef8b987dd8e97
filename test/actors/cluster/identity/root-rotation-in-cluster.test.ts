import type { KeyObject } from 'node:crypto';
import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { IssuedCertificate } from '../../../../src/crypto/certificate.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../../../src/names.ts';
import type { RevocationsBody } from '../../../../src/protocols/notice/revocation.ts';
import type { RootsBody } from '../../../../src/protocols/notice/roots.ts';
import type { SuspensionsBody } from '../../../../src/protocols/notice/suspension.ts';
import { createTestCluster, type TestCluster } from '../../../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, newKey, operator, revocationOf, signNotice } from '../../notice-lab.ts';
import {
  bundlesOf,
  layout,
  nextRootAfter,
  oldRootOf,
  placeNextKey,
  signRoots,
  type TestRoot,
} from '../../roots-lab.ts';

let cluster: TestCluster;
let authority: KeyObject;
let old: IssuedCertificate;
let next: TestRoot;
let both: RootsBody;
let issue: RootsBody;
let alone: RootsBody;
afterEach(() => cluster?.close());

async function whole(nodes = 3, caNodes: readonly string[] = ['node-1']): Promise<void> {
  cluster = await createTestCluster({ nodes, caNodes });
  await cluster.until('whole', () => cluster.isWhole());
  authority = await authorityOf(cluster);
  old = await oldRootOf(cluster);
  next = nextRootAfter(old, cluster.clock.now());
  ({ both, issue, alone } = bundlesOf(old, next));
}

const offer = (generation: number, body: RootsBody, { key = authority, at = 'node-1' } = {}) =>
  cluster.settled(cluster.node(at).control.publishNotice(signRoots(cluster, key, generation, body), operator));
const publish = async (generation: number, body: RootsBody) => unwrap(await offer(generation, body));
const refusalOf = (result: Awaited<ReturnType<typeof offer>>): string =>
  result.ok ? 'ok' : `${result.refusal.code}: ${result.refusal.reasons.join(' ')}`;

const views = () => Promise.all(cluster.running.map((id) => cluster.node(id).control.roots()));
const acknowledged = (generation: number) =>
  cluster.until('all have acknowledged', async () =>
    (await views()).every(
      ({ members }) =>
        members.filter(({ acknowledgement }) => acknowledgement?.includes(`\\"generation\\":${generation},`)).length >=
        cluster.running.length,
    ),
  );
const statusAt = (observer: string, member: string): string | undefined =>
  cluster
    .node(observer)
    .control.members()
    .find(({ nodeId }) => nodeId === member)?.status;
const renewed = async () => {
  await cluster.until('all show certificates under the next root', async () =>
    (await views()).every(({ current }) => current),
  );
  // And have told the others.
  await cluster.advance(1_000);
};
const renewedAt = (...ids: readonly string[]) =>
  cluster.until('these show certificates under the next root', async () =>
    (await Promise.all(ids.map((id) => cluster.node(id).control.roots()))).every(({ current }) => current),
  );
const serialIn = async (id: string, path: string): Promise<string> =>
  new X509Certificate(Buffer.from((await cluster.machine(id).disk.readFile(path))!)).serialNumber;
const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber;
const audited = async (id: string, type: string) =>
  unwrap(await cluster.settled(cluster.node(id).control.auditTail({ limit: 500 }))).filter(
    (record) => (record as { type: string }).type === type,
  ) as { reasons: readonly string[]; metadata: Record<string, unknown> }[];

/** What a newcomer with the token would be told who sends no request at all. */
async function tokenHolder(): Promise<() => Promise<string>> {
  const { control } = cluster.node('node-1');
  const asked = { nodeId: 'node-9' as NodeId, ttlMs: 3_600_000, dns: [], ip: ['10.0.0.9'] };
  const { token } = unwrap(await cluster.settled(control.joinToken(asked, operator)));
  const { id, secret } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as {
    id: string;
    secret: string;
  };
  return async () => {
    const enrolled = await cluster.settled(
      cluster.node('node-1').control.enrol({ id, secret, request: new Uint8Array([1]) }, operator),
    );
    return enrolled.ok ? 'ok' : `${enrolled.refusal.code}: ${enrolled.refusal.reasons.join(' ')}`;
  };
}

/** Bundles that an authority has not signed, or should not have: each is refused, and none changes anything. */
async function attack(): Promise<void> {
  const foreign = { ...both, trustDomain: 'evil.org' as TrustDomain };
  const ofOther = signNotice(authority, { kind: 'roots', generation: 1, clusterId: 'other', body: both });
  const leaf = Buffer.from((await cluster.machine('node-1').disk.readFile('/cluster/nodes/node-1/node.crt'))!);
  const leafText = new X509Certificate(leaf).raw.toString('base64');
  const { control } = cluster.node('node-1');
  const attacks: readonly [Promise<string>, RegExp][] = [
    [offer(1, both, { key: newKey().key }).then(refusalOf), /SIGNATURE_INVALID/],
    [offer(1, foreign).then(refusalOf), /PROTOCOL_VIOLATION.*evil\.org.*never merge/],
    [cluster.settled(control.publishNotice(ofOther, operator)).then(refusalOf), /PROTOCOL_VIOLATION/],
    [offer(1, alone).then(refusalOf), /PROTOCOL_VIOLATION.*steps of their own/],
    [
      offer(1, { ...both, roots: [both.roots[0]!, leafText], crossSigned: [] }).then(refusalOf),
      /CERTIFICATE_REFUSED.*not signed by itself/,
    ],
  ];
  for (const [refused, reason] of attacks) expect(await refused).toMatch(reason);
  expect(cluster.isWhole()).toBe(true);
  expect((await views()).map(({ generation }) => generation)).toEqual([0, 0, 0]);
}

/** The words of one member, made those of another: whoever puts them where they are kept gains nothing. */
async function forgeAWord(): Promise<void> {
  const words = (await cluster.node('node-2').control.roots()).members;
  const own = words.find(({ nodeId }) => nodeId === 'node-2')!.acknowledgement!;
  const forged = own.replaceAll('node-2', 'node-3').replace('\\"generation\\":3', '\\"generation\\":7');
  cluster.crash('node-3');
  await cluster.machine('node-2').store.put('root-acknowledgements', 'node-3', Buffer.from(forged));
  await cluster.restart('node-2');
  const told = (await cluster.node('node-2').control.roots()).members.find(({ nodeId }) => nodeId === 'node-3');
  expect(told?.acknowledgement).toBeUndefined();
}

const notice = (kind: 'revocations' | 'suspensions', body: RevocationsBody | SuspensionsBody) =>
  cluster.settled(
    cluster
      .node('node-1')
      .control.publishNotice(
        signNotice(authority, { kind, generation: 1, clusterId: clusterIdOf(cluster), body }),
        operator,
      ),
  );

describe('a rotation of the roots of a cluster', () => {
  it('goes through its stages and ends with the next root alone, and no forged bundle, word or old token counts', async () => {
    await whole();
    await attack();
    const token = await tokenHolder();
    await publish(1, both);
    await acknowledged(1);
    expect(refusalOf(await offer(1, issue))).toMatch(/ALREADY_EXISTS/);
    placeNextKey(cluster, next, ['node-1']);
    await publish(2, issue);
    await renewed();
    await acknowledged(2);
    expect(refusalOf(await offer(1, both))).toMatch(/REPLAYED/);
    expect(cluster.isWhole()).toBe(true);
    expect(await token()).toMatch(/^MALFORMED/);
    await cluster.advance(15_000);
    await publish(3, alone);
    expect(await token()).toMatch(/pins a root that the cluster has dropped.*new token/);
    await acknowledged(3);
    await cluster.advance(15_000);
    expect(cluster.isWhole()).toBe(true);
    for (const id of cluster.nodes) {
      // What the node believes at its next start, what its API shows, and the CA node’s key.
      expect([id, await serialIn(id, layout.caCert)]).toEqual([id, serialOf(next.certPem)]);
      const api = new X509Certificate(
        Buffer.from((await cluster.machine(id).disk.readFile(`/cluster/nodes/${id}/api.crt`))!),
      );
      expect(api.checkIssued(new X509Certificate(next.certPem))).toBe(true);
      const stages = (await audited(id, 'TrustChanged')).map(({ metadata }) => metadata.stage);
      expect(new Set(stages.filter((stage) => stage !== undefined))).toEqual(
        new Set(['distributing', 'issuing', 'settled']),
      );
    }
    expect(Buffer.from((await cluster.machine('node-1').disk.readFile(layout.caKey))!).toString()).toBe(next.keyPem);
    expect(await cluster.machine('node-1').disk.readFile(layout.nextKey)).toBeUndefined();
    await forgeAWord();
    await cluster.restart('node-3');
    await cluster.until('whole again', () => cluster.isWhole());
  });

  it('goes on where it was when a member is killed in every stage of it, or away while certificates are issued', async () => {
    await whole();
    await publish(1, both);
    cluster.crash('node-2', { powerCut: true });
    cluster.crash('node-3');
    await cluster.restart('node-2');
    placeNextKey(cluster, next, ['node-1']);
    await publish(2, issue);
    await cluster.advance(260);
    cluster.crash('node-1', { powerCut: true });
    await cluster.restart('node-1');
    await cluster.until('the others have theirs', async () => (await views()).every(({ current }) => current));
    // It knows the old root alone, and the others show what that one has signed of the next.
    await cluster.restart('node-3');
    await cluster.until('whole', () => cluster.isWhole());
    await renewed();
    await acknowledged(2);
    await publish(3, alone);
    cluster.crash('node-1', { powerCut: true });
    await cluster.restart('node-1');
    await cluster.until('whole', () => cluster.isWhole());
    await acknowledged(3);
  });

  it('has a member that took no part say what to do, and cuts its links at once', async () => {
    await whole();
    await publish(1, both);
    await acknowledged(1);
    placeNextKey(cluster, next, ['node-1']);
    // Nothing gets there but heartbeats: it hears of the bundle when it is too late.
    cluster.partition(['node-3'], ['node-1', 'node-2']);
    await cluster.until('two are left', () => cluster.node('node-1').control.links().length === 1);
    await publish(2, issue);
    await renewedAt('node-1', 'node-2');
    await cluster.advance(15_000);
    expect(refusalOf(await offer(3, alone))).toMatch(
      /PROTOCOL_VIOLATION.*would be locked out.*node-3 has acknowledged generation 1/,
    );
    await publish(3, { ...alone, lockedOut: ['node-3' as NodeId] });
    cluster.heal();
    await cluster.advance(30_000);
    expect(cluster.node('node-3').control.links()).toEqual([]);
    expect(cluster.node('node-3').control.status().lockedOut).toMatch(/join-token.*server join/);
    expect(
      cluster
        .node('node-1')
        .control.links()
        .map(({ peer }) => peer),
    ).toEqual(['node-2']);
    const refused = await audited('node-1', 'LinkRefused');
    expect(refused.some(({ reasons }) => reasons.some((reason) => reason.startsWith('OTHER_CA')))).toBe(true);
    // Nobody can show what it had any more, so once it is stopped its place is free without a revocation.
    cluster.crash('node-3');
    await cluster.until('it is gone', async () => {
      const asked = { nodeId: 'node-3' as NodeId, ttlMs: 60_000, dns: [], ip: [] };
      return (await cluster.settled(cluster.node('node-1').control.joinToken(asked, operator))).ok;
    });
  });

  it('leaves nothing of a member that it locks out and that runs on: no link, no gossip, no gossip key', async () => {
    await whole();
    await publish(1, both);
    await acknowledged(1);
    placeNextKey(cluster, next, ['node-1']);
    // It cannot renew its certificate.
    cluster.machine('node-3').disk.fail('write', 'EIO', '/cluster/nodes/node-3/node.key.again');
    await publish(2, issue);
    await renewedAt('node-1', 'node-2');
    await cluster.advance(15_000);
    expect(statusAt('node-1', 'node-3')).toBe('alive');
    const keyOf = (node: string) => cluster.node(node).control.gossipKeys().sealing;
    const before = keyOf('node-1');
    expect(keyOf('node-3')).toEqual(before);
    await publish(3, { ...alone, lockedOut: ['node-3' as NodeId] });
    await cluster.until('the others have another key', () => keyOf('node-1').epoch > before.epoch);
    await cluster.until('and the same', () => keyOf('node-2').hash === keyOf('node-1').hash);
    expect(keyOf('node-3').hash).not.toBe(keyOf('node-1').hash);
    await cluster.until('it is no member that counts', () =>
      ['node-1', 'node-2'].every((node) => statusAt(node, 'node-3') !== 'alive'),
    );
    const asked = { nodeId: 'node-3' as NodeId, ttlMs: 60_000, dns: [], ip: [] };
    expect((await cluster.settled(cluster.node('node-1').control.joinToken(asked, operator))).ok).toBe(true);
  });

  it('waits by name for a member that is suspended, and for none that is revoked', async () => {
    await whole();
    const node = 'node-3' as NodeId;
    unwrap(await notice('suspensions', { suspensions: [{ node, at: cluster.clock.now() }] }));
    await publish(1, both);
    placeNextKey(cluster, next, ['node-1']);
    await publish(2, issue);
    await renewedAt('node-1', 'node-2');
    await cluster.advance(1_000);
    expect(refusalOf(await offer(3, alone))).toMatch(/1 members would be locked out.*node-3 is suspended, and has/);
    expect(cluster.node('node-3').control.status()).not.toHaveProperty('lockedOut');
    unwrap(await notice('revocations', { revocations: [revocationOf('node', 'node-3')] }));
    expect(refusalOf(await offer(3, alone))).toBe('ok');
  });
});
