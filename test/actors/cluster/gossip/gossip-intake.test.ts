import { beforeAll, describe, expect, it } from 'vitest';
import { Directory } from '../../../../src/actors/cluster/directory.ts';
import { GossipIntake } from '../../../../src/actors/cluster/gossip/gossip-intake.ts';
import { PairSeals } from '../../../../src/actors/cluster/gossip/pair-seals.ts';
import type { PeerLink } from '../../../../src/actors/cluster/links/links.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { bindClaimKey } from '../../../../src/crypto/identity.ts';
import { createKeyring, gossipKey as keyOf } from '../../../../src/crypto/keyring.ts';
import { rawPublicKey } from '../../../../src/crypto/keys.ts';
import { sealReady } from '../../../../src/crypto/seal.ts';
import { signWith } from '../../../../src/crypto/signature.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { type DirectoryEntry, encodePushPull } from '../../../../src/protocols/link/push-pull-frame.ts';
import {
  certifyDead,
  type SignedClaim,
  type SuspectClaim,
  signAlive,
  signSuspicion,
} from '../../../../src/protocols/swim/claim.ts';
import { encodePacket, type Packet } from '../../../../src/protocols/swim/packet.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { crypto, domain, makeCa, nodeCertificate, nodeOne, now } from '../../../crypto/fixtures.ts';

const ca = makeCa();
const gossipKey = crypto.randomBytes(32);
const self = 'node-9' as NodeId;
beforeAll(sealReady);

const sealsOf = (nodeId: NodeId) => {
  const box = crypto.generateKeyPair('x25519');
  const boxKey = rawPublicKey(box.publicKey);
  const ring = createKeyring(keyOf(gossipKey, { epoch: 1, proposer: '', revocations: 0 }));
  const made = { crypto, clusterId: 'c', self: { nodeId, epoch: 1 }, boxPrivate: box.privateKey, boxPublic: boxKey };
  return { boxKey, seals: new PairSeals({ ...made, keyring: () => ring }) };
};

/** node-1 with a good certificate in the wrong hands, and the intake of a node that it talks to. */
function hostile() {
  const clock = new ManualClock(now);
  const metrics = createMetrics();
  const directory = new Directory({ caPem: ca.certPem, trustDomain: domain });
  const claimKey = crypto.generateKeyPair('ed25519');
  const entryOf = (over: { notAfter?: number } = {}): DirectoryEntry => {
    const keys = crypto.generateKeyPair('p256');
    const certificate = nodeCertificate(ca, () => over, keys);
    const svid = unwrap(verifyNodeSvid(certificate, { caPem: ca.certPem, trustDomain: domain, now }));
    return {
      nodeId: nodeOne,
      certificate,
      binding: bindClaimKey(keys.privateKey, rawPublicKey(claimKey.publicKey), svid),
    };
  };
  unwrap(directory.add(entryOf(), now));
  const [here, there] = [sealsOf(self), sealsOf(nodeOne)];
  here.seals.learn(nodeOne, 1, there.boxKey);
  there.seals.learn(self, 1, here.boxKey);
  const intake = new GossipIntake({ self, directory, seals: here.seals, clock, metrics, isNews: () => true });
  const violations: string[] = [];
  const link = { nodeId: nodeOne, violated: (text: string) => void violations.push(text) } as unknown as PeerLink;
  const count = (name: string, code?: string): number =>
    metrics
      .read()
      .filter((sample) => sample.name === name && (code === undefined || sample.labels.code === code))
      .reduce((sum, { value }) => sum + value, 0);
  const tell = (claims: readonly SignedClaim[], entries: readonly DirectoryEntry[] = []) =>
    intake.document(link, {
      kind: 'push-pull',
      header: new Uint8Array(0),
      content: encodePushPull(utf8, { directory: entries, claims }),
    });
  const send = (packet: Packet) =>
    intake.datagram(there.seals.seal(self, encodePacket(packet, utf8, limits.datagramBytesMax))!);
  const alive = (incarnation: number, node: NodeId = nodeOne, forged = false): SignedClaim => {
    const addresses = [{ host: '127.0.0.1', port: 1 }];
    const claim = { kind: 'alive', node, epoch: 1, incarnation, boxKey: there.boxKey, addresses } as const;
    const key = forged ? crypto.generateKeyPair('ed25519').privateKey : claimKey.privateKey;
    return signAlive(claim, (bytes) => signWith(key, 'caxton gossip claim v1', bytes), utf8);
  };
  const suspect = (incarnation: number, node = 'node-7' as NodeId): SignedClaim<SuspectClaim> => {
    const claim = { kind: 'suspect', node, epoch: 1, incarnation, accuser: nodeOne } as const;
    return signSuspicion(claim, (bytes) => signWith(claimKey.privateKey, 'caxton gossip claim v1', bytes), utf8);
  };
  return { clock, directory, tell, send, alive, suspect, entryOf, count, violations };
}

describe('a member in the wrong hands', () => {
  it('gets its claims heard like any other', () => {
    const { tell, alive } = hostile();
    expect(tell([alive(1)])).toMatchObject({ from: nodeOne, claims: [{ claim: { incarnation: 1 } }], refusals: [] });
  });

  it('may exchange documents so often and no more, until time has passed', () => {
    const { tell, alive, count, clock } = hostile();
    const taken = Array.from({ length: 100 }, () => tell([alive(1)])).filter((heard) => heard !== undefined);
    expect([taken.length, count('push_pull_refused', 'RATE_LIMIT_EXCEEDED')]).toEqual([32, 68]);
    clock.advance(250);
    expect([tell([alive(1)]) !== undefined, tell([alive(1)])]).toEqual([true, undefined]);
  });

  it('may send so many datagrams and no more', () => {
    const { send, count } = hostile();
    for (let i = 1; i <= 1_100; i++) send({ kind: 'ping', seq: i, target: self, claims: [] });
    expect([count('gossip_received'), count('gossip_refused', 'RATE_LIMIT_EXCEEDED')]).toEqual([1_000, 100]);
  });

  it('that passes forgeries on is not listened to for a while; its probes are answered all the same', () => {
    const { tell, send, alive, count, clock } = hostile();
    const forgeries = Array.from({ length: limits.claimForgeriesMax }, (_, i) => alive(i, `n-${i}` as NodeId, true));
    // Nobody knows the keys of strangers, so these are of itself.
    for (let i = 0; i < 256; i++) send({ kind: 'gossip', claims: [alive(i, nodeOne, true)] });
    expect(count('claims_refused', 'SIGNATURE_INVALID')).toBe(256);
    expect(tell([alive(1), ...forgeries])?.claims).toEqual([]);
    expect(send({ kind: 'ping', seq: 1, target: self, claims: [] })?.packet).toMatchObject({ kind: 'ping' });
    expect(count('claims_refused', 'SIGNATURE_INVALID')).toBe(256);
    clock.advance(60_000);
    expect(tell([alive(1)])?.claims).toHaveLength(1);
  });

  it('has what it signed checked once, however often it says so', () => {
    const { send, alive, suspect, count } = hostile();
    for (let i = 0; i < 50; i++) send({ kind: 'gossip', claims: [alive(1), suspect(1), suspect(1), suspect(1)] });
    expect(count('claim_signatures_checked')).toBe(2);
  });

  it('has so many checked in a while and no more, good ones too', () => {
    const { send, suspect, count, clock } = hostile();
    const eight = (from: number) => Array.from({ length: 8 }, (_, i) => suspect(8 * from + i, self));
    for (let round = 0; round < 259; round++) send({ kind: 'gossip', claims: eight(round) });
    expect(count('claim_signatures_checked')).toBe(2_048);
    expect(count('claims_refused', 'RATE_LIMIT_EXCEEDED')).toBe(3 * 8);
    clock.advance(1_000);
    expect(send({ kind: 'gossip', claims: eight(300) })?.claims).toHaveLength(8);
  });

  it('is not heard on and on when it accuses others, under a certificate neither; its accusation of this node is', () => {
    const { send, suspect, count, clock } = hostile();
    const accused = (incarnation: number, node?: NodeId) =>
      send({ kind: 'gossip', claims: [suspect(incarnation, node)] })?.claims.length;
    let heard = 0;
    for (let incarnation = 0; incarnation < 1_200; incarnation++) {
      heard += accused(incarnation) ?? 0;
      clock.advance(5);
    }
    // 1,024 and four in each of the six seconds.
    expect(heard).toBe(1_024 + 24);
    expect(count('claims_refused', 'RATE_LIMIT_EXCEEDED')).toBe(1_200 - heard);
    const dead = certifyDead([suspect(2_000)], utf8);
    expect(send({ kind: 'gossip', claims: [dead] })?.claims).toEqual([]);
    expect(accused(2_000, self)).toBe(1);
    clock.advance(60_000);
    expect(accused(2_000)).toBe(1);
  });

  it('has one certificate a document looked at, however many it has of itself', () => {
    const { tell, entryOf, directory } = hostile();
    const [first, second] = [entryOf({ notAfter: now + 1_000_000 }), entryOf()];
    tell([], [first, ...Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? first : second))]);
    expect(directory.entries(now)).not.toContainEqual(second);
  });

  it('has so many refused entries looked at, and the honest one behind them not', () => {
    const { tell, entryOf, count } = hostile();
    const honest = entryOf();
    const bad = Array.from({ length: 1_000 }, (_, i) => ({ ...honest, nodeId: `n-${i}` as NodeId }));
    tell([], [...bad, honest]);
    expect(count('directory_refused')).toBe(limits.directoryRefusalsMax);
  });

  it('that brought so many refused entries has none looked at for a while', () => {
    const { tell, entryOf, count, clock } = hostile();
    const honest = entryOf();
    const bad = (round: number) =>
      Array.from({ length: 100 }, (_, i) => ({ ...honest, nodeId: `n-${round}-${i}` as NodeId }));
    for (let round = 0; round < 10; round++) tell([], bad(round));
    expect(count('directory_refused', 'CERTIFICATE_REFUSED')).toBe(256);
    expect(count('directory_refused', 'RATE_LIMIT_EXCEEDED')).toBe(6);
    clock.advance(60_000);
    tell([], bad(11));
    expect(count('directory_refused', 'CERTIFICATE_REFUSED')).toBe(256 + limits.directoryRefusalsMax);
  });

  it('loses its link when its document is not in its form', () => {
    const { tell, violations, alive } = hostile();
    const broken = { ...alive(1), wire: new Uint8Array([0xc1]) };
    expect(tell([broken])).toBeUndefined();
    expect(violations).toHaveLength(1);
  });
});
