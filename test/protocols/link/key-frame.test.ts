import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import type { Result } from '../../../src/errors.ts';
import { unwrap } from '../../../src/errors.ts';
import {
  decodeGivenKey,
  decodeKeyRequest,
  decodePeerKeys,
  encodeGivenKey,
  encodeKeyRequest,
  encodePeerKeys,
} from '../../../src/protocols/link/key-frame.ts';
import type { Unverified } from '../../../src/unverified.ts';

const id = fc.record({
  epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
  proposer: fc.constantFrom('', 'node-1', 'n'.repeat(63)),
  revocations: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  hash: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
});
const key = new Uint8Array(32).fill(7);
const one = { epoch: 3, proposer: 'node-1', revocations: 4, hash: 'ab'.repeat(16) };
const readBack = <T>(decoded: Result<Unverified<T>>): T => unwrap(decoded).unverified;

describe('the frames of gossip keys', () => {
  it('round trip', () => {
    fc.assert(
      fc.property(id, fc.option(id, { nil: undefined }), (sealing, candidate) => {
        expect(readBack(decodePeerKeys(utf8, encodePeerKeys(utf8, { sealing, candidate })))).toEqual({
          sealing,
          candidate,
        });
        expect(readBack(decodeKeyRequest(utf8, encodeKeyRequest(utf8, sealing)))).toEqual(sealing);
        expect(readBack(decodeGivenKey(utf8, encodeGivenKey(utf8, sealing, key)))).toEqual({ id: sealing, key });
      }),
    );
  });

  it('carry a key in one of them alone', () => {
    expect(encodePeerKeys(utf8, { sealing: one, candidate: one }).content).toHaveLength(0);
    expect(encodeKeyRequest(utf8, one).content).toHaveLength(0);
    expect(encodeGivenKey(utf8, one, key).content).toEqual(key);
  });

  const frames = [
    ['what a peer holds', encodePeerKeys(utf8, { sealing: one, candidate: one }), decodePeerKeys],
    ['a request', encodeKeyRequest(utf8, one), decodeKeyRequest],
    ['a key', encodeGivenKey(utf8, one, key), decodeGivenKey],
  ] as const;
  it.each(frames)('are refused when cut, longer or with another content: %s', (_, { header, content }, decode) => {
    for (let length = 0; length < header.length; length++)
      expect(decode(utf8, { header: header.subarray(0, length), content }).ok).toBe(false);
    expect(decode(utf8, { header: Buffer.concat([header, Buffer.from([0])]), content }).ok).toBe(false);
    for (const length of [0, 31, 32, 33].filter((other) => other !== content.length))
      expect(decode(utf8, { header, content: new Uint8Array(length) }).ok).toBe(false);
  });

  it('are refused for another version, an epoch out of range and a proposer that is no node', () => {
    const refused = [
      { ...one, epoch: 0 },
      { ...one, epoch: 2 ** 32 },
      { ...one, proposer: 'Node' },
      { ...one, proposer: 'n'.repeat(64) },
    ];
    for (const wrong of refused) expect(decodeKeyRequest(utf8, encodeKeyRequest(utf8, wrong)).ok).toBe(false);
    const { header, content } = encodeKeyRequest(utf8, one);
    const another = Uint8Array.from(header);
    another[1] = 2;
    expect(decodeKeyRequest(utf8, { header: another, content }).ok).toBe(false);
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 33 }), (header, content) => {
        for (const [, , decode] of frames) decode(utf8, { header, content });
      }),
    );
  });
});
