import { X509Certificate } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { linkView } from '../../../../src/actors/cluster/links/link-view.ts';
import type { PeerLink } from '../../../../src/actors/cluster/links/links.ts';
import { createNodeNetwork } from '../../../../src/actors/cluster/links/node-network.ts';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { LinkChannel, LinkChannelHandler } from '../../../../src/actors/kernel/ports.ts';
import { ok, refuse } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { encodeFrame } from '../../../../src/protocols/link/frame.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { one as oneForOne, polite, rest, worker } from '../../kernel/lab.ts';
import {
  derOf,
  identityOf,
  type LinkNode,
  type LinkNodeOptions,
  listenTo,
  makeCa,
  serveLinks,
  startLinkNode,
  Undo,
  until,
} from './link-lab.ts';

const ca = makeCa();
const identities = new Map(['node-1', 'node-2', 'node-3'].map((id) => [id, identityOf(ca, id)] as const));
const one = 'node-1' as NodeId;
const two = 'node-2' as NodeId;
const undo = new Undo();

afterEach(() => undo.run());

const start = (id: string, options: LinkNodeOptions = {}): Promise<LinkNode> =>
  startLinkNode(undo, id, identities.get(id)!, options);

const pair = async (): Promise<[LinkNode, LinkNode]> => [await start(one), await start(two)];

const linked = (node: LinkNode, peer: NodeId): Promise<PeerLink> =>
  until(`${node.nodeId} is linked to ${peer}`, () => node.links.get(peer));

const header = Uint8Array.of(1, 2, 3);
const dialsOf = (node: LinkNode): number => [...node.actors.keys()].filter((id) => id.startsWith('dial-')).length;
const textOf = (node: LinkNode): string => node.refused.map(({ refusal }) => refusal.reasons.join(' ')).join('\n');
const connectTo = (node: LinkNode, id: string): Promise<LinkChannel> =>
  createNodeNetwork({ clock: nodeClock }).dialLink({
    address: node.address,
    identity: identities.get(id)!,
    signal: new AbortController().signal,
  });

describe('links', () => {
  it('come up between two nodes, verified on both sides', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    const near = await linked(a, two);
    const far = await linked(b, one);
    expect([near.side, far.side]).toEqual(['dialer', 'acceptor']);
    expect(near.svid.der).toEqual(derOf(identities.get(two)!.certPem));
    expect(far.svid.nodeId).toBe(one);
    expect(far.hello).toMatchObject({ nodeId: one, clusterId: 'cluster-1', group: 'X25519MLKEM768' });
    expect(a.ready).toEqual([near]);
    expect(b.links.all().map(linkView)).toEqual([
      {
        peer: one,
        state: 'ready.flowing',
        side: 'acceptor',
        spiffeId: 'spiffe://test.caxton.internal/node/node-1',
        serial: far.svid.serial,
        tlsProtocol: 'TLSv1.3',
        keyExchange: 'X25519MLKEM768',
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      },
    ]);
  });

  it('come up from an address alone', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address });
    await linked(a, two);
    expect(a.links.all().map(({ nodeId }) => nodeId)).toEqual([two]);
  });

  it('carry frames both ways, in order, and each kind to its handler', async () => {
    const [a, b] = await pair();
    const heard: string[] = [];
    b.links.onFrame('message', (link, { content }) => {
      heard.push(`message ${content[0]}`);
      link.send('refusal', header, content);
    });
    b.links.onFrame('registry', (_, frame) => void heard.push(`registry ${[...frame.header]}`));
    const answers: number[] = [];
    a.links.onFrame('refusal', (_, { content }) => void answers.push(content[0]!));
    a.links.ensure({ address: b.address, nodeId: two });
    const link = await linked(a, two);
    for (const number of [1, 2, 3]) expect(link.send('message', header, Uint8Array.of(number)).ok).toBe(true);
    link.send('registry', header);
    await until('all came', () => heard.length === 4 && answers.length === 3);
    expect(heard).toEqual(['message 1', 'message 2', 'message 3', 'registry 1,2,3']);
    expect(answers).toEqual([1, 2, 3]);
  });

  it('send together what one piece of code sends, and a lone frame as soon as that has ended', async () => {
    const { server, channels } = await serveLinks(undo, createNodeNetwork({ clock: nodeClock }), identities.get(two)!);
    const peer = await start(two);
    const a = await start(one);
    // A relay on the peer’s channel counts link messages; the peer’s own Links does the greeting.
    const sizes: number[] = [];
    a.links.ensure({ address: server.address, nodeId: two });
    const channel = await until('the channel is accepted', () => channels[0]);
    peer.links.accept(counting(channel, sizes));
    const link = await linked(a, two);
    await linked(peer, one);
    const frame = encodeFrame('message', header).length;
    sizes.length = 0;
    link.send('message', header);
    await until('the one came', () => sizes.length === 1);
    for (let sent = 0; sent < 10; sent++) link.send('message', header);
    await until('all ten came', () => sizes.reduce((sum, size) => sum + size, 0) === 11 * frame);
    expect(sizes).toEqual([frame, 10 * frame]);
  });

  it('refuse to send when they are down, and a frame over the limit', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    const link = await linked(a, two);
    expect(link.send('message', new Uint8Array(limits.headerBytesMax + 1))).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED' },
    });
    expect(link.send('message', header, new Uint8Array(limits.frameBytesMax))).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED' },
    });
    await b.kill();
    await until('it is down', () => a.closed.length > 0);
    expect(link.send('message', header)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
  });

  it('refuse to send when too much waits, and flow again when the peer has read it', async () => {
    const { server, channels } = await serveLinks(undo, createNodeNetwork({ clock: nodeClock }), identities.get(two)!);
    const peer = await start(two);
    const a = await start(one);
    a.links.ensure({ address: server.address, nodeId: two });
    const channel = await until('the channel is accepted', () => channels[0]);
    const gate = gated(channel);
    peer.links.accept(gate.channel);
    const link = await linked(a, two);
    await linked(peer, one);
    gate.buffered = limits.linkBufferBytesMax + 1;
    const back = peer.links.get(one)!;
    expect(back.send('message', header)).toMatchObject({ refusal: { code: 'UNREACHABLE' } });
    expect(peer.links.all().map(linkView)[0]?.state).toBe('ready.congested');
    gate.buffered = 0;
    expect(back.send('message', header)).toMatchObject({ ok: true });
    expect(link.isReady).toBe(true);
  });
});

describe('one link a pair', () => {
  it('is what stays when both dial at once, on both ends the same one', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    b.links.ensure({ address: a.address, nodeId: one });
    await until('it has settled', () => {
      const [near, far] = [a.links.get(two), b.links.get(one)];
      const rest = [...a.actors.values(), ...b.actors.values()].map((actor) => actor.state());
      return near?.isReady && far?.isReady && near.side !== far.side && rest.length === 2;
    });
    expect(a.links.all()).toHaveLength(1);
    expect(b.links.all()).toHaveLength(1);
    const heard: number[] = [];
    b.links.onFrame('message', (_, { content }) => void heard.push(content[0]!));
    a.links.get(two)?.send('message', header, Uint8Array.of(7));
    await until('a frame goes over it', () => heard.length === 1);
    expect([...a.refused, ...b.refused]).toEqual([]);
  });

  it('is replaced without a moment in which there is none, and without losing what was under way', async () => {
    const [a, b] = await pair();
    // The higher id dials first; when the lower one dials as well, its link takes the place of the first.
    b.links.ensure({ address: a.address, nodeId: one });
    await linked(a, two);
    const first = a.links.get(two);
    const heard: number[] = [];
    b.links.onFrame('message', (_, { content }) => void heard.push(content[0]!));
    a.links.ensure({ address: b.address });
    let sent = 0;
    await until('the other link has taken its place at both ends', () => {
      if (sent < 250)
        expect(a.links.get(two)?.send('message', header, Uint8Array.of(sent++))).toMatchObject({ ok: true });
      return a.links.get(two) !== first && b.links.get(one)?.side === 'acceptor';
    });
    await until('all has arrived', () => heard.length === sent);
    await until('the first is closed', () => a.actors.size === 1 && b.actors.size === 1);
    expect([...a.closed, ...b.closed]).toEqual([]);
  });

  it('stays when a seed address and a name turn out to be the same node', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address });
    a.links.ensure({ address: b.address, nodeId: two });
    await until('it has settled', () => {
      const [near, far] = [a.links.get(two), b.links.get(one)];
      return near?.isReady && far?.isReady && a.actors.size === 1 && b.actors.size === 1;
    });
  });

  it('is dialled only once, however often it is wanted', async () => {
    const [a, b] = await pair();
    for (let asked = 0; asked < 3; asked++) a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    a.links.ensure({ address: b.address, nodeId: two });
    expect(dialsOf(a)).toBe(1);
  });

  it('is not wanted to oneself', async () => {
    const a = await start(one);
    a.links.ensure({ address: a.address, nodeId: one });
    expect(a.actors.size).toBe(0);
    a.links.ensure({ address: a.address });
    await until('the seed was found to be this node', () => a.actors.size === 0);
    expect(a.links.all()).toEqual([]);
  });

  it('goes to the peer’s newer boot', async () => {
    const [a, b] = await pair();
    b.links.ensure({ address: a.address, nodeId: one });
    const old = await linked(a, two);
    const reborn = await startLinkNode(undo, two, identities.get(two)!, { bootEpoch: 2 });
    reborn.links.ensure({ address: a.address, nodeId: one });
    const link = await until('the new boot is linked', () => {
      const now = a.links.get(two);
      return now?.hello.bootEpoch === 2 ? now : undefined;
    });
    expect(old.isReady).toBe(false);
    expect(link.isReady).toBe(true);
  });
});

describe('a peer is refused, and the reason told,', () => {
  it('when it is another node than the one that was dialled', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: 'node-3' as NodeId });
    await until('it is refused', () => a.refused.length > 0);
    expect(a.refused[0]?.refusal.code).toBe('CERTIFICATE_REFUSED');
    expect(textOf(a)).toMatch(/^WRONG_NODE: .*node-3/);
    expect(a.links.all()).toEqual([]);
    expect(b.links.all()).toEqual([]);
  });

  it('when its certificate is of another CA, on the side of the server and of the dialler', async () => {
    const a = await start(one);
    const strange = makeCa();
    const c = await startLinkNode(undo, two, identityOf(strange, two, { caPem: ca.certPem }));
    c.links.ensure({ address: a.address, nodeId: one });
    await until('the server refuses it', () => a.refused.length > 0);
    a.links.ensure({ address: c.address, nodeId: two });
    await until('the dialler refuses it', () => a.refused.some(({ remote }) => remote.endsWith(`:${c.address.port}`)));
    expect(new Set(a.refused.map(({ refusal }) => refusal.code))).toEqual(new Set(['CERTIFICATE_REFUSED']));
    for (const { refusal } of a.refused) expect(refusal.reasons[0]).toMatch(/^OTHER_CA: /);
    expect(a.links.all()).toEqual([]);
  });

  it('when it is of another cluster', async () => {
    const a = await start(one);
    const b = await start(two, { clusterId: 'cluster-2' });
    a.links.ensure({ address: b.address, nodeId: two });
    await until('it is refused', () => a.refused.length + b.refused.length > 0);
    expect(textOf(a) + textOf(b)).toContain('another cluster');
    expect([...a.ready, ...b.ready]).toEqual([]);
  });

  it('when it calls itself by a name that its certificate does not have', async () => {
    const a = await start(one);
    const liar = await startLinkNode(undo, 'node-3', identities.get(two)!);
    liar.links.ensure({ address: a.address, nodeId: one });
    await until('it is refused', () => a.refused.length > 0);
    expect(textOf(a)).toContain('calls itself node-3');
    expect(a.ready).toEqual([]);
  });

  it('when it says nothing for the handshake’s time', async () => {
    const clock = new ManualClock(nodeClock.now());
    const a = await start(one, { clock });
    const channel = undo.add(await connectTo(a, two), (open) => open.close(4000, 'the test ends'));
    const heard = listenTo(channel);
    await until('it is accepted', () => [...a.actors.values()].some((actor) => actor.state() === 'greeting'));
    clock.advance(limits.linkHandshakeMsMax);
    await until('it is closed', () => heard.ends.length > 0);
    expect(heard.ends[0]?.code).toBe(4002);
    expect(a.refused.map(({ refusal }) => refusal.code)).toEqual(['TIMED_OUT']);
  });

  it.each<[string, Uint8Array, number]>([
    ['speaks before it greets', encodeFrame('message', header), 4001],
    ['sends bytes that are no frame', Uint8Array.of(1, 2, 3), 4001],
    ['sends a header over the limit', oversizedHeader(), 4007],
  ])('when it %s', async (_, bytes, code) => {
    const a = await start(one);
    const channel = undo.add(await connectTo(a, two), (open) => open.close(4000, 'the test ends'));
    const heard = listenTo(channel);
    channel.send(bytes);
    await until('it is closed', () => heard.ends.length > 0);
    expect(heard.ends[0]?.code).toBe(code);
    await until('it is told', () => a.refused.length === 1);
  });

  it('when it greets again on a link that is up', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    const link = await linked(a, two);
    await linked(b, one);
    link.channel.send(encodeFrame('hello', header));
    await until('it is closed', () => b.closed.length > 0);
    expect(textOf(b)).toContain('hello');
  });

  it('when this node has all the connections that it may have', async () => {
    const waiting: unknown[] = [];
    const a = await start(one, { spawn: async (spec) => ok(waiting.push(spec)) });
    const channels = Array.from({ length: limits.linksMax + 1 }, () => fakeChannel());
    for (const { channel } of channels) a.links.accept(channel);
    expect(waiting).toHaveLength(limits.linksMax);
    expect(channels.at(-1)?.closes).toEqual([4007]);
    expect(a.refused.map(({ refusal }) => refusal.code)).toEqual(['LIMIT_EXCEEDED']);
    // Nobody is dialled beyond it either.
    a.links.ensure({ address: a.address, nodeId: two });
    expect(waiting).toHaveLength(limits.linksMax);
  });

  it('without using up a place for good', async () => {
    const a = await start(one);
    for (let refused = 0; refused <= limits.linksMax; refused++) {
      a.links.accept(fakeChannel().channel);
      // Its actor starts in a turn of its own.
      await Promise.resolve();
    }
    await until('all are gone', () => a.actors.size === 0);
    expect(new Set(a.refused.map(({ refusal }) => refusal.code))).toEqual(new Set(['CERTIFICATE_REFUSED']));
  });
});

describe('a link that is lost', () => {
  it('is dialled again, and comes up when the peer is back', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    await b.kill();
    await until('it is lost', () => a.closed.length === 1);
    expect(a.links.get(two)).toBeUndefined();
    const back = await start(two, { port: b.address.port, bootEpoch: 2 });
    await until('it is up again', () => a.links.get(two)?.hello.bootEpoch === 2 && back.links.get(one));
  });

  it('is dialled by who accepted it, when that side wants it too', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    await linked(b, one);
    b.links.ensure({ address: a.address, nodeId: one });
    a.links.forget(two);
    b.links.get(one)?.close('silence', 'the test cuts it');
    await until('the other side dialled', () => b.links.get(one)?.side === 'dialer');
  });

  it('is dialled at the address that was given last', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    const moved = await start(two, { bootEpoch: 2 });
    a.links.ensure({ address: moved.address, nodeId: two });
    await b.kill();
    await until('it is up at the new address', () => a.links.get(two)?.hello.bootEpoch === 2);
  });

  it('is not dialled again when nobody wants it any more', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    a.links.forget(two);
    await b.kill();
    await until('its actor has ended', () => a.actors.size === 0);
    expect(a.closed).toHaveLength(1);
  });

  it('to a seed is dialled again as long as its node is not known by name', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address });
    await linked(a, two);
    await b.kill();
    await until('it is lost', () => a.closed.length === 1);
    await start(two, { port: b.address.port, bootEpoch: 2 });
    await until('first contact is made again', () => a.links.get(two)?.hello.bootEpoch === 2);
  });

  it('is cut when its peer is revoked, which hears why; new ones are refused before a hello', async () => {
    const revoked = new Set<NodeId>();
    const a = await start(one, {
      revoked: ({ nodeId }) => (revoked.has(nodeId!) ? refuse('REVOKED', `${nodeId} is revoked.`).refusal : undefined),
    });
    const b = await start(two);
    const told: string[] = [];
    b.links.onOut((peer, _how, reason) => void told.push(`${peer}: ${reason}`));
    b.links.ensure({ address: a.address, nodeId: one });
    await linked(a, two);
    revoked.add(two);
    a.links.cutRevoked();
    expect([a.links.all(), a.closed]).toEqual([[], [{ peer: two, reason: 'node-2 is revoked.' }]]);
    await until('it hears why', () => told.length === 1);
    expect(told).toEqual(['node-1: node-2 is revoked.']);
    // It pauses for a minute, and not for 100 ms: see the chart’s test.
    // A session of TLS cannot be resumed, so that a new connection is judged, by its certificate and before any hello.
    const heard = listenTo(await connectTo(a, two));
    await until('it is refused', () => heard.ends.length > 0);
    expect([heard.ends[0]?.code, heard.messages]).toEqual([4005, []]);
    expect(a.refused.map(({ refusal }) => refusal.code)).toEqual(['REVOKED', 'REVOKED']);
  });

  it('is cut when a CA above its peer is revoked, and the peer whose own it is has none either', async () => {
    const serial = new X509Certificate(ca.certPem).serialNumber;
    let isRevoked = false;
    const revoked: LinkNodeOptions['revoked'] = ({ issuerSerials }) =>
      isRevoked && issuerSerials?.includes(serial) ? refuse('REVOKED', 'The CA is revoked.').refusal : undefined;
    const [a, b] = [await start(one, { revoked }), await start(two)];
    b.links.ensure({ address: a.address, nodeId: one });
    await linked(a, two);
    isRevoked = true;
    a.links.cutRevoked();
    expect(a.links.all()).toEqual([]);
    const heard = listenTo(await connectTo(a, two));
    await until('it is refused', () => heard.ends.length > 0);
    expect([heard.ends[0]?.code, heard.messages]).toEqual([4005, []]);
  });

  it('is closed with its certificate', async () => {
    const clock = new ManualClock(nodeClock.now());
    const a = await start(one, { clock });
    const soon = identityOf(ca, two, { notAfter: nodeClock.now() + 120_000 });
    const b = await startLinkNode(undo, two, soon, { clock });
    b.links.ensure({ address: a.address, nodeId: one });
    const link = await linked(a, two);
    // The heartbeats’ answers come over real sockets, so time moves in steps that leave room for them.
    while (clock.now() < link.svid.notAfter - 2_500) {
      await clock.advanceAsync(2_500);
      await until('the answers came', () => link.channel.bufferedBytes === 0);
      await settle(20);
    }
    expect(a.closed).toEqual([]);
    clock.advance(2_500);
    expect(a.closed).toEqual([{ peer: two, reason: 'the certificate has reached its end' }]);
  });

  it('is closed when nothing was heard for too long', async () => {
    const clock = new ManualClock(nodeClock.now());
    const [a, b] = [await start(one, { clock }), await start(two)];
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    clock.advance(limits.linkSilenceMsMax + limits.linkHeartbeatMs);
    expect(a.closed).toEqual([{ peer: two, reason: expect.stringContaining('nothing was heard') }]);
  });
});

describe('the actors of links', () => {
  it('say goodbye behind the frames that still wait', async () => {
    const [a, b] = await pair();
    const heard: number[] = [];
    b.links.onFrame('message', (_, { content }) => void heard.push(content[0]!));
    a.links.ensure({ address: b.address, nodeId: two });
    const link = await linked(a, two);
    await linked(b, one);
    for (const number of [1, 2, 3]) link.send('message', header, Uint8Array.of(number));
    link.goodbye('the node stops');
    await until('the peer heard it', () => b.closed.length > 0);
    expect(heard).toEqual([1, 2, 3]);
  });

  it('hear of a congestion that frames cause which waited for their turn', async () => {
    const { server, channels } = await serveLinks(undo, createNodeNetwork({ clock: nodeClock }), identities.get(two)!);
    const [a, peer] = await pair();
    a.links.ensure({ address: server.address, nodeId: two });
    const gate = gated(await until('the channel is accepted', () => channels[0]));
    peer.links.accept(gate.channel);
    await linked(a, two);
    const link = await linked(peer, one);
    const actor = await until('its actor', () => [...peer.actors.values()][0]);
    await until('it flows', () => actor.state() === 'ready.flowing');
    link.send('message', header);
    gate.buffered = limits.linkBufferBytesHigh + 1;
    link.send('message', header);
    await until('the chart heard of it', () => actor.state() === 'ready.congested');
  });

  it('take leave when they are told to stop, and nothing is dialled then', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    await linked(b, one);
    a.links.stop();
    for (const actor of a.actors.values()) actor.send({ type: 'kernel.shutdown' });
    await until('the peer heard it', () => b.closed.length > 0);
    expect(b.closed).toEqual([{ peer: one, reason: 'the peer said goodbye' }]);
    a.links.ensure({ address: b.address, nodeId: two });
    expect(a.actors.size).toBe(0);
  });

  it('leave no channel open when they are stopped as they are', async () => {
    const [a, b] = await pair();
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    await linked(b, one);
    for (const actor of a.actors.values()) actor.stop();
    await until('the peer heard the end', () => b.closed.length > 0);
    expect(a.links.all()).toEqual([]);
  });

  it('that the supervisor refuses to start keep neither a channel open nor a peer from being dialled', async () => {
    const clock = new ManualClock(nodeClock.now());
    const specs: string[] = [];
    const a = await start(one, { clock, spawn: async ({ id }) => ok(specs.push(id)) });
    const { channel, closes } = fakeChannel();
    a.links.accept(channel);
    const target = { address: a.address, nodeId: two };
    a.links.ensure(target);
    a.links.ensure(target);
    expect(specs).toEqual(['accept-1', 'dial-2']);
    clock.advance(limits.linkHandshakeMsMax);
    expect(closes).toEqual([4000]);
    clock.advance(1_000);
    expect(specs).toEqual(['accept-1', 'dial-2', 'dial-3']);
    a.links.stop();
    expect(clock.pending).toBe(0);
  });

  it('that the supervisor refuses to start are tried again at once, by another actor', async () => {
    const clock = new ManualClock(nodeClock.now());
    const specs: string[] = [];
    const a = await start(one, {
      clock,
      spawn: async ({ id }) => (specs.push(id) < 3 ? refuse('STOPPED', 'It is being restarted.') : ok(undefined)),
    });
    const { channel, closes } = fakeChannel();
    a.links.accept(channel);
    await settle();
    expect(closes).toEqual([4000]);
    a.links.ensure({ address: a.address, nodeId: two });
    await clock.advanceAsync(500);
    expect(specs).toEqual(['accept-1', 'dial-2', 'dial-3']);
    a.links.stop();
    await clock.advanceAsync(limits.linkHandshakeMsMax);
    expect(clock.pending).toBe(0);
  });

  it('that were killed are dialled again, though nobody asks for them and the peer does not dial', async () => {
    const kernel = createKernel({ clock: nodeClock, metrics: createMetrics() });
    undo.add(kernel, (running) => running.stop());
    await kernel.start(oneForOne('node', [oneForOne('links', [], { intensity: 100 })]));
    const a = await start(one, { spawn: (spec) => kernel.startChild('/node/links', spec) });
    const b = await start(two);
    b.links.ensure({ address: a.address, nodeId: one });
    await linked(a, two);
    a.links.ensure({ address: b.address, nodeId: two });
    b.links.forget(one);
    kernel.kill('/node/links');
    await until('the link is lost', () => a.closed.length === 1);
    await linked(a, two);
    a.links.stop();
  });

  it('are not dialled again to find out who is behind a seed', async () => {
    const [a, b] = [await start(one), await start(two)];
    const seed = { address: b.address };
    a.links.ensure(seed);
    await linked(a, two);
    a.links.ensure(seed);
    await settle();
    expect([a.actors.size, b.actors.size]).toEqual([1, 1]);
  });

  it('come back when their supervisor is restarted with a sibling', async () => {
    const log: string[] = [];
    const kernel = createKernel({ clock: nodeClock, metrics: createMetrics() });
    undo.add(kernel, (running) => running.stop());
    await kernel.start(
      rest('node', [worker('listener', polite('listener', log)), oneForOne('links', [], { intensity: 100 })]),
    );
    const a = await start(one, { spawn: (spec) => kernel.startChild('/node/links', spec) });
    const b = await start(two);
    // Accepted here, so that its loss would have this node dial; and the peer does not, so that only this node can.
    b.links.ensure({ address: a.address, nodeId: one });
    await linked(a, two);
    await linked(b, one);
    a.links.ensure({ address: b.address, nodeId: two });
    b.links.forget(one);
    kernel.ref('/node/listener').tell({ type: 'crash' });
    await until('the link is lost', () => a.closed.length === 1);
    await until('the supervisor is back', () =>
      kernel.tree().some(({ path, incarnation }) => path === '/node/links' && incarnation === 2),
    );
    // As gossip does, which stands to the right of the links and is restarted with them.
    a.links.ensure({ address: b.address, nodeId: two });
    await linked(a, two);
    a.links.stop();
  });
});

function oversizedHeader(): Uint8Array {
  const bytes = encodeFrame('hello', new Uint8Array(limits.headerBytesMax));
  new DataView(bytes.buffer).setUint32(4, limits.headerBytesMax + 1);
  return bytes;
}

/** A channel whose certificate nobody accepts. */
function fakeChannel() {
  const closes: number[] = [];
  const channel: LinkChannel = {
    side: 'acceptor',
    remote: { host: '127.0.0.1', port: 9 },
    peerCertificate: Uint8Array.of(0),
    tls: { protocol: 'TLSv1.3', cipher: '', group: undefined },
    sinceMs: 0,
    bufferedBytes: 0,
    setHandler() {},
    send() {},
    close: (code) => void closes.push(code),
  };
  return { channel, closes };
}

/** The channel, with the size of each message that comes in written down. */
const counting = (channel: LinkChannel, sizes: number[]): LinkChannel =>
  wrapped(channel, {
    setHandler: (handler: LinkChannelHandler) =>
      channel.setHandler({
        message: (bytes) => {
          sizes.push(bytes.length);
          handler.message(bytes);
        },
        violated: (reason) => handler.violated(reason),
        drained: () => handler.drained(),
        closed: (code, reason) => handler.closed(code, reason),
      }),
  });

/** The channel, with a send buffer as full as the test says. */
function gated(channel: LinkChannel): { buffered: number; readonly channel: LinkChannel } {
  const gate: { buffered: number; readonly channel: LinkChannel } = {
    buffered: 0,
    channel: wrapped(channel, {
      get bufferedBytes() {
        return gate.buffered;
      },
    }),
  };
  return gate;
}

/** `over` before the channel’s own; getters of both stay getters. */
const wrapped = (channel: LinkChannel, over: Partial<LinkChannel>): LinkChannel =>
  Object.defineProperties(
    {
      side: channel.side,
      remote: channel.remote,
      peerCertificate: channel.peerCertificate,
      tls: channel.tls,
      sinceMs: channel.sinceMs,
      get bufferedBytes() {
        return channel.bufferedBytes;
      },
      setHandler: (handler: LinkChannelHandler) => channel.setHandler(handler),
      send: (message: Uint8Array) => channel.send(message),
      close: (code: number, reason: string) => channel.close(code, reason),
    },
    Object.getOwnPropertyDescriptors(over),
  );
