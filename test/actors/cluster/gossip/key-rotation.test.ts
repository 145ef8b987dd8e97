import { describe, expect, it } from 'vitest';
import { KeyLinks } from '../../../../src/actors/cluster/gossip/key-links.ts';
import { type KeyNews, KeyRotation } from '../../../../src/actors/cluster/gossip/key-rotation.ts';
import { KeyShelf } from '../../../../src/actors/cluster/gossip/key-shelf.ts';
import type { Links, PeerLink } from '../../../../src/actors/cluster/links/links.ts';
import type { Metrics } from '../../../../src/actors/kernel/ports.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { NodeVault } from '../../../../src/actors/vault.ts';
import { createKeyring, type GossipKey, gossipKey } from '../../../../src/crypto/keyring.ts';
import type { KeptKeyring } from '../../../../src/crypto/keyring-vault.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { createVaultRing, vaultRingFromText } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import type { RotationStage } from '../../../../src/protocols/gossip-keys/stage.ts';
import type { Frame, FrameKind } from '../../../../src/protocols/link/frame.ts';
import {
  decodePeerKeys,
  encodeGivenKey,
  encodeKeyRequest,
  encodePeerKeys,
  gossipKeysFeature,
} from '../../../../src/protocols/link/key-frame.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';

const [self, peer] = ['node-1', 'node-2'] as [NodeId, NodeId];
const keyOf = (epoch: number, proposer: string = peer): GossipKey =>
  gossipKey(osCrypto.randomBytes(32), { epoch, proposer, revocations: 0 });
const times = {
  intervalMs: 3_600_000,
  fallbackMs: 1_000,
  graceMs: 2_000,
  retireMs: 3_000,
  retireMsMax: 4_000,
  askMs: 100,
};
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};

/** A node with one link, whose frames and files a test sees. */
function shell(options: { first?: GossipKey; features?: string[] } = {}) {
  const clock = new ManualClock();
  const first = options.first ?? keyOf(1, '');
  const sent: Frame[] = [];
  const violations: string[] = [];
  const news: KeyNews[] = [];
  const counted: string[] = [];
  const troubles: unknown[] = [];
  const saves: { readonly kept: KeptKeyring; readonly done: () => void; readonly fail: (error: Error) => void }[] = [];
  const frames = new Map<FrameKind, (link: PeerLink, frame: Frame) => void>();
  const world = { live: [peer] as NodeId[], isRevoked: false, behind: 0, stage: 'stable' as RotationStage };
  const link = {
    nodeId: peer,
    svid: {},
    hello: { features: options.features ?? [gossipKeysFeature] },
    send: (kind: FrameKind, header: Uint8Array, content: Uint8Array) => void sent.push({ kind, header, content }),
    violated: (reason: string) => void violations.push(reason),
  } as unknown as PeerLink;
  const listeners: { ready?: (link: PeerLink) => void; closed?: (link: PeerLink) => void } = {};
  const links = {
    onReady: (listener: (link: PeerLink) => void) => {
      listeners.ready = listener;
    },
    onClosed: (listener: (link: PeerLink) => void) => {
      listeners.closed = listener;
    },
    onFrame: (kind: FrameKind, handler: (link: PeerLink, frame: Frame) => void) => void frames.set(kind, handler),
    get: (node: NodeId) => (node === peer ? link : undefined),
    all: () => [link],
  } as unknown as Links;
  const metrics: Metrics = {
    count: (name, labels) => void counted.push(`${name} ${labels?.code ?? ''}`),
    gauge: () => {},
    read: () => [],
  };
  const rotation = new KeyRotation({
    clock,
    crypto: osCrypto,
    metrics,
    links: new KeyLinks({ clock, metrics, links, isRevoked: () => world.isRevoked }),
    nodeId: self,
    times,
    kept: { keyring: createKeyring(first), candidate: undefined, switchedAt: clock.now() },
    save: (kept) =>
      new Promise((done, fail) => {
        saves.push({ kept, done, fail });
      }),
    view: () => ({ live: world.live, majority: true, quorum: 2, revocations: 0, revoked: [] }),
    onNews: (what) => void news.push(what),
    onBehind: () => void world.behind++,
    onStage: (stage) => {
      world.stage = stage;
    },
    trouble: (error) => void troubles.push(error),
  });
  rotation.listen();
  const hears = (kind: FrameKind, { header, content }: { header: Uint8Array; content: Uint8Array }) =>
    frames.get(kind)!(link, { kind, header, content });
  const said = (): unknown =>
    unwrap(decodePeerKeys(utf8, sent.findLast(({ kind }) => kind === 'gossip-keys')!)).unverified;
  return {
    clock,
    rotation,
    first,
    sent,
    violations,
    news,
    counted,
    troubles,
    saves,
    world,
    link,
    listeners,
    hears,
    said,
  };
}

describe('the shell of the rotation', () => {
  it('keeps a key before it tells of it, and seals with it only when that is kept too', async () => {
    const { rotation, saves, sent, hears, said, news, first } = shell();
    rotation.rotate();
    void rotation.make();
    void rotation.make();
    await turns();
    expect([saves.length, sent.length, news.length]).toEqual([1, 0, 0]);
    const made = saves[0]!.kept.keyring.keys.find(({ id }) => id.epoch === 2)!;
    saves[0]!.done();
    await turns();
    expect(said()).toEqual({ sealing: first.id, candidate: made.id });
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: first.id, candidate: made.id }));
    await turns();
    expect([rotation.state.sealing, rotation.ring.sealing.id]).toEqual([made.id, first.id]);
    saves[1]!.done();
    await turns();
    expect(rotation.ring.sealing).toEqual(made);
    expect(rotation.ring.key(first.id.hash)).toEqual(first);
    expect(said()).toEqual({ sealing: made.id, candidate: undefined });
  });

  it.each(['refuses', 'never answers'])('goes on when nothing can be kept, and says so: the disk %s', async (how) => {
    const { rotation, saves, troubles, said, clock } = shell();
    rotation.rotate();
    void rotation.make();
    await turns();
    if (how === 'never answers') await clock.advanceAsync(limits.gossipKeySaveMsMax);
    else saves[0]!.fail(new Error('the disk is full'));
    await turns();
    expect(troubles).toHaveLength(1);
    expect(said()).toMatchObject({ candidate: { epoch: 2, proposer: self } });
  });

  it('gives a key to whoever asks for one that is in use, and to nobody who is revoked', async () => {
    const { hears, sent, first, world, counted } = shell();
    hears('gossip-key-request', encodeKeyRequest(utf8, first.id));
    expect(sent.map(({ kind, content }) => [kind, content])).toEqual([['gossip-key', first.key]]);
    hears('gossip-key-request', encodeKeyRequest(utf8, keyOf(1).id));
    world.isRevoked = true;
    hears('gossip-key-request', encodeKeyRequest(utf8, first.id));
    expect(sent).toHaveLength(1);
    expect(counted.at(-1)).toBe('gossip_keys_refused REVOKED');
  });

  it('takes a key that it asked for, and lets go of one that it did not', async () => {
    const { rotation, hears, saves, first, sent } = shell();
    const [asked, other] = [keyOf(2), keyOf(2)];
    hears('gossip-key', encodeGivenKey(utf8, other.id, other.key));
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: asked.id }));
    expect(sent.at(-1)?.kind).toBe('gossip-key-request');
    hears('gossip-key', encodeGivenKey(utf8, other.id, other.key));
    hears('gossip-key', encodeGivenKey(utf8, asked.id, asked.key));
    await turns();
    saves[0]!.done();
    await turns();
    expect(rotation.ring.keys).toEqual([asked, first]);
  });

  it('ends the link of whoever gives another key than it names, or sends what is no such frame', () => {
    const { hears, violations, rotation, first } = shell();
    const [named, given] = [keyOf(2), keyOf(2)];
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: named.id }));
    hears('gossip-key', encodeGivenKey(utf8, named.id, given.key));
    for (const kind of ['gossip-keys', 'gossip-key-request', 'gossip-key'] as const)
      hears(kind, { header: new Uint8Array([0x93, 1]), content: new Uint8Array(0) });
    expect(violations).toHaveLength(4);
    expect(rotation.state.sealing).toEqual(first.id);
  });

  it('hears a peer that never stops no more than an honest one, and another day again', () => {
    const { hears, counted, first, clock } = shell();
    for (let at = 0; at < 500; at++) hears('gossip-keys', encodePeerKeys(utf8, { sealing: first.id }));
    expect(counted.filter((what) => what === 'gossip_keys_refused RATE_LIMIT_EXCEEDED').length).toBeGreaterThan(400);
    clock.advance(60_000);
    const before = counted.length;
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: first.id }));
    expect(counted).toHaveLength(before);
  });

  it('seals with the key that a datagram came under, and with no older one', async () => {
    const { rotation, hears, saves, first, world } = shell();
    const next = keyOf(2);
    // A third member does not hold it yet.
    world.live = [peer, 'node-3' as NodeId];
    rotation.viewChanged();
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: first.id, candidate: next.id }));
    hears('gossip-key', encodeGivenKey(utf8, next.id, next.key));
    await turns();
    saves[0]!.done();
    await turns();
    expect(rotation.stage).toBe('distributing');
    rotation.heard(next);
    rotation.heard(first);
    await turns();
    saves[1]!.done();
    await turns();
    expect(rotation.ring.sealing).toEqual(next);
  });

  it('tells a peer that does not know the frames nothing', () => {
    const { listeners, link, sent } = shell({ features: [] });
    listeners.ready!(link);
    expect(sent).toEqual([]);
  });

  it('asks for notices of whoever seals with a key that was made after later ones', () => {
    const { hears, world, sent } = shell();
    const later = gossipKey(osCrypto.randomBytes(32), { epoch: 2, proposer: peer, revocations: 4 });
    hears('gossip-keys', encodePeerKeys(utf8, { sealing: later.id }));
    expect([world.behind, sent.length]).toEqual([1, 0]);
  });

  it('shows no key: neither in what it tells, nor when it is printed', async () => {
    const { rotation, saves, news, first } = shell();
    rotation.rotate();
    void rotation.make();
    await turns();
    saves[0]!.done();
    await turns();
    const shown = JSON.stringify([news, rotation.state, { ring: rotation.ring }]);
    for (const { key } of [first, ...saves[0]!.kept.keyring.keys])
      for (const form of ['hex', 'base64'] as const) expect(shown).not.toContain(Buffer.from(key).toString(form));
  });
});

describe('where the keys are kept', () => {
  const owner = { clusterId: 'cluster-1', nodeId: self };
  const shelfOf = async (store: MemoryStore, text = { ring: createVaultRing(osCrypto).toText() }) => {
    const vault = await NodeVault.open({ kind: 'file', path: '/vault.key' }, async () => text.ring);
    return { shelf: new KeyShelf({ store, crypto: osCrypto, vault, owner }), vault, text };
  };

  it('has the ring of the file at the first boot, and what was kept from then on', async () => {
    const { shelf } = await shelfOf(new MemoryStore());
    const [file, next] = [createKeyring(keyOf(1, '')), keyOf(2)];
    expect(await shelf.open(file, 5)).toEqual({ keyring: file, candidate: undefined, switchedAt: 5 });
    await shelf.save({ keyring: createKeyring(next, [file.sealing]), candidate: undefined, switchedAt: 7 });
    const kept = await shelf.open(file, 9);
    expect([kept.keyring.keys, kept.switchedAt]).toEqual([[next, file.sealing], 7]);
  });

  it('takes a later ring that an operator has put into the file, and still opens with the one before', async () => {
    const { shelf } = await shelfOf(new MemoryStore());
    const before = keyOf(2);
    await shelf.save({ keyring: createKeyring(before), candidate: undefined, switchedAt: 7 });
    const later = createKeyring(keyOf(9));
    expect((await shelf.open(later, 9)).keyring.keys).toEqual([later.sealing, before]);
  });

  it('is refused with what to do when it is not what this node wrote', async () => {
    const store = new MemoryStore();
    const { shelf } = await shelfOf(store);
    const file = createKeyring(keyOf(1, ''));
    await shelf.save({ keyring: file, candidate: undefined, switchedAt: 7 });
    const { shelf: other } = await shelfOf(store);
    await expect(other.open(file, 9)).rejects.toThrow(/Put back the one that belongs to the others/);
  });

  it('is written anew when the vault is rotated, so that the vault’s old key can go', async () => {
    const store = new MemoryStore();
    const { shelf, vault, text } = await shelfOf(store);
    const file = createKeyring(keyOf(1, ''));
    const kept = { keyring: file, candidate: undefined, switchedAt: 7 };
    await shelf.save(kept);
    vault.onRotated(() => void shelf.save(kept));
    const old = vault.ring.currentId;
    text.ring = unwrap(vault.ring.rotated(osCrypto)).toText();
    await vault.reload();
    await turns();
    text.ring = unwrap(unwrap(vaultRingFromText(text.ring)).without(old)).toText();
    const { shelf: later } = await shelfOf(store, text);
    expect((await later.open(file, 9)).keyring.sealing).toEqual(file.sealing);
  });
});
