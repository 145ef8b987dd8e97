import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId, TrustDomain } from '../../../src/names.ts';
import { closeCodes } from '../../../src/protocols/link/close-codes.ts';
import { encodeFrame } from '../../../src/protocols/link/frame.ts';
import { encodeHello, encodeReady, type Hello } from '../../../src/protocols/link/hello.ts';
import { type AttackedNode, attackedNode, expectRefused, until } from './attacked-node.ts';

let attacked: AttackedNode;
beforeAll(async () => {
  attacked = await attackedNode();
});
afterAll(() => attacked.close());

const helloOf = (over: Partial<Hello> = {}): Uint8Array =>
  encodeFrame(
    'hello',
    encodeHello(utf8, {
      versions: [1],
      nodeId: 'stranger' as NodeId,
      trustDomain: attacked.config.cluster.trustDomain,
      clusterId: attacked.config.cluster.id,
      bootEpoch: 1,
      dial: 1,
      features: [],
      addresses: [{ host: '127.0.0.1', port: 9 }],
      group: '',
      notices: [],
      ...over,
    }),
  );
const ready = (): Uint8Array => encodeFrame('ready', encodeReady(utf8, { version: 1, heartbeatMs: 5_000 }));
const ping = (): Uint8Array => encodeFrame('ping', new Uint8Array());
const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const garbage = (): Uint8Array => Uint8Array.from({ length: 200 }, (_, index) => (index * 7 + 13) & 0xff);
/** A frame that says of its header or content that it has this many bytes. */
const lying = (headerBytes: number, contentBytes: number): Uint8Array => {
  const frame = helloOf().slice();
  const view = new DataView(frame.buffer);
  view.setUint32(4, headerBytes);
  view.setUint32(8, contentBytes);
  return frame;
};

interface Talk {
  readonly socket: WebSocket;
  readonly heard: Buffer[];
  readonly end: Promise<{ readonly code: number; readonly reason: string }>;
}

/** A peer with the stranger’s good certificate, from an address of its own. */
async function strangerAt(localAddress: string): Promise<Talk> {
  const { cert, key, ca } = attacked.filesOf('stranger');
  const { host, port } = attacked.config.cluster.bind;
  const socket = new WebSocket(`wss://${host}:${port}/`, {
    ...{ cert, key, ca, ALPNProtocols: ['caxton-link/1'], checkServerIdentity: () => undefined, localAddress },
    perMessageDeflate: false,
  } as object);
  const heard: Buffer[] = [];
  socket.on('message', (data) => void heard.push(data as Buffer));
  socket.on('error', () => {});
  const end = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  await new Promise<void>((resolve) => socket.once('open', resolve));
  return { socket, heard, end };
}

let sources = 0;
const nextSource = (): string => `127.0.1.${++sources}`;

describe('a peer with a good certificate is cut', () => {
  const { protocolViolation, foreign, limit, self } = closeCodes;
  const cases: readonly [string, (talk: Talk) => void, number, RegExp][] = [
    ['that sends garbage', ({ socket }) => socket.send(garbage()), protocolViolation.code, /frame|version/i],
    [
      'that sends nothing at all in a message',
      ({ socket }) => socket.send(new Uint8Array()),
      protocolViolation.code,
      /./,
    ],
    ['that sends half a frame', ({ socket }) => socket.send(helloOf().subarray(0, 40)), protocolViolation.code, /./],
    [
      'that sends a byte too many',
      ({ socket }) => socket.send(join(helloOf(), Uint8Array.of(0))),
      protocolViolation.code,
      /./,
    ],
    ['that sends text', ({ socket }) => socket.send('hello'), protocolViolation.code, /./],
    [
      'whose header is over the limit',
      ({ socket }) => socket.send(lying(limits.headerBytesMax + 1, 0)),
      limit.code,
      /at most/,
    ],
    [
      'whose content is over the limit',
      ({ socket }) => socket.send(lying(100, limits.frameBytesMax)),
      limit.code,
      /at most/,
    ],
    ['whose lengths wrap', ({ socket }) => socket.send(lying(0xffff_ffff, 0xffff_ffff)), limit.code, /at most/],
    [
      'that is ready before it has greeted',
      ({ socket }) => socket.send(ready()),
      protocolViolation.code,
      /ready while/,
    ],
    ['that pings before it has greeted', ({ socket }) => socket.send(ping()), protocolViolation.code, /ping while/],
    [
      'that sends a message before it has greeted',
      ({ socket }) => socket.send(encodeFrame('message', garbage())),
      protocolViolation.code,
      /message while/,
    ],
    [
      'that greets twice',
      ({ socket }) => socket.send(join(helloOf(), helloOf({ dial: 2 }))),
      protocolViolation.code,
      /hello while/,
    ],
    [
      'of another cluster',
      ({ socket }) => socket.send(helloOf({ clusterId: 'f'.repeat(32) })),
      foreign.code,
      /another cluster/,
    ],
    [
      'of another trust domain',
      ({ socket }) => socket.send(helloOf({ trustDomain: 'elsewhere' as TrustDomain })),
      foreign.code,
      /elsewhere/,
    ],
    [
      'of a version that nobody speaks',
      ({ socket }) => socket.send(helloOf({ versions: [9] })),
      foreign.code,
      /versions 9/,
    ],
    [
      'that calls itself another node',
      ({ socket }) => socket.send(helloOf({ nodeId: 'friend' as NodeId })),
      foreign.code,
      /certificate is of stranger/,
    ],
    [
      'that calls itself this node',
      ({ socket }) => socket.send(helloOf({ nodeId: 'target' as NodeId })),
      foreign.code,
      /certificate is of stranger/,
    ],
    [
      'that does not number its dial',
      ({ socket }) => socket.send(helloOf({ dial: 0 })),
      foreign.code,
      /numbers its dial 0/,
    ],
    [
      'with port 0',
      ({ socket }) => socket.send(helloOf({ addresses: [{ host: 'a', port: 0 }] })),
      protocolViolation.code,
      /address/,
    ],
    [
      'with more addresses than a member has',
      ({ socket }) => socket.send(helloOf({ addresses: Array.from({ length: 9 }, () => ({ host: 'a', port: 1 })) })),
      protocolViolation.code,
      /./,
    ],
  ];
  it.each(cases)('%s; the audit log says so, and the node serves on', async (_, act, code, reason) => {
    expect(self.code).toBe(4010);
    const source = nextSource();
    const talk = await strangerAt(source);
    act(talk);
    expect(await talk.end).toMatchObject({ code });
    await expectRefused(attacked, source, reason);
    await attacked.serves();
  });

  it('whose message is larger than any may be, before it is read', async () => {
    const talk = await strangerAt(nextSource());
    talk.socket.send(new Uint8Array(limits.linkMessageBytesMax + 1));
    // RFC 6455 §7.4.1: a message too big to process; a cut connection is as good.
    expect([1009, 1006]).toContain((await talk.end).code);
    await attacked.serves();
  });

  it('that compresses: nothing was negotiated', async () => {
    const talk = await strangerAt(nextSource());
    // FIN, RSV1 and “binary”: a compressed message of one byte, masked.
    const raw = (talk.socket as unknown as { _socket: { write(bytes: Uint8Array): void } })._socket;
    raw.write(Uint8Array.of(0xc2, 0x81, 1, 2, 3, 4, 0));
    expect([1002, 1006]).toContain((await talk.end).code);
    await attacked.serves();
  });

  it('that dribbles its hello, at the deadline that began with its connection', async () => {
    const source = nextSource();
    const talk = await strangerAt(source);
    const began = performance.now();
    const raw = (talk.socket as unknown as { _socket: { write(bytes: Uint8Array): void; destroyed: boolean } })._socket;
    // A message of 126 bytes that never ends: one byte now and then.
    raw.write(Uint8Array.of(0x82, 0xfe, 0, 126, 1, 2, 3, 4));
    const dribble = setInterval(() => raw.destroyed || raw.write(Uint8Array.of(0)), 100);
    const { code } = await talk.end;
    clearInterval(dribble);
    expect([closeCodes.handshakeTimeout.code, 1006]).toContain(code);
    expect(performance.now() - began).toBeLessThan(limits.linkHandshakeMsMax + 2_500);
    await expectRefused(attacked, source, /did not finish its greeting/);
    await attacked.serves();
  });
});

describe('a peer with a good certificate that is up', () => {
  it('is cut when it greets again, and when it speaks for agents that it does not host it is refused', async () => {
    const source = nextSource();
    const talk = await strangerAt(source);
    talk.socket.send(helloOf({ bootEpoch: 2 }));
    await until('the target is ready', () => talk.heard.length >= 2);
    talk.socket.send(ready());
    await until('the link is up', () => attacked.target.control.links().some(({ peer }) => peer === 'stranger'));
    talk.socket.send(join(ping(), helloOf({ bootEpoch: 2 })));
    expect(await talk.end).toMatchObject({ code: closeCodes.protocolViolation.code });
    await expectRefused(attacked, source, /Got hello on a link that is up/);
    await attacked.serves();
  });

  it('and reads nothing costs no memory: what waits for it is bounded, and others are served', async () => {
    const talk = await strangerAt(nextSource());
    talk.socket.send(helloOf({ bootEpoch: 3 }));
    await until('the target is ready', () => talk.heard.length >= 2);
    talk.socket.send(ready());
    await until('the link is up', () => attacked.target.control.links().some(({ peer }) => peer === 'stranger'));
    talk.socket.pause();
    const before = process.memoryUsage().rss;
    // Each ping is answered into a socket that nobody reads.
    const burst = join(...Array.from({ length: 20_000 }, ping));
    for (let sent = 0; sent < 20; sent++) talk.socket.send(burst);
    await attacked.serves();
    expect(process.memoryUsage().rss - before).toBeLessThan(256 * 1024 * 1024);
    talk.socket.terminate();
    await attacked.serves();
  });
});
