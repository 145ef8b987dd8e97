import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { encodeFrame } from '../../../src/protocols/link/frame.ts';
import { type BootedNode, bootNode } from '../lab/boot-node.ts';
import { heldBytes } from '../lab/memory.ts';
import { helloOf, linkedTo, nextSource, upgradedTo, type Wire, webSocketFrame } from '../lab/wire.ts';

let booted: BootedNode;
beforeAll(async () => {
  booted = await bootNode();
});
afterAll(() => booted.dispose());

const some = Uint8Array.of(1, 2, 3);
const ping = encodeFrame('ping', new Uint8Array());
let dials = 0;
const cuts: Promise<number>[] = [];

/** The header of a WebSocket message that says it has this many bytes, and a few of them. */
const announcing = (bytes: number): Buffer => {
  const frame = webSocketFrame({ payload: new Uint8Array(65_536) }).subarray(0, 64);
  frame.writeBigUInt64BE(BigInt(bytes), 2);
  return frame;
};

describe('a peer with a good certificate that breaks the rules of the WebSocket', () => {
  const cases: readonly [string, () => Uint8Array, RegExp][] = [
    ['pings', () => webSocketFrame({ payload: some, opcode: 9 }), /WebSocket ping/],
    ['answers pings that nobody sent', () => webSocketFrame({ payload: some, opcode: 10 }), /WebSocket pong/],
    ['sends text', () => webSocketFrame({ payload: Buffer.from('hello'), opcode: 1 }), /text/],
    ['compresses', () => webSocketFrame({ payload: some, compressed: true }), /RSV1/],
    ['does not mask', () => webSocketFrame({ payload: some, masked: false }), /MASK/],
    ['uses an opcode that there is not', () => webSocketFrame({ payload: some, opcode: 5 }), /opcode/],
    ['announces more than a message may have', () => announcing(limits.linkMessageBytesMax + 1), /payload size/],
    ['announces more bytes than there are numbers', () => announcing(Number.MAX_SAFE_INTEGER + 1), /payload|2\^53/],
    [
      'cuts its hello into fragments',
      () => {
        const hello = helloOf(booted);
        const first = webSocketFrame({ payload: hello.subarray(0, 20), fin: false });
        return Buffer.concat([first, webSocketFrame({ payload: hello.subarray(20), opcode: 0 })]);
      },
      /fragments/,
    ],
  ];
  const stages: readonly [string, (source: string) => Promise<Wire>][] = [
    ['before its hello', (source) => upgradedTo(booted, source)],
    ['on a link that is up', (source) => linkedTo(booted, source, ++dials)],
  ];
  for (const [stage, open] of stages)
    it.each(cases)(`and %s ${stage}, is refused, with reason and source in the audit log`, async (_, bytes, reason) => {
      const source = nextSource();
      const { socket, cut } = await open(source);
      socket.write(bytes());
      cuts.push(cut(2_500));
      await booted.audited('LinkRefused', source, reason);
      await booted.serves();
    });

  // The attacker does not answer the close, and is cut after a second.
  it('is cut soon, all of them', () => Promise.all(cuts));
});

describe('a peer that is up', () => {
  it('and sends its frames in the smallest pieces that TLS has, is cut before they cost more than they are', async () => {
    const source = nextSource();
    const { socket, isCut } = await linkedTo(booted, source, ++dials);
    // An unfinished message of the largest size, a TLS record for each byte.
    socket.write(announcing(limits.linkMessageBytesMax).subarray(0, 14));
    for (let piece = 0; piece < 8_000 && !isCut(); piece++)
      await new Promise<void>((resolve) => socket.write('\0', () => resolve()));
    await booted.audited('LinkRefused', source, /buffered/);
    await booted.serves();
  });

  it('and reads nothing while it asks for pongs without end, fills no memory here', async () => {
    const { socket } = await linkedTo(booted, nextSource(), ++dials);
    socket.pause();
    const pings = Buffer.concat(Array.from({ length: limits.linkFramesPerMessageMax }, () => ping));
    const before = heldBytes();
    // 14 MB of pings: as many bytes of pongs, if all were answered.
    const written: Promise<void>[] = [];
    for (let message = 0; message < 72; message++)
      written.push(new Promise((resolve) => socket.write(webSocketFrame({ payload: pings }), () => resolve())));
    await Promise.all(written);
    await booted.serves();
    expect(heldBytes() - before).toBeLessThan(7 * 1_024 * 1_024);
    socket.destroy();
    await booted.serves();
  });
});
