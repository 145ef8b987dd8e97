import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HandshakeGuard } from '../../../../src/actors/cluster/links/handshake-guard.ts';
import { createNodeNetwork } from '../../../../src/actors/cluster/links/node-network.ts';
import { Stall } from '../../../../src/actors/cluster/links/stall.ts';
import { WantedPeers } from '../../../../src/actors/cluster/links/wanted-peers.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { Address, LinkChannel, LinkChannelHandler } from '../../../../src/actors/kernel/ports.ts';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { ok } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import type { NodeId } from '../../../../src/names.ts';
import { closeCodes } from '../../../../src/protocols/link/close-codes.ts';
import { decodeFrames, encodeFrame } from '../../../../src/protocols/link/frame.ts';
import { encodeHello, encodeReady, type Hello } from '../../../../src/protocols/link/hello.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import {
  derOf,
  domain,
  identityOf,
  type LinkNode,
  type LinkNodeOptions,
  makeCa,
  serveLinks,
  startLinkNode,
  Undo,
  until,
} from './link-lab.ts';

const ca = makeCa();
const one = 'node-1' as NodeId;
const identities = new Map<string, ReturnType<typeof identityOf>>();
const identity = (id: string) => {
  const made = identities.get(id) ?? identityOf(ca, id);
  identities.set(id, made);
  return made;
};
const undo = new Undo();
afterEach(() => undo.run());

const start = (options: LinkNodeOptions = {}): Promise<LinkNode> => startLinkNode(undo, one, identity(one), options);

/** A peer at the other end of a channel without a socket, in the test’s hand. */
function peerOf(id: string, since: number, remote: Address = { host: '127.0.0.1', port: 9 }) {
  const { promise, resolve } = Promise.withResolvers<LinkChannelHandler>();
  const peer = {
    handler: promise,
    buffered: 0,
    sent: [] as Uint8Array[],
    closes: [] as number[],
    channel: {} as LinkChannel,
    async says(...frames: Uint8Array[]) {
      for (const frame of frames) (await promise).message(frame);
    },
    kinds: () => peer.sent.flatMap((bytes) => decodedKinds(bytes)),
  };
  peer.channel = {
    side: 'acceptor',
    remote,
    peerCertificate: derOf(identity(id).certPem),
    tls: { protocol: 'TLSv1.3', cipher: '', group: undefined },
    sinceMs: since,
    get bufferedBytes() {
      return peer.buffered;
    },
    setHandler: resolve,
    send: (bytes) => void peer.sent.push(bytes),
    close: (code) => void peer.closes.push(code),
  };
  return peer;
}

function decodedKinds(bytes: Uint8Array): string[] {
  const frames = decodeFrames(bytes);
  return frames.ok ? frames.value.map(({ kind }) => kind) : ['broken'];
}

const hello = (id: string, over: Partial<Hello> = {}): Uint8Array => {
  const { clusterId = 'cluster-1', ...rest } = over;
  const fields = { versions: [1], nodeId: id as NodeId, trustDomain: domain, bootEpoch: 1, dial: 1 };
  return encodeFrame(
    'hello',
    encodeHello(utf8, { ...fields, clusterId, features: [], addresses: [], group: '', notices: [], ...rest }),
  );
};
const ready = encodeFrame('ready', encodeReady(utf8, { version: 1, heartbeatMs: 5_000 }));
const ping = encodeFrame('ping', new Uint8Array());
const reasons = (node: LinkNode): string => node.refused.map(({ refusal }) => refusal.reasons.join(' ')).join('\n');

describe('connections that are no links yet', () => {
  const socketFrom = (remoteAddress: string, remotePort: number) => {
    const socket = Object.assign(new EventEmitter(), { remoteAddress, remotePort, cut: false, destroy() {} });
    socket.destroy = () => {
      socket.cut = true;
    };
    return socket;
  };
  const admit = (guard: HandshakeGuard, socket: ReturnType<typeof socketFrom>) =>
    guard.admit(socket as unknown as Socket);

  it('are counted right when a client comes back from the same port before its first end was told', () => {
    const refused: string[] = [];
    const clock = new ManualClock();
    const guard = new HandshakeGuard({
      clock,
      onRefused: ({ port }, reason) => void refused.push(`${port} ${reason}`),
    });
    const first = socketFrom('10.0.0.1', 4_000);
    admit(guard, first);
    first.emit('close');
    clock.advance(limits.linkHandshakeMsMax - 1);
    const second = socketFrom('10.0.0.1', 4_000);
    admit(guard, second);
    expect([guard.size, refused]).toEqual([1, ['4000 CLOSED_BEFORE_HANDSHAKE']]);
    // The deadline of the first is not the second’s.
    clock.advance(1);
    expect(second.cut).toBe(false);
    clock.advance(limits.linkHandshakeMsMax);
    expect([second.cut, guard.size, clock.pending]).toEqual([true, 0, 0]);
    // Nor does the source count for more than it holds: the full number fits, and one more cuts the oldest.
    const full = Array.from({ length: limits.linkHandshakesPerSourceMax + 1 }, (_, n) => socketFrom('10.0.0.1', n + 1));
    for (const [index, socket] of full.entries()) {
      expect(full.some(({ cut }) => cut)).toBe(false);
      admit(guard, socket);
      expect(guard.size).toBe(Math.min(index + 1, limits.linkHandshakesPerSourceMax));
    }
    expect(full.map(({ cut }) => cut).indexOf(true)).toBe(0);
  });

  it('are of one source when one IPv6 subscriber holds all their addresses', () => {
    const guard = new HandshakeGuard({ clock: new ManualClock(), onRefused: () => {} });
    for (let host = 1; host <= limits.linkHandshakesPerSourceMax + 10; host++)
      admit(guard, socketFrom(`2001:db8:1:2::${host.toString(16)}`, 4_000));
    expect(guard.size).toBe(limits.linkHandshakesPerSourceMax);
    admit(guard, socketFrom('2001:db8:1:3::1', 4_000));
    expect(guard.size).toBe(limits.linkHandshakesPerSourceMax + 1);
  });
});

describe('one certificate', () => {
  it('has so many connections in their greeting at most: its oldest makes room, and nobody else’s', async () => {
    const clock = new ManualClock(nodeClock.now());
    const node = await start({ clock });
    const other = peerOf('node-3', clock.monotonic());
    node.links.accept(other.channel);
    await other.handler;
    const crowd = Array.from({ length: limits.linkGreetingsPerPeerMax + 2 }, () => peerOf('node-2', clock.monotonic()));
    for (const { channel, handler } of crowd) {
      node.links.accept(channel);
      await handler;
    }
    const { code } = closeCodes.limit;
    expect(crowd.map(({ closes }) => closes)).toEqual([[code], [code], ...crowd.slice(2).map(() => [])]);
    expect(other.closes).toEqual([]);
    expect(node.refused.map(({ refusal }) => refusal.code)).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED']);
    await crowd.at(-1)!.says(hello('node-2'), ready);
    expect(node.links.get('node-2' as NodeId)).toBeDefined();
  });
});

describe('a peer that reads nothing', () => {
  const linked = async (clock: ManualClock) => {
    const node = await start({ clock });
    const peer = peerOf('node-2', clock.monotonic());
    node.links.accept(peer.channel);
    await peer.says(hello('node-2'), ready);
    return { node, peer, link: node.links.get('node-2' as NodeId)! };
  };

  it('is cut once nothing went out for its time, though it talks on, and the reason is told', async () => {
    const clock = new ManualClock(nodeClock.now());
    const { node, peer, link } = await linked(clock);
    link.send('message', Uint8Array.of(1), new Uint8Array(1_000));
    peer.buffered = 1_000;
    for (let ms = 0; ms < limits.linkStallMsMax - limits.linkHeartbeatMs; ms += limits.linkHeartbeatMs) {
      clock.advance(limits.linkHeartbeatMs);
      await peer.says(ping);
    }
    expect(peer.closes).toEqual([]);
    clock.advance(2 * limits.linkHeartbeatMs);
    expect(peer.closes).toEqual([closeCodes.limit.code]);
    expect(reasons(node)).toContain('read nothing');
  });

  it('is sent no pongs while too much waits', async () => {
    const clock = new ManualClock(nodeClock.now());
    const { peer } = await linked(clock);
    const pongs = () => peer.kinds().filter((kind) => kind === 'pong').length;
    await peer.says(ping);
    await new Promise((resolve) => setImmediate(resolve));
    expect(pongs()).toBe(1);
    peer.buffered = limits.linkBufferBytesHigh + 1;
    await new Promise((resolve) => setImmediate(resolve));
    await peer.says(ping, ping);
    await new Promise((resolve) => setImmediate(resolve));
    expect(pongs()).toBe(1);
  });

  it('is told from one that reads slowly', () => {
    const stall = new Stall(0);
    const step = limits.linkStallMsMax / 4;
    let [sent, nowMs] = [1_000_000, 0];
    // As much as was written is queued anew: the buffer is never empty, nor ever smaller.
    for (let round = 0; round < 20; round++, sent += 10) {
      nowMs += step;
      expect(stall.lasts(sent, 500_000, nowMs)).toBe(false);
    }
    sent -= 10;
    expect(stall.lasts(sent, 500_000, nowMs + limits.linkStallMsMax - 1)).toBe(false);
    expect(stall.lasts(sent + 7, 500_007, nowMs + limits.linkStallMsMax)).toBe(true);
    expect(new Stall(0).lasts(10, 0, limits.linkStallMsMax * 2)).toBe(false);
  });
});

describe('who is not dialled because all places are taken', () => {
  it('is told of once, and dialled when a place is free', async () => {
    const clock = new ManualClock(nodeClock.now());
    const node = await start({ clock });
    const crowd = Array.from({ length: limits.linksMax }, (_, index) =>
      peerOf(`node-${100 + (index % 128)}`, clock.monotonic()),
    );
    for (const { channel } of crowd) node.links.accept(channel);
    await crowd.at(-1)!.handler;
    const target = { nodeId: 'node-2' as NodeId, address: { host: '127.0.0.1', port: 9 } };
    node.links.ensure(target);
    node.links.ensure(target);
    expect(node.refused).toEqual([
      { remote: '127.0.0.1:9', refusal: { code: 'LIMIT_EXCEEDED', reasons: [expect.stringContaining('node-2')] } },
    ]);
    const dials = () => [...node.actors.keys()].filter((id) => id.startsWith('dial-')).length;
    expect(dials()).toBe(0);
    (await crowd[0]!.handler).closed(1006, '');
    await until('it is dialled', () => dials() === 1);
  });

  it('is not dialled any more when nobody wants it', async () => {
    const clock = new ManualClock(nodeClock.now());
    const waiting: unknown[] = [];
    const node = await start({ clock, spawn: async (spec) => ok(waiting.push(spec)) });
    for (let place = 0; place < limits.linksMax; place++) node.links.accept(peerOf('node-3', 0).channel);
    node.links.ensure({ nodeId: 'node-2' as NodeId, address: { host: '127.0.0.1', port: 9 } });
    node.links.forget('node-2' as NodeId);
    clock.advance(limits.linkHandshakeMsMax);
    expect(waiting).toHaveLength(limits.linksMax);
  });

  it('is not dialled when somebody who is linked turned out to be there', () => {
    const wanted = new WantedPeers();
    const address = { host: '127.0.0.1', port: 9 };
    wanted.want({ address });
    expect([wanted.postpone({ address }), wanted.postpone({ address })]).toEqual([true, false]);
    wanted.answered({ address }, 'node-2' as NodeId);
    expect(wanted.takePostponed(() => true)).toBeUndefined();
  });
});

describe('the word of a peer', () => {
  it('about its addresses keeps nobody from a seed on another host than its own', async () => {
    const clock = new ManualClock(nodeClock.now());
    const node = await start({ clock });
    const seeds = [
      { host: '127.0.0.5', port: 9 },
      { host: '127.0.0.6', port: 9 },
    ] as const;
    for (const address of seeds) node.links.ensure({ address });
    const backingOff = () =>
      [...node.actors.values()].filter((actor) => actor.state() === 'backing-off').length === seeds.length;
    await until('both dials have failed', backingOff);
    const peer = peerOf('node-2', clock.monotonic(), { host: '127.0.0.5', port: 40_000 });
    node.links.accept(peer.channel);
    await peer.says(hello('node-2', { addresses: seeds }), ready);
    expect(node.links.get('node-2' as NodeId)).toBeDefined();
    clock.advance(60_000);
    // The seed on its own host is taken to be it; the other is dialled on.
    await until(
      'one dialler is left',
      () => [...node.actors.keys()].filter((id) => id.startsWith('dial-')).length === 1,
    );
  });

  it('that it is this node does not end the dialling of it', async () => {
    const { server, channels } = await serveLinks(undo, createNodeNetwork({ clock: nodeClock }), identity('node-2'));
    const node = await start();
    node.links.ensure({ nodeId: 'node-2' as NodeId, address: server.address });
    for (const count of [1, 2]) {
      await until('it is dialled', () => channels.length === count);
      channels.at(-1)!.close(closeCodes.self.code, 'you are me');
    }
  });
});
