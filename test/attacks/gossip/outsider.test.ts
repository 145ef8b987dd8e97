import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatagramSocket } from '../../../src/actors/kernel/ports.ts';
import type { NodeId } from '../../../src/names.ts';
import { createTestCluster, type TestCluster } from '../../../src/testing/index.ts';
import type { Captured } from './attacked-cluster.ts';

/** Somebody on the wire who has seen every datagram since the start and has no key at all. */
let cluster: TestCluster;
let socket: DatagramSocket;
const captured: Captured[] = [];
const [alpha, bravo, carol] = ['alpha', 'bravo', 'carol'] as [NodeId, NodeId, NodeId];

beforeAll(async () => {
  cluster = await createTestCluster({ nodes: [alpha, bravo, carol] });
  cluster.network.onTraffic(({ kind, from, to, bytes }) => {
    if (kind === 'datagram' && to !== undefined && from !== 'outsider') captured.push({ from, to, bytes });
  });
  await cluster.until('the cluster is whole', () => cluster.isWhole());
  await cluster.advance(20_000);
  socket = await cluster.network.host('outsider', { address: '127.0.0.66' }).bindDatagrams({
    host: '127.0.0.66',
    port: 6_666,
  });
});
afterAll(() => cluster?.close());

const between = (from: string, to: string): readonly Uint8Array[] =>
  captured.filter((one) => one.from === from && one.to === to).map(({ bytes }) => bytes);

const refusedAt = (node: NodeId, code?: string): number =>
  cluster
    .node(node)
    .control.metrics()
    .filter(({ name, labels }) => name === 'gossip_refused' && (code === undefined || labels.code === code))
    .reduce((sum, { value }) => sum + value, 0);

const view = (): string =>
  JSON.stringify(
    cluster.running.map((node) =>
      cluster
        .node(node)
        .control.members()
        .map(({ nodeId, status, bootEpoch, incarnation, address }) => [nodeId, status, bootEpoch, incarnation, address])
        .sort(),
    ),
  );

/** Sends all to a node: each is refused, counted under the code, and nothing has changed. */
async function refused(to: NodeId, datagrams: readonly Uint8Array[], code: string): Promise<void> {
  const before = view();
  const counted = refusedAt(to, code);
  const all = refusedAt(to);
  for (const [at, bytes] of datagrams.entries()) {
    socket.send(bytes, cluster.machine(to).config.cluster.bind);
    if (at % 50 === 0) await cluster.advance(10);
  }
  await cluster.advance(100);
  expect(datagrams.length).toBeGreaterThan(0);
  expect([refusedAt(to, code) - counted, refusedAt(to) - all]).toEqual([datagrams.length, datagrams.length]);
  expect(view()).toBe(before);
}

const changed = (bytes: Uint8Array, change: (copy: Buffer) => void): Uint8Array => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};

describe('a captured datagram', () => {
  it('is a replay at the same receiver', () => refused(bravo, between(alpha, bravo).slice(-100), 'REPLAYED'));

  it('opens nothing at another receiver, nor at its sender', async () => {
    await refused(carol, between(alpha, bravo).slice(-100), 'SEAL_INVALID');
    await refused(alpha, between(alpha, bravo).slice(-100), 'SEAL_INVALID');
  });

  it.each([0, 2, 7, 0xffff_ffff])('opens nothing with key version %i', (version) =>
    refused(
      bravo,
      between(alpha, bravo)
        .slice(-20)
        .map((bytes) => changed(bytes, (copy) => void copy.writeUInt32BE(version, 1))),
      'SEAL_INVALID',
    ),
  );

  it('opens nothing with another counter', () =>
    refused(
      bravo,
      between(alpha, bravo)
        .slice(-20)
        .map((bytes) => changed(bytes, (copy) => void copy.writeBigUInt64BE(copy.readBigUInt64BE(13) + 1_000n, 13))),
      'SEAL_INVALID',
    ));

  it('opens nothing after its receiver has started again', async () => {
    const recorded = between(alpha, bravo).slice(-100);
    await cluster.restart(bravo);
    await cluster.until('the cluster is whole again', () => cluster.isWhole());
    await cluster.advance(2_000);
    await refused(bravo, recorded, 'SEAL_INVALID');
  });

  it('opens nothing after its sender has started again', async () => {
    const recorded = between(alpha, carol).slice(-100);
    await cluster.restart(alpha);
    await cluster.until('the cluster is whole again', () => cluster.isWhole());
    await cluster.advance(2_000);
    await refused(carol, recorded, 'SEAL_INVALID');
  });

  it('held back on its way counts once: it makes a dead member look alive for a moment, and dead again', async () => {
    const held: Uint8Array[] = [];
    cluster.network.setConditions({ loss: 1 }, carol, alpha);
    const from = captured.length;
    await cluster.advance(1_500);
    held.push(
      ...captured
        .slice(from)
        .filter((one) => one.from === carol && one.to === alpha)
        .map(({ bytes }) => bytes),
    );
    cluster.network.setConditions({ loss: 0 }, carol, alpha);
    cluster.crash(carol, { powerCut: true });
    const status = (): string | undefined =>
      cluster
        .node(alpha)
        .control.members()
        .find(({ nodeId }) => nodeId === carol)?.status;
    await cluster.until('it is dead', () => status() === 'dead');
    expect(held.length).toBeGreaterThan(0);
    for (const bytes of held) socket.send(bytes, cluster.machine(alpha).config.cluster.bind);
    await cluster.advance(10);
    expect(status()).toBe('alive');
    await cluster.until('it is dead again', () => status() === 'dead');
    await refused(alpha, held, 'REPLAYED');
  });
});
