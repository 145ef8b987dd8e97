import { beforeAll, describe, expect, it } from 'vitest';
import {
  decodeLinkPacket,
  linkPacket,
  openPacket,
  plaintextBytesMax,
  sealPacket,
} from '../../../../src/actors/cluster/gossip/gossip-datagram.ts';
import { PairSeals } from '../../../../src/actors/cluster/gossip/pair-seals.ts';
import { createKeyring, gossipKey } from '../../../../src/crypto/keyring.ts';
import { rawPublicKey } from '../../../../src/crypto/keys.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { sealOverheadBytes, sealReady } from '../../../../src/crypto/seal.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import type { Packet } from '../../../../src/protocols/swim/packet.ts';
import { refusalOf } from '../../../crypto/fixtures.ts';
import { claims } from '../../../protocols/swim/stage.ts';

const one = 'node-1' as NodeId;
const two = 'node-2' as NodeId;
const ring = createKeyring(gossipKey(osCrypto.randomBytes(32), { epoch: 1, proposer: '', revocations: 0 }));
beforeAll(sealReady);

function sealing(nodeId: NodeId, peer: NodeId, own = osCrypto.generateKeyPair('x25519')) {
  const seals = new PairSeals({
    crypto: osCrypto,
    clusterId: 'cluster-1',
    self: { nodeId, epoch: 1 },
    boxPrivate: own.privateKey,
    boxPublic: rawPublicKey(own.publicKey),
    keyring: () => ring,
  });
  return { seals, learn: (box: Uint8Array) => seals.learn(peer, 1, box), boxKey: rawPublicKey(own.publicKey) };
}

const ping: Packet = { kind: 'ping', seq: 7, target: two, claims: [] };
const like = (count: number): Packet => ({
  kind: 'gossip',
  claims: Array.from({ length: count }, () => claims.suspect('node-3', 'node-4')),
});

describe('a packet in a datagram', () => {
  it('is as long as the packet and the seal: nothing is compressed, so nothing can burst', () => {
    const [a, b] = [sealing(one, two), sealing(two, one)];
    a.learn(b.boxKey);
    b.learn(a.boxKey);
    for (const packet of [ping, like(1), like(9)]) {
      const datagram = sealPacket(a.seals, two, packet)!;
      expect(datagram.length).toBe(linkPacket(packet).length + sealOverheadBytes);
      expect(unwrap(openPacket(b.seals, datagram)).packet.unverified).toEqual(packet);
    }
  });

  it('over the bound is a bug of the sender', () => {
    const { seals, learn } = sealing(one, two);
    learn(sealing(two, one).boxKey);
    expect(() => sealPacket(seals, two, like(limits.datagramClaimsMax))).toThrow(RangeError);
  });
});

describe('a packet over a link', () => {
  it('is what a datagram holds before it is sealed', () => {
    for (const packet of [ping, like(1)])
      expect(unwrap(decodeLinkPacket(linkPacket(packet))).unverified).toEqual(packet);
  });

  it('is refused when it is longer than a datagram could carry, has more claims, or is cut', () => {
    const counted = linkPacket(like(1));
    // The array of claims stands behind kind, number and target: it says 65 where there is one.
    const lying = Uint8Array.of(...counted.slice(0, 4), 0xdc, 0, limits.datagramClaimsMax + 1, ...counted.slice(5));
    for (const bytes of [new Uint8Array(plaintextBytesMax + 1), lying, counted.slice(0, -1), new Uint8Array(0)])
      expect(refusalOf(decodeLinkPacket(bytes)).code).toBe('MALFORMED');
  });
});
