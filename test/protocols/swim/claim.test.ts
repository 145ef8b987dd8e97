import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import {
  type Claim,
  counterMax,
  decodeClaim,
  outranks,
  type SignedClaim,
  suspicionFrom,
} from '../../../src/protocols/swim/claim.ts';
import { utf8 } from '../../simulate/fake-claims.ts';
import { claims } from './stage.ts';

const node = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/);
const counter = fc.integer({ min: 0, max: counterMax });
const address = fc.record({ host: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) });
const anyClaim: fc.Arbitrary<SignedClaim> = fc.oneof(
  fc
    .tuple(node, counter, counter, fc.array(address, { minLength: 1, maxLength: 8 }))
    .map(([subject, epoch, incarnation, addresses]) => claims.alive(subject, epoch, incarnation, { addresses })),
  fc.tuple(node, counter, counter).map((fields) => claims.leave(...fields)),
  fc
    .tuple(fc.uniqueArray(node, { minLength: 2, maxLength: 2 }), counter, counter)
    .map(([[subject, accuser], epoch, incarnation]) => claims.suspect(subject!, accuser!, epoch, incarnation)),
  fc
    .tuple(fc.uniqueArray(node, { minLength: 2, maxLength: 9 }), counter, counter)
    .map(([[subject, ...accusers], epoch, incarnation]) => claims.dead(subject!, accusers, epoch, incarnation)),
);

describe('decodeClaim', () => {
  test('gives back what was signed', () => {
    fc.assert(
      fc.property(anyClaim, (signed) => {
        expect(decodeClaim(signed.wire, utf8)).toEqual({ ok: true, value: { unverified: signed } });
      }),
    );
  });

  test('refuses random bytes and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeClaim(bytes, utf8)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
      }),
    );
  });

  test('refuses every claim cut short or with a byte more', () => {
    const { wire } = claims.dead('a', ['b', 'c']);
    for (let length = 0; length < wire.length; length++) {
      expect(decodeClaim(wire.subarray(0, length), utf8).ok).toBe(false);
    }
    expect(decodeClaim(Uint8Array.of(...wire, 0), utf8).ok).toBe(false);
  });

  test('a changed byte is refused or is another claim, never the same one', () => {
    fc.assert(
      fc.property(anyClaim, fc.nat(), fc.integer({ min: 1, max: 255 }), (signed, place, change) => {
        const wire = signed.wire.slice();
        wire[place % wire.length]! ^= change;
        const decoded = decodeClaim(wire, utf8);
        if (decoded.ok) expect(decoded.value.unverified).not.toEqual(signed);
      }),
    );
  });

  test('owns its bytes, whatever becomes of the datagram', () => {
    const datagram = claims.suspect('a', 'b').wire.slice();
    const decoded = decodeClaim(datagram, utf8);
    datagram.fill(0);
    expect(decoded).toEqual({ ok: true, value: { unverified: claims.suspect('a', 'b') } });
  });

  const signature = new Uint8Array(64);
  const body = (...parts: readonly ((writer: Writer) => void)[]) => {
    const writer = new Writer(utf8).array(parts.length);
    for (const part of parts) part(writer);
    return writer.finish();
  };
  const text = (value: string) => (writer: Writer) => void writer.str(value);
  const number = (value: number) => (writer: Writer) => void writer.uint(value);
  const suspicion = body(number(2), text('a'), number(1), number(1));
  const envelope = (kind: number, signed: Uint8Array, ...rest: readonly ((writer: Writer) => void)[]) =>
    body(number(kind), (writer) => void writer.bin(signed), ...rest);
  const bin = (bytes: Uint8Array) => (writer: Writer) => void writer.bin(bytes);
  const accusers =
    (...names: readonly string[]) =>
    (writer: Writer) => {
      writer.array(names.length);
      for (const name of names) writer.array(2).str(name).bin(signature);
    };

  const malformed: readonly [string, Uint8Array][] = [
    ['a counter over u32', envelope(1, body(number(1), text('a'), number(2 ** 32), number(1)), bin(signature))],
    ['a name outside the grammar', envelope(1, body(number(1), text('A/b'), number(1), number(1)), bin(signature))],
    ['a short signature', envelope(1, body(number(1), text('a'), number(1), number(1)), bin(new Uint8Array(63)))],
    ['a body of another kind', envelope(1, suspicion, bin(signature))],
    ['an unknown kind', envelope(4, suspicion, bin(signature))],
    ['a self-accusation', envelope(2, suspicion, text('a'), bin(signature))],
    ['an accuser counted twice', envelope(3, suspicion, accusers('b', 'b'))],
    ['the dead among its accusers', envelope(3, suspicion, accusers('b', 'a'))],
    ['a death without accusers', envelope(3, suspicion, accusers())],
    ['too many accusers', envelope(3, suspicion, accusers('b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'))],
    ['a member without address', claims.alive('a', 1, 1, { addresses: [] }).wire],
    ['port 0', claims.alive('a', 1, 1, { addresses: [{ host: 'h', port: 0 }] }).wire],
    ['a host with spaces', claims.alive('a', 1, 1, { addresses: [{ host: 'h h', port: 1 }] }).wire],
    ['a short box key', claims.alive('a', 1, 1, { boxKey: new Uint8Array(31) }).wire],
  ];
  test.each(malformed)('refuses %s', (_name, wire) => {
    expect(decodeClaim(wire, utf8)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });
});

test('all accusers of one incarnation sign the same bytes, so a certificate falls apart into their suspicions', () => {
  const dead = claims.dead('a', ['b', 'c']);
  expect(suspicionFrom(dead, dead.signatures[1]!, utf8)).toEqual(claims.suspect('a', 'c'));
});

describe('outranks', () => {
  const ascending: readonly Claim[] = [
    claims.alive('a', 1, 1).claim,
    claims.suspect('a', 'b', 1, 1).claim,
    claims.dead('a', ['b', 'c'], 1, 1).claim,
    claims.leave('a', 1, 1).claim,
    claims.alive('a', 1, 2).claim,
    claims.dead('a', ['b', 'c'], 1, counterMax).claim,
    claims.alive('a', 2, 0).claim,
  ];
  test('newer counters first, then leave over dead over suspect over alive', () => {
    for (const [low, lower] of ascending.entries()) {
      for (const [high, higher] of ascending.entries()) expect(outranks(higher, lower)).toBe(high > low);
    }
  });
  test('suspicions of two accusers do not outrank each other', () => {
    expect(outranks(claims.suspect('a', 'b').claim, claims.suspect('a', 'c').claim)).toBe(false);
  });
});
