import { beforeAll, describe, expect, it } from 'vitest';
import { PairSeals } from '../../../../src/actors/cluster/gossip/pair-seals.ts';
import { createKeyring, type GossipKey, gossipKey, type Keyring } from '../../../../src/crypto/keyring.ts';
import { rawPublicKey } from '../../../../src/crypto/keys.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { sealReady } from '../../../../src/crypto/seal.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { flipBit, refusalOf } from '../../../crypto/fixtures.ts';

const one = 'node-1' as NodeId;
const two = 'node-2' as NodeId;
const packet = new Uint8Array([1, 2, 3]);
const keyOf = (epoch: number, proposer = ''): GossipKey =>
  gossipKey(osCrypto.randomBytes(32), { epoch, proposer, revocations: 0 });
const firstKey = keyOf(1);

function member(nodeId: NodeId, epoch = 1, first: Keyring = createKeyring(firstKey), clusterId = 'cluster-1') {
  const box = osCrypto.generateKeyPair('x25519');
  const boxKey = rawPublicKey(box.publicKey);
  const held = { ring: first, others: [] as GossipKey[] };
  const seals = new PairSeals({
    crypto: osCrypto,
    clusterId,
    self: { nodeId, epoch },
    boxPrivate: box.privateKey,
    boxPublic: boxKey,
    keyring: () => held.ring,
    onOtherKey: (key) => held.others.push(key),
  });
  return { nodeId, epoch, boxKey, seals, held };
}

type SealingMember = ReturnType<typeof member>;

function acquainted(a: SealingMember, b: SealingMember): void {
  a.seals.learn(b.nodeId, b.epoch, b.boxKey);
  b.seals.learn(a.nodeId, a.epoch, a.boxKey);
}

beforeAll(sealReady);

describe('the seals between two members', () => {
  it('carry a packet and prove who sent it', () => {
    const [a, b] = [member(one), member(two)];
    expect(a.seals.seal(two, packet)).toBeUndefined();
    acquainted(a, b);
    expect(unwrap(b.seals.open(a.seals.seal(two, packet)!))).toEqual({ from: one, plaintext: packet });
    expect(unwrap(a.seals.open(b.seals.seal(one, packet)!)).from).toBe(two);
  });

  it('open a datagram once, and out of order', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const [first, second] = [a.seals.seal(two, packet)!, a.seals.seal(two, packet)!];
    expect(b.seals.open(second).ok).toBe(true);
    expect(b.seals.open(first).ok).toBe(true);
    expect(refusalOf(b.seals.open(first)).code).toBe('REPLAYED');
    expect(refusalOf(b.seals.open(second)).code).toBe('REPLAYED');
  });

  it('do not let a forgery spend a counter', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const datagram = a.seals.seal(two, packet)!;
    expect(refusalOf(b.seals.open(flipBit(datagram, datagram.length * 8 - 1))).code).toBe('SEAL_INVALID');
    expect(b.seals.open(datagram).ok).toBe(true);
  });

  it('open nothing of strangers, nor what was meant for another or comes back', () => {
    const [a, b, c] = [member(one), member(two), member('node-3' as NodeId)];
    acquainted(a, b);
    const datagram = a.seals.seal(two, packet)!;
    c.seals.learn(one, 1, a.boxKey);
    expect(refusalOf(c.seals.open(datagram)).code).toBe('SEAL_INVALID');
    expect(refusalOf(a.seals.open(datagram)).code).toBe('SEAL_INVALID');
    expect(refusalOf(member(two).seals.open(datagram)).code).toBe('SEAL_INVALID');
  });

  it('differ by cluster and by boot', () => {
    const a = member(one);
    const b = member(two, 1, createKeyring(firstKey), 'cluster-2');
    acquainted(a, b);
    expect(refusalOf(b.seals.open(a.seals.seal(two, packet)!)).code).toBe('SEAL_INVALID');
    const [c, d] = [member(one), member(two)];
    acquainted(c, d);
    const recorded = c.seals.seal(two, packet)!;
    const again = member(one, 2);
    acquainted(again, d);
    expect(refusalOf(d.seals.open(recorded)).code).toBe('SEAL_INVALID');
    expect(d.seals.open(again.seals.seal(two, packet)!).ok).toBe(true);
    // An older boot than the known one changes nothing.
    d.seals.learn(one, 1, c.boxKey);
    expect(refusalOf(d.seals.open(recorded)).code).toBe('SEAL_INVALID');
    expect(d.seals.open(again.seals.seal(two, packet)!).ok).toBe(true);
  });

  it('go with the member that is forgotten', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const datagram = a.seals.seal(two, packet)!;
    b.seals.forget(one);
    expect([b.seals.open(datagram).ok, b.seals.seal(one, packet)]).toEqual([false, undefined]);
  });

  it('follow the keyring: both keys open during a rotation, a retired one opens nothing', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    expect(b.seals.open(a.seals.seal(two, packet)!).ok).toBe(true);
    const next = keyOf(2);
    const added = createKeyring(firstKey, [next]);
    a.held.ring = createKeyring(next, [firstKey]);
    expect(refusalOf(b.seals.open(a.seals.seal(two, packet)!)).text).toContain('does not hold');
    b.held.ring = added;
    expect(b.seals.open(a.seals.seal(two, packet)!).ok).toBe(true);
    expect(b.held.others).toEqual([next]);
    a.held.ring = createKeyring(firstKey);
    const old = a.seals.seal(two, packet)!;
    b.held.ring = createKeyring(next);
    expect(refusalOf(b.seals.open(old)).text).toContain('does not hold');
  });

  it('open with whichever of two keys of one version it is: two members proposed at once', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const [ours, theirs] = [keyOf(2, one), keyOf(2, two)];
    b.held.ring = createKeyring(firstKey, [ours, theirs]);
    for (const key of [ours, theirs]) {
      a.held.ring = createKeyring(key);
      expect(unwrap(b.seals.open(a.seals.seal(two, packet)!)).from).toBe(one);
    }
    expect(b.held.others).toEqual([ours, theirs]);
  });

  it('authenticate the key version: one that was lowered or raised opens nothing, though both keys are held', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const next = keyOf(2);
    for (const [sealing, version] of [
      [next, 1],
      [firstKey, 2],
    ] as const) {
      a.held.ring = createKeyring(sealing);
      b.held.ring = createKeyring(next, [firstKey]);
      const datagram = Uint8Array.from(a.seals.seal(two, packet)!);
      const changed = Uint8Array.from(datagram);
      changed[4] = version;
      expect(refusalOf(b.seals.open(changed)).code).toBe('SEAL_INVALID');
      // And it cost the honest one nothing.
      expect(b.seals.open(datagram).ok).toBe(true);
    }
  });

  it('open nothing for whoever has the box key of one end and every gossip key but the one it is sealed with', () => {
    const [a, b] = [member(one), member(two)];
    acquainted(a, b);
    const [old, next] = [keyOf(2), keyOf(3)];
    a.held.ring = createKeyring(next, [firstKey, old]);
    const datagram = a.seals.seal(two, packet)!;
    // The thief has all of b, but was revoked before the key was made.
    b.held.ring = createKeyring(old, [firstKey]);
    expect(refusalOf(b.seals.open(datagram)).text).toContain('does not hold');
    for (const stolen of [firstKey, old]) {
      // It may take any of them for the one of that version.
      b.held.ring = createKeyring({ ...stolen, id: { ...stolen.id, epoch: 3, hash: `as 3: ${stolen.id.hash}` } });
      expect(refusalOf(b.seals.open(datagram)).code).toBe('SEAL_INVALID');
    }
    b.held.ring = createKeyring(next);
    expect(b.seals.open(datagram).ok).toBe(true);
  });

  it('are not taken from a member by another that claims its box key as its own', () => {
    const [a, b, thief] = [member(one), member(two), 'node-3' as NodeId];
    b.seals.learn(thief, 1, a.boxKey);
    acquainted(a, b);
    expect(unwrap(b.seals.open(a.seals.seal(two, packet)!)).from).toBe(one);
    b.seals.learn(thief, 2, a.boxKey);
    expect(unwrap(b.seals.open(a.seals.seal(two, packet)!)).from).toBe(one);
    b.seals.learn(thief, 3, osCrypto.randomBytes(32));
    const datagram = a.seals.seal(two, packet)!;
    expect(unwrap(b.seals.open(datagram)).from).toBe(one);
    expect(refusalOf(b.seals.open(datagram)).code).toBe('REPLAYED');
  });

  it.each([
    ['32 zeros', new Uint8Array(32)],
    ['one', Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))],
  ])('are not made with a key that gives everybody the same secret: %s', (_, boxKey) => {
    const a = member(one);
    a.seals.learn(two, 1, boxKey);
    expect(a.seals.seal(two, packet)).toBeUndefined();
  });
});
