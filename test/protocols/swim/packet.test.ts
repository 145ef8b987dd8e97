import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { decodePacket, encodePacket, headBytes, type PacketHead } from '../../../src/protocols/swim/packet.ts';
import { plaintextBytesMax, utf8 } from '../../simulate/fake-claims.ts';
import { claims, id } from './stage.ts';

const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const target = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/).map(id);
const head: fc.Arbitrary<PacketHead> = fc.oneof(
  fc.record({ kind: fc.constantFrom('ping' as const, 'ping-req' as const), seq, target }),
  fc.record({ kind: fc.constantFrom('ack' as const, 'nack' as const), seq }),
  fc.record({ kind: fc.constant('gossip' as const) }),
);
const someClaims = fc.subarray([claims.alive('a'), claims.suspect('b', 'c'), claims.dead('d', ['e', 'f'])]);

describe('the packet codec', () => {
  test('gives back what was encoded, within the size that the head promises', () => {
    fc.assert(
      fc.property(head, someClaims, (packetHead, carried) => {
        const packet = { ...packetHead, claims: carried };
        const bytes = encodePacket(packet, utf8, plaintextBytesMax);
        const claimBytes = carried.reduce((sum, { wire }) => sum + wire.length, 0);
        expect(bytes.length).toBeLessThanOrEqual(headBytes(packetHead) + claimBytes);
        expect(decodePacket(bytes, utf8)).toEqual({ ok: true, value: { unverified: packet } });
      }),
    );
  });

  test('refuses random bytes and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoded = decodePacket(bytes, utf8);
        if (decoded.ok) expect(encodePacket(decoded.value.unverified, utf8, 1_400)).toEqual(bytes);
        else expect(decoded.refusal.code).toBe('MALFORMED');
      }),
    );
  });

  test('throws rather than build a packet that fits no datagram', () => {
    const carried = Array.from({ length: 12 }, (_, index) => claims.alive(`node-${index}`));
    expect(() => encodePacket({ kind: 'gossip', claims: carried }, utf8, plaintextBytesMax)).toThrow(RangeError);
  });

  const written = (kind: number, number: number, name: string | undefined, count = 0) => {
    const writer = new Writer(utf8).array(4).uint(kind).uint(number);
    if (name === undefined) writer.nil();
    else writer.str(name);
    writer.array(count);
    for (let index = 0; index < count; index++) writer.raw(claims.leave('a').wire);
    return writer.finish();
  };
  const malformed: readonly [string, Uint8Array][] = [
    ['an unknown kind', written(5, 1, undefined)],
    ['a ping without target', written(0, 1, undefined)],
    ['an ack with target', written(2, 1, 'a')],
    ['an ack without number', written(2, 0, undefined)],
    ['gossip with a number', written(4, 1, undefined)],
    ['a target outside the grammar', written(0, 1, 'no spaces')],
    ['more claims than allowed', written(2, 1, undefined, 65)],
  ];
  test.each(malformed)('refuses %s', (_name, bytes) => {
    expect(decodePacket(bytes, utf8)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });
});
