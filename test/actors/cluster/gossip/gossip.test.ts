import { AsyncLocalStorage } from 'node:async_hooks';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Directory } from '../../../../src/actors/cluster/directory.ts';
import { Gossip } from '../../../../src/actors/cluster/gossip/gossip.ts';
import { gossipFeature } from '../../../../src/actors/cluster/gossip/gossip-datagram.ts';
import { PairSeals } from '../../../../src/actors/cluster/gossip/pair-seals.ts';
import { createNodeIdentity } from '../../../../src/actors/cluster/identity/node-identity.ts';
import type { Links, PeerLink } from '../../../../src/actors/cluster/links/links.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import type { Address, DatagramSocket, Metrics, Network } from '../../../../src/actors/kernel/ports.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { bindClaimKey } from '../../../../src/crypto/identity.ts';
import { createKeyring, gossipKey as keyOf } from '../../../../src/crypto/keyring.ts';
import { privateKeyToPem, rawPublicKey } from '../../../../src/crypto/keys.ts';
import { sealReady } from '../../../../src/crypto/seal.ts';
import { signWith } from '../../../../src/crypto/signature.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import { ok, unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import type { Frame, FrameKind } from '../../../../src/protocols/link/frame.ts';
import { encodePushPullPages } from '../../../../src/protocols/link/push-pull-frame.ts';
import { signAlive } from '../../../../src/protocols/swim/claim.ts';
import { swimProfiles } from '../../../../src/protocols/swim/config.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, dayMs, derOf, domain, makeCa, now } from '../../../crypto/fixtures.ts';

const ca = makeCa();
const gossipKey = crypto.randomBytes(32);
beforeAll(sealReady);

/** Datagrams and frames are handed over at once; time stands still unless a test moves it. */
class Wire {
  readonly clock = new ManualClock(now);
  readonly sockets = new Map<number, (bytes: Uint8Array, from: Address) => void>();
  readonly members = new Map<NodeId, ReturnType<typeof gossiping>>();
  readonly datagrams: { readonly bytes: Uint8Array; readonly to: number }[] = [];

  network = {
    bindDatagrams: async ({ host, port }: Address): Promise<DatagramSocket> => ({
      address: { host, port },
      send: (bytes, to) => {
        this.datagrams.push({ bytes, to: to.port });
        this.sockets.get(to.port)?.(bytes, { host, port });
      },
      onMessage: (handler) => void this.sockets.set(port, handler),
      close: async () => void this.sockets.delete(port),
    }),
  } as unknown as Network;
}

/** The links of one member: `up` makes a pair of them. */
class FakeLinks {
  readonly ready = new Map<NodeId, PeerLink>();
  readonly ensured: { readonly address: Address; readonly nodeId?: NodeId }[] = [];
  readonly forgotten: NodeId[] = [];
  readonly frames = new Map<FrameKind, (link: PeerLink, frame: Frame) => void>();
  readonly readied: ((link: PeerLink) => void)[] = [];
  readonly closed: ((link: PeerLink, reason: string) => void)[] = [];
  get = (nodeId: NodeId) => this.ready.get(nodeId);
  all = () => [...this.ready.values()];
  ensure = (target: { address: Address; nodeId?: NodeId }) => void this.ensured.push(target);
  forget = (nodeId: NodeId) => void this.forgotten.push(nodeId);
  onFrame = (kind: FrameKind, handler: (link: PeerLink, frame: Frame) => void) => void this.frames.set(kind, handler);
  onReady = (listener: (link: PeerLink) => void) => void this.readied.push(listener);
  onClosed = (listener: (link: PeerLink, reason: string) => void) => void this.closed.push(listener);
}

function gossiping(wire: Wire, name: string, port: number, life: { store?: MemoryStore; bootEpoch?: number } = {}) {
  const { store = new MemoryStore(), bootEpoch = 1 } = life;
  const nodeId = name as NodeId;
  const key = crypto.generateKeyPair('p256');
  const period = { notBefore: now - dayMs, notAfter: now + dayMs };
  const plan = { ca, publicKey: key.publicKey, nodeId, trustDomain: domain, ...period, dns: [], ip: ['127.0.0.1'] };
  const files = { certPem: unwrap(issueNodeCertificate(crypto, plan)), keyPem: privateKeyToPem(key.privateKey) };
  const claimKey = crypto.generateKeyPair('ed25519').privateKey;
  const identity = unwrap(
    createNodeIdentity({ nodeId, trustDomain: domain, ...files, caPem: ca.certPem, claimKey }, now),
  );
  const box = crypto.generateKeyPair('x25519');
  const boxKey = rawPublicKey(box.publicKey);
  const links = new FakeLinks();
  const metrics: Metrics = createMetrics();
  const ring = createKeyring(keyOf(gossipKey, { epoch: 1, proposer: '', revocations: 0 }));
  const heard = { joined: 0, left: 0, members: [] as string[], trouble: [] as string[] };
  const seals = new PairSeals({
    crypto,
    clusterId: 'cluster-1',
    self: { nodeId, epoch: bootEpoch },
    boxPrivate: box.privateKey,
    boxPublic: boxKey,
    keyring: () => ring,
  });
  const address = { host: '127.0.0.1', port };
  const gossip = new Gossip({
    identity,
    directory: new Directory({ caPem: ca.certPem, trustDomain: domain }),
    links: links as unknown as Links,
    seals,
    network: wire.network,
    clock: wire.clock,
    metrics,
    store,
    bind: address,
    advertise: address,
    seeds: [{ host: '127.0.0.1', port: 1 }],
    swim: { bootEpoch, boxKey, config: swimProfiles.local, seed: port, expectedSize: 2 },
    onMember: (member) => void heard.members.push(`${member.nodeId} ${member.status}`),
    onPartition: () => {},
    onJoined: () => heard.joined++,
    onEpochStale: () => {},
    onTrouble: (what) => void heard.trouble.push(what),
    onLeft: () => heard.left++,
  });
  const count = (metric: string): number =>
    metrics
      .read()
      .filter((sample) => sample.name === metric)
      .reduce((sum, sample) => sum + sample.value, 0);
  const made = { nodeId, gossip, links, heard, seals, count, port, store, bootEpoch, violations: [] as string[] };
  wire.members.set(nodeId, made);
  return made;
}

type Gossiping = ReturnType<typeof gossiping>;

/** A member of whom nothing is there but its entry and its claim. */
function strangerNamed(name: string) {
  const nodeId = name as NodeId;
  const key = crypto.generateKeyPair('p256');
  const claimKey = crypto.generateKeyPair('ed25519');
  // Long, so that few fill a page.
  const dns = Array.from({ length: 12 }, (_, at) => `${'a'.repeat(60)}.${at}.example.org`);
  const plan = { ca, publicKey: key.publicKey, nodeId, trustDomain: domain, dns, ip: ['127.0.0.1'] };
  const certPem = unwrap(issueNodeCertificate(crypto, { ...plan, notBefore: now - dayMs, notAfter: now + dayMs }));
  const svid = unwrap(verifyNodeSvid(derOf(certPem), { caPem: ca.certPem, trustDomain: domain, now }));
  const binding = bindClaimKey(key.privateKey, rawPublicKey(claimKey.publicKey), svid);
  const boxKey = crypto.randomBytes(32);
  const alive = signAlive(
    { kind: 'alive', node: nodeId, epoch: 1, incarnation: 1, boxKey, addresses: [{ host: '127.0.0.1', port: 9 }] },
    (bytes) => signWith(claimKey.privateKey, 'caxton gossip claim v1', bytes),
    utf8,
  );
  return { alive, entry: { nodeId, certificate: svid.der, binding } };
}

/** What `to` sees of its link to `from`: what is sent over it arrives there at once. */
function linkTo(owner: Gossiping, peer: Gossiping, side: 'dialer' | 'acceptor'): PeerLink {
  return {
    nodeId: peer.nodeId,
    side,
    hello: { bootEpoch: peer.bootEpoch, features: [gossipFeature] },
    send: (kind: FrameKind, header: Uint8Array, content: Uint8Array) => {
      const back = peer.links.ready.get(owner.nodeId);
      if (back) peer.links.frames.get(kind)?.(back, { kind, header, content });
      return ok(undefined);
    },
    violated: (text: string) => void owner.violations.push(text),
  } as unknown as PeerLink;
}

function connect(a: Gossiping, b: Gossiping): void {
  const there = linkTo(a, b, 'dialer');
  const back = linkTo(b, a, 'acceptor');
  a.links.ready.set(b.nodeId, there);
  b.links.ready.set(a.nodeId, back);
  for (const listener of b.links.readied) listener(back);
  for (const listener of a.links.readied) listener(there);
}

const statuses = ({ gossip }: Gossiping) => gossip.members().map(({ nodeId, status }) => `${nodeId} ${status}`);

describe('the gossip of a node', () => {
  let wire: Wire;
  let a: Gossiping;
  let b: Gossiping;

  beforeEach(async () => {
    wire = new Wire();
    a = gossiping(wire, 'node-1', 7_701);
    b = gossiping(wire, 'node-2', 7_702);
    await a.gossip.open();
    await b.gossip.open();
  });

  it('makes members of two nodes by one push/pull over their link', () => {
    a.gossip.join();
    expect(a.links.ensured).toEqual([{ address: { host: '127.0.0.1', port: 1 } }]);
    expect([a.heard.joined, b.heard.joined]).toEqual([0, 0]);
    connect(a, b);
    expect(statuses(a).sort()).toEqual(['node-1 alive', 'node-2 alive']);
    expect(statuses(b).sort()).toEqual(['node-1 alive', 'node-2 alive']);
    expect([a.heard.joined, b.heard.joined]).toEqual([1, 1]);
    expect(b.links.ensured).toContainEqual({ address: { host: '127.0.0.1', port: 7_701 }, nodeId: 'node-1' });
  });

  it('probes the other by sealed datagrams, none of them over the bound', async () => {
    connect(a, b);
    await wire.clock.advanceAsync(3_000);
    expect(b.count('gossip_received')).toBeGreaterThan(0);
    expect([a.count('gossip_refused'), b.count('gossip_refused')]).toEqual([0, 0]);
    expect(statuses(a).sort()).toEqual(['node-1 alive', 'node-2 alive']);
    for (const { bytes } of wire.datagrams) expect(bytes.length).toBeLessThanOrEqual(limits.datagramBytesMax);
  });

  it('drops and counts datagrams of strangers, of any length, and what was recorded', async () => {
    connect(a, b);
    await wire.clock.advanceAsync(1_000);
    const receive = wire.sockets.get(7_702)!;
    const received = b.count('gossip_received');
    const recorded = wire.datagrams.find(({ to }) => to === 7_702)!.bytes;
    const junk = [
      new Uint8Array(0),
      crypto.randomBytes(100),
      crypto.randomBytes(limits.datagramBytesMax + 1),
      recorded,
    ];
    for (const bytes of junk) receive(bytes, { host: '127.0.0.1', port: 9 });
    expect([b.count('gossip_refused'), b.count('gossip_received')]).toEqual([junk.length, received]);
  });

  it('probes over the link when no datagram gets through, and finds nobody unreachable', async () => {
    connect(a, b);
    wire.sockets.clear();
    await wire.clock.advanceAsync(20_000);
    expect(statuses(a)).toEqual(['node-1 alive', 'node-2 alive']);
    expect(statuses(b)).toEqual(['node-2 alive', 'node-1 alive']);
    expect(a.heard.members.concat(b.heard.members).filter((change) => !change.endsWith(' alive'))).toEqual([]);
    expect(a.count('gossip_sent_over_links')).toBeGreaterThan(20);
    expect([a.count('gossip_received') > 20, a.violations, b.violations]).toEqual([true, [], []]);
  });

  it('answers the address that the authenticated member has signed, wherever its datagram came from', async () => {
    connect(a, b);
    const receive = wire.sockets.get(7_702)!;
    // Whoever is on the way sends it on from elsewhere, as if it were theirs.
    wire.sockets.set(7_702, (bytes) => receive(bytes, { host: '203.0.113.7', port: 9 }));
    await wire.clock.advanceAsync(5_000);
    expect(b.count('gossip_received')).toBeGreaterThan(0);
    expect(statuses(a)).toEqual(['node-1 alive', 'node-2 alive']);
    expect([...new Set(wire.datagrams.map(({ to }) => to))].sort()).toEqual([7_701, 7_702]);
  });

  it('finds a member out whose datagrams and link are both silent', async () => {
    connect(a, b);
    wire.sockets.clear();
    for (const { links } of [a, b]) links.frames.clear();
    await wire.clock.advanceAsync(20_000);
    expect(statuses(a)).toEqual(['node-1 alive', 'node-2 unreachable']);
  });

  it('sends no datagram by the link while datagrams get through', async () => {
    connect(a, b);
    await wire.clock.advanceAsync(10_000);
    expect([a.count('gossip_sent_over_links'), b.count('gossip_sent_over_links')]).toEqual([0, 0]);
  });

  it('closes the link over which a packet comes that is none, or one larger than a datagram’s', () => {
    connect(a, b);
    const link = linkTo(a, b, 'acceptor');
    for (const bytes of [0, 3, limits.datagramBytesMax])
      a.links.frames.get('gossip')!(link, {
        kind: 'gossip',
        header: new Uint8Array(0),
        content: new Uint8Array(bytes),
      });
    expect(a.violations).toHaveLength(3);
    expect(a.count('gossip_received')).toBe(0);
  });

  describe('that starts again with the store of its last boot', () => {
    const restart = (from: Gossiping, port = from.port): Gossiping =>
      gossiping(wire, from.nodeId, port, { store: from.store, bootEpoch: from.bootEpoch + 1 });

    it('finds the members that it knew, though no seed answers, and counts none of them as alive before it is heard', async () => {
      connect(a, b);
      await wire.clock.advanceAsync(limits.gossipSnapshotMs);
      const again = restart(a);
      await again.gossip.open();
      again.gossip.join();
      expect(statuses(again)).toEqual(['node-1 alive', 'node-2 unreachable']);
      expect(again.links.ensured).toContainEqual({ address: { host: '127.0.0.1', port: 7_702 }, nodeId: 'node-2' });
      connect(again, b);
      expect(statuses(again)).toEqual(['node-1 alive', 'node-2 alive']);
      expect(again.heard.trouble).toEqual([]);
    });

    it('finds more members than one document holds, and keeps all of them for the boot after', {
      timeout: 60_000,
    }, async () => {
      const others = Array.from({ length: 350 }, (_, at) => strangerNamed(`n${at + 1}`));
      const pages = encodePushPullPages(utf8, {
        directory: others.map(({ entry }) => entry),
        claims: others.map(({ alive }) => alive),
      });
      const store = new MemoryStore();
      for (const [page, bytes] of pages.entries())
        await store.put('gossip', page === 0 ? 'members' : `members-${page}`, bytes);
      expect(pages.length).toBeGreaterThan(1);
      let life = gossiping(wire, 'node-3', 7_703, { store });
      for (let boot = 0; boot < 2; boot++) {
        await life.gossip.open();
        expect(life.gossip.members().filter(({ status }) => status === 'unreachable')).toHaveLength(others.length);
        await life.gossip.close();
        // Whatever the first boot wrote is all that the next one has.
        expect(life.heard.trouble).toEqual([]);
        life = restart(life);
      }
    });

    it('is believed at once at its new address', async () => {
      connect(a, b);
      const again = restart(a, 7_709);
      await again.gossip.open();
      connect(again, b);
      expect(statuses(b)).toEqual(['node-2 alive', 'node-1 alive']);
      expect(b.links.ensured.at(-1)).toEqual({ address: { host: '127.0.0.1', port: 7_709 }, nodeId: 'node-1' });
    });

    it('remembers who has left, and does not dial it', async () => {
      connect(a, b);
      b.gossip.leave();
      await wire.clock.advanceAsync(2 * limits.gossipSnapshotMs);
      const again = restart(a);
      await again.gossip.open();
      expect(statuses(again)).toEqual(['node-1 alive', 'node-2 left']);
      expect(again.links.forgotten).toEqual(['node-2']);
    });

    it('starts as a newcomer when what it kept cannot be read, and says so', async () => {
      for (const bytes of [new Uint8Array(0), crypto.randomBytes(64)]) {
        const store = new MemoryStore();
        await store.put('gossip', 'members', bytes);
        const fresh = gossiping(wire, 'node-3', 7_703, { store });
        await fresh.gossip.open();
        expect(statuses(fresh)).toEqual(['node-3 alive']);
        expect(fresh.heard.trouble).toHaveLength(1);
        await fresh.gossip.close();
      }
    });
  });

  it('closes the link over which a malformed push/pull comes, and joins nobody by it', () => {
    const link = linkTo(a, b, 'acceptor');
    a.links.frames.get('push-pull')!(link, {
      kind: 'push-pull',
      header: new Uint8Array(0),
      content: new Uint8Array(3),
    });
    expect([a.violations.length, a.heard.joined]).toEqual([1, 0]);
  });

  it('tells of its leave over links, and the others forget it', async () => {
    connect(a, b);
    a.gossip.leave();
    expect(statuses(b)).toContain('node-1 left');
    expect(b.links.forgotten).toEqual(['node-1']);
    await wire.clock.advanceAsync(2_000);
    expect(a.heard.left).toBe(1);
  });

  it('says and hears nothing once it is closed', async () => {
    connect(a, b);
    await a.gossip.close();
    const sent = wire.datagrams.length;
    expect(wire.sockets.has(7_701)).toBe(false);
    await b.gossip.close();
    await wire.clock.advanceAsync(5_000);
    expect([wire.datagrams.length, wire.clock.pending]).toEqual([sent, 0]);
  });

  it('joins again after a crash of its chart, though its links still stand', async () => {
    connect(a, b);
    await a.gossip.open();
    a.gossip.join();
    expect(a.heard.joined).toBe(2);
    expect(statuses(a).sort()).toEqual(['node-1 alive', 'node-2 alive']);
  });

  it('has one socket, however often its chart was killed while it opened, and none once it is closed', async () => {
    const { bindDatagrams } = wire.network;
    let open = 0;
    wire.network.bindDatagrams = async (address) => {
      const socket = await bindDatagrams(address);
      await settle(2);
      open += 1;
      const close = async () => {
        await socket.close();
        open -= 1;
      };
      return { ...socket, close };
    };
    const c = gossiping(wire, 'node-3', 7_703);
    await Promise.all([c.gossip.open(), c.gossip.open(), c.gossip.open()]);
    expect(open).toBe(1);
    await Promise.all([c.gossip.open(), c.gossip.close()]);
    expect([open, wire.clock.pending]).toEqual([0, expect.any(Number)]);
  });

  it('has the throws of its timers belong to whoever opened it, and not to whose frame set them', async () => {
    const whose = new AsyncLocalStorage<string>();
    const seen = new Set<string | undefined>();
    const { clock } = wire;
    const setTimeout = clock.setTimeout.bind(clock);
    clock.setTimeout = (callback, delayMs) => {
      seen.add(whose.getStore());
      return setTimeout(callback, delayMs);
    };
    const c = gossiping(wire, 'node-3', 7_703);
    await whose.run('the member', () => c.gossip.open());
    whose.run('a link', () => connect(c, a));
    await clock.advanceAsync(5_000);
    // The other two opened outside of any actor.
    expect([...seen].sort()).toEqual(['the member', undefined]);
  });
});
