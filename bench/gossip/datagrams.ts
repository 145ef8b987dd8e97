import { openPacket, plaintextBytesMax, sealPacket } from '../../src/actors/cluster/gossip/gossip-datagram.ts';
import { PairSeals } from '../../src/actors/cluster/gossip/pair-seals.ts';
import { createKeyring, gossipKey } from '../../src/crypto/keyring.ts';
import { rawPublicKey } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { sealReady } from '../../src/crypto/seal.ts';
import { signWith } from '../../src/crypto/signature.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { type SignedClaim, signAlive } from '../../src/protocols/swim/claim.ts';
import { swimProfiles } from '../../src/protocols/swim/config.ts';
import type { Packet } from '../../src/protocols/swim/packet.ts';
import { createSwim, step } from '../../src/protocols/swim/swim.ts';
import { utf8 } from '../../test/simulate/fake-claims.ts';
import { spreadOf } from '../runner/statistics.ts';
import { shownSpread, type Table } from '../runner/table.ts';

const one = 'node-1' as NodeId;
const two = 'node-2' as NodeId;
const batch = 500;

/** What one member does with datagrams, part by part, with the seals and the rules of a node and without its sockets. */
export async function datagramTable(rounds: number): Promise<Table> {
  await sealReady();
  const [a, b] = [member(one), member(two)];
  a.seals.learn(two, 1, b.boxKey);
  b.seals.learn(one, 1, a.boxKey);
  const alive = Array.from({ length: 5 }, (_, at) => member(`node-${at + 3}` as NodeId).alive);
  const ping: Packet = { kind: 'ping', seq: 1, target: two, claims: [] };
  const full: Packet = { ...ping, claims: fitting(alive) };
  const receiver = createSwim({
    self: { nodeId: two, bootEpoch: 1, boxKey: b.boxKey, addresses: [{ host: '127.0.0.1', port: 7_702 }] },
    config: swimProfiles.lan,
    seed: 1,
    expectedSize: 2,
    sign: b.sign,
    utf8,
    plaintextBytesMax,
  });
  step(receiver, { type: 'claims', from: one, claims: [a.alive, ...alive], now: 0 });
  let now = 0;
  const hear = (packet: Packet) => step(receiver, { type: 'packet', from: one, packet, now: ++now });
  const sealed = (packet: Packet) => Array.from({ length: batch }, () => sealPacket(a.seals, two, packet)!);
  const open = (datagrams: readonly Uint8Array[]) => {
    for (const datagram of datagrams) unwrap(openPacket(b.seals, datagram));
  };
  const works = (packet: Packet) => [
    rate(
      rounds,
      () => packet,
      () => sealed(packet),
    ),
    rate(rounds, () => sealed(packet), open),
    rate(
      rounds,
      () => packet,
      () => {
        for (let at = 0; at < batch; at++) hear(packet);
      },
    ),
    rate(
      rounds,
      () => sealed(packet),
      (datagrams) => {
        for (const datagram of datagrams) {
          const opened = unwrap(openPacket(b.seals, datagram));
          for (const effect of hear(opened.packet.unverified).effects)
            if (effect.type === 'send') sealPacket(b.seals, effect.to, effect.packet);
        }
      },
    ),
  ];
  const row = (what: string, packet: Packet) => [
    what,
    String(sealPacket(a.seals, two, packet)!.length),
    ...works(packet).map((all) => shownSpread(spreadOf(all))),
  ];
  return {
    title: 'Datagrams a second on one core',
    head: ['', 'bytes', 'sealed', 'opened', 'stepped', 'opened, stepped and the answer sealed'],
    rows: [row('a ping', ping), row(`a ping with ${full.claims.length} claims that are known`, full)],
    after: [
      'Medians of rounds, with the least and the greatest, by processor time. Sealed: encoded and sealed for one member ' +
        '(XChaCha20-Poly1305). Opened: with the replay window and the strict decoder. Stepped: by the rules. A claim that ' +
        'is news costs an Ed25519 check more, once at each member.',
    ],
  };
}

function member(nodeId: NodeId) {
  const box = osCrypto.generateKeyPair('x25519');
  const boxKey = rawPublicKey(box.publicKey);
  const key = osCrypto.generateKeyPair('ed25519').privateKey;
  const sign = (bytes: Uint8Array) => signWith(key, 'caxton gossip claim v1', bytes);
  const ring = createKeyring(gossipKey(new Uint8Array(32).fill(7), { epoch: 1, proposer: '', revocations: 0 }));
  const seals = new PairSeals({
    crypto: osCrypto,
    clusterId: 'bench',
    self: { nodeId, epoch: 1 },
    boxPrivate: box.privateKey,
    boxPublic: boxKey,
    keyring: () => ring,
  });
  const addresses = [{ host: '127.0.0.1', port: 7_701 }];
  const alive = signAlive({ kind: 'alive', node: nodeId, epoch: 1, incarnation: 1, boxKey, addresses }, sign, utf8);
  return { seals, boxKey, sign, alive };
}

function fitting(claims: readonly SignedClaim[]): readonly SignedClaim[] {
  let room = plaintextBytesMax - 64;
  return claims.filter(({ wire }) => {
    room -= wire.length;
    return room >= 0;
  });
}

/** Of a batch, again and again for each round: how many a second of processor time. */
function rate<T>(rounds: number, prepare: () => T, work: (prepared: T) => void): number[] {
  const perSecond: number[] = [];
  for (let round = -1; round < rounds; round++) {
    let usedUs = 0;
    let count = 0;
    while (usedUs < 200_000) {
      const prepared = prepare();
      const before = process.cpuUsage();
      work(prepared);
      const { user, system } = process.cpuUsage(before);
      usedUs += user + system;
      count += batch;
    }
    if (round >= 0) perSecond.push((count / usedUs) * 1e6);
  }
  return perSecond;
}
