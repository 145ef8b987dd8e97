import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import {
  decodeFrames,
  encodeFrame,
  type FrameKind,
  frameBytes,
  frameKinds,
  framePrefixBytes,
  writeFrame,
} from '../../../src/protocols/link/frame.ts';

const kinds = Object.keys(frameKinds) as FrameKind[];
const anyFrame = fc.record({
  kind: fc.constantFrom(...kinds),
  header: fc.uint8Array({ maxLength: 40 }),
  content: fc.uint8Array({ maxLength: 60 }),
});
type AnyFrame = { kind: FrameKind; header: Uint8Array; content: Uint8Array };

function messageOf(frames: readonly AnyFrame[]): Uint8Array {
  const message = new Uint8Array(frames.reduce((sum, { header, content }) => sum + frameBytes(header, content), 0));
  let at = 0;
  for (const { kind, header, content } of frames) at = writeFrame(message, at, kind, header, content);
  if (at !== message.length) throw new Error('frameBytes and writeFrame disagree');
  return message;
}

/** A prefix with any lengths, whatever follows. */
function prefix(headerLength: number, contentLength: number): Uint8Array {
  const bytes = new Uint8Array(framePrefixBytes);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint8(1, frameKinds.message);
  view.setUint32(4, headerLength);
  view.setUint32(8, contentLength);
  return bytes;
}

const ping = encodeFrame('ping', new Uint8Array(0));
const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = value;
  return copy;
};

describe('frames', () => {
  test('come back as they were written, one or many in a message', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 8 }), (frames) => {
        expect(decodeFrames(messageOf(frames))).toEqual({ ok: true, value: frames });
      }),
    );
  });

  test('have these bytes', () => {
    const bytes = encodeFrame('message', Uint8Array.of(0xaa, 0xbb), Uint8Array.of(0xcc));
    expect([...bytes]).toEqual([1, 6, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0xaa, 0xbb, 0xcc]);
  });

  test('have codes that never change', () => {
    expect(frameKinds).toEqual({
      hello: 1,
      ready: 2,
      ping: 3,
      pong: 4,
      goodbye: 5,
      message: 6,
      refusal: 7,
      registry: 8,
      'push-pull': 9,
      'push-pull-reply': 10,
      actors: 11,
      'actor-stream': 12,
      gossip: 13,
      'registry-acknowledgement': 14,
      'notice-request': 16,
      notice: 17,
      checkpoint: 24,
      cosignature: 25,
      'certificate-request': 32,
      'certificate-answer': 33,
      renewed: 34,
      'join-request': 35,
      'join-answer': 36,
      'roots-acknowledgement': 40,
      'server-certificate-request': 41,
      'gossip-keys': 48,
      'gossip-key-request': 49,
      'gossip-key': 50,
    });
  });

  test('are read from a view in the middle of a buffer', () => {
    const buffer = new Uint8Array(100).fill(0xff);
    const end = writeFrame(buffer, 30, 'refusal', Uint8Array.of(1), Uint8Array.of(2));
    expect(decodeFrames(buffer.subarray(30, end))).toEqual({
      ok: true,
      value: [{ kind: 'refusal', header: Uint8Array.of(1), content: Uint8Array.of(2) }],
    });
  });

  test('are written over whatever stood there', () => {
    const dirty = new Uint8Array(framePrefixBytes).fill(0xff);
    writeFrame(dirty, 0, 'ping', new Uint8Array(0));
    expect(dirty).toEqual(ping);
  });

  test('hold the largest header and content', () => {
    const header = new Uint8Array(limits.headerBytesMax);
    const content = new Uint8Array(limits.frameBytesMax - framePrefixBytes - header.length);
    expect(decodeFrames(encodeFrame('message', header, content))).toMatchObject({ ok: true });
    expect(() => encodeFrame('message', header, new Uint8Array(content.length + 1))).toThrow(RangeError);
    expect(() => encodeFrame('message', new Uint8Array(header.length + 1))).toThrow(RangeError);
  });
});

describe('decodeFrames refuses', () => {
  const refused: readonly [string, Uint8Array, string, string][] = [
    ['nothing', new Uint8Array(0), 'PROTOCOL_VIOLATION', 'cut short'],
    ['an older format', changed(ping, 0, 0), 'PROTOCOL_VIOLATION', 'format 0'],
    ['a newer format', changed(ping, 0, 2), 'PROTOCOL_VIOLATION', 'format 2'],
    ['kind 0', changed(ping, 1, 0), 'PROTOCOL_VIOLATION', 'kind 0'],
    ['a kind of the future', changed(ping, 1, 200), 'PROTOCOL_VIOLATION', 'kind 200'],
    ['a high flag', changed(ping, 2, 0x80), 'PROTOCOL_VIOLATION', 'flags'],
    ['a low flag', changed(ping, 3, 1), 'PROTOCOL_VIOLATION', 'flags'],
    ['a header over its limit', prefix(limits.headerBytesMax + 1, 0), 'LIMIT_EXCEEDED', 'header'],
    ['a frame over its limit', prefix(0, limits.frameBytesMax - framePrefixBytes + 1), 'LIMIT_EXCEEDED', 'frame'],
    ['lengths of four gigabytes', prefix(0xffff_ffff, 0xffff_ffff), 'LIMIT_EXCEEDED', 'header'],
    ['a content of four gigabytes', prefix(0, 0xffff_ffff), 'LIMIT_EXCEEDED', 'frame'],
    ['a header that is not there', prefix(1, 0), 'PROTOCOL_VIOLATION', 'cut short'],
    ['a content that is not there', prefix(0, 1), 'PROTOCOL_VIOLATION', 'cut short'],
    ['a byte behind the last frame', Uint8Array.of(...ping, 1), 'PROTOCOL_VIOLATION', 'cut short'],
    ['a message over its limit', new Uint8Array(limits.linkMessageBytesMax + 1), 'LIMIT_EXCEEDED', 'link message'],
  ];
  test.each(refused)('%s', (_, message, code, reason) => {
    const result = decodeFrames(message);
    expect(result).toMatchObject({ ok: false, refusal: { code, reasons: [expect.stringContaining(reason)] } });
  });

  test('the whole message for one bad frame behind good ones', () => {
    const good = encodeFrame('message', Uint8Array.of(1), Uint8Array.of(2));
    for (const bad of [changed(ping, 0, 9), changed(ping, 1, 99), changed(ping, 3, 1), prefix(5, 5)])
      expect(decodeFrames(Uint8Array.of(...good, ...good, ...bad)).ok).toBe(false);
  });

  test('a message cut anywhere but between frames', () => {
    const frames: AnyFrame[] = [
      { kind: 'hello', header: new Uint8Array(5), content: new Uint8Array(0) },
      { kind: 'message', header: new Uint8Array(3), content: new Uint8Array(7) },
      { kind: 'ping', header: new Uint8Array(0), content: new Uint8Array(0) },
    ];
    const message = messageOf(frames);
    const between = new Set([17, 17 + 22, 17 + 22 + 12]);
    expect(message.length).toBe(51);
    for (let length = 0; length <= message.length; length++)
      expect(decodeFrames(message.subarray(0, length)).ok, `${length} bytes`).toBe(between.has(length));
  });
});

describe('decodeFrames never throws', () => {
  test('at random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const result = decodeFrames(bytes);
        if (result.ok) expect(messageOf(result.value as AnyFrame[])).toEqual(bytes);
      }),
    );
  });

  test('at changed bytes, and what it takes is exactly what was there', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (frames, changes) => {
          const message = messageOf(frames);
          for (const [at, value] of changes) message[at % message.length] = value;
          const result = decodeFrames(message);
          if (result.ok) expect(messageOf(result.value as AnyFrame[])).toEqual(message);
        },
      ),
    );
  });
});

test('a message of more frames than any sender puts into one is refused before they are all read', () => {
  const frame = encodeFrame('ping', new Uint8Array());
  const of = (count: number): Uint8Array => new Uint8Array(Buffer.concat(Array.from({ length: count }, () => frame)));
  expect(decodeFrames(of(limits.linkFramesPerMessageMax)).ok).toBe(true);
  expect(decodeFrames(of(limits.linkFramesPerMessageMax + 1))).toMatchObject({
    ok: false,
    refusal: { code: 'LIMIT_EXCEEDED', reasons: [expect.stringContaining('frames')] },
  });
});
