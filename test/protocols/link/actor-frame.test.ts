import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorCodes } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import {
  type ActorHeader,
  type ActorPacket,
  decodeActorHeader,
  decodeStreamControl,
  encodeActorHeader,
  encodeStreamControl,
  type StreamControl,
} from '../../../src/protocols/link/actor-frame.ts';
import { decoded, utf8 } from './fixtures.ts';

const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const path = fc.string({ unit: 'binary', maxLength: limits.actorPathBytesMax / 4 - 1 }).map((text) => `/${text}`);
const reason = fc.constantFrom('normal', 'shutdown', 'killed', 'crash', 'no-actor', 'node-lost', 'refused');
const refusal = fc.record({
  code: fc.constantFrom(...(Object.keys(errorCodes) as ErrorCode[])),
  reasons: fc.array(fc.string({ maxLength: 100 }), { minLength: 1, maxLength: 4 }) as fc.Arbitrary<[string]>,
});
const packet: fc.Arbitrary<ActorPacket> = fc.oneof(
  fc.record({ kind: fc.constant('tell' as const), path }),
  fc.record({ kind: fc.constant('ask' as const), path, id }),
  fc.record({ kind: fc.constantFrom('answer' as const, 'forget' as const, 'demonitor' as const), id }),
  fc.record({ kind: fc.constant('refused' as const), id, refusal }),
  fc.record({ kind: fc.constant('monitor' as const), id, path, linked: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('down' as const, 'exit' as const), id, reason }),
);
const header: fc.Arbitrary<ActorHeader> = fc.record({ ack: fc.maxSafeNat(), packet });
const control: fc.Arbitrary<StreamControl> = fc.oneof(
  fc.record({ kind: fc.constant('open' as const), stream: fc.nat(), received: fc.nat(), resume: fc.boolean() }),
  fc.record({ kind: fc.constant('opened' as const), stream: fc.nat(), received: fc.nat(), resumed: fc.boolean() }),
  fc.record({ kind: fc.constant('reset' as const), stream: fc.nat() }),
  fc.record({ kind: fc.constant('ack' as const), stream: fc.nat(), received: fc.nat() }),
);

describe('a packet between actors', () => {
  test('comes back as it was, and fits its frame', () => {
    fc.assert(
      fc.property(header, (value) => {
        const bytes = encodeActorHeader(utf8, value);
        expect(bytes.length).toBeLessThanOrEqual(limits.headerBytesMax);
        expect(decoded(decodeActorHeader(utf8, bytes))).toEqual(value);
      }),
    );
  });

  test('has one form, and whatever else comes is MALFORMED', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(header, changes, fc.nat(4), (value, edits, cut) => {
        const whole = encodeActorHeader(utf8, value);
        const bytes = whole.slice(0, whole.length - cut);
        for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
        const back = decodeActorHeader(utf8, bytes);
        if (back.ok) expect(encodeActorHeader(utf8, back.value.unverified)).toEqual(bytes);
        else expect(back.refusal.code).toBe('MALFORMED');
      }),
      { numRuns: 1_000 },
    );
  });

  test.each<[string, number[]]>([
    ['an address of another node', [0x93, 0, 0, 0xa4, ...utf8.encode('a!/b')]],
    ['the number 0', [0x93, 2, 0, 0]],
    ['a kind of tomorrow', [0x93, 9, 0, 1]],
    ['a field too many', [0x94, 2, 0, 1, 1]],
    ['a reason with a line feed', [0x94, 7, 0, 1, 0xa3, 0x61, 0x0a, 0x62]],
    ['a reason with a dot', [0x94, 7, 0, 1, 0xa3, ...utf8.encode('x.y')]],
  ])('has not %s', (_, bytes) => {
    expect(decodeActorHeader(utf8, Uint8Array.from(bytes))).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  test('says only reasons that the other side takes', () => {
    const bytes = encodeActorHeader(utf8, { ack: 0, packet: { kind: 'exit', id: 1, reason: 'Very bad!' } });
    expect(decoded(decodeActorHeader(utf8, bytes)).packet).toMatchObject({ reason: 'unknown' });
  });
});

describe('a control of a stream', () => {
  test('comes back as it was, in one form', () => {
    fc.assert(
      fc.property(control, fc.option(fc.tuple(fc.nat(), fc.nat(255))), (value, change) => {
        const bytes = encodeStreamControl(utf8, value);
        expect(decoded(decodeStreamControl(utf8, bytes))).toEqual(value);
        if (change) bytes[change[0] % bytes.length] = change[1];
        const back = decodeStreamControl(utf8, bytes);
        if (back.ok) expect(encodeStreamControl(utf8, back.value.unverified)).toEqual(bytes);
        else expect(back.refusal.code).toBe('MALFORMED');
      }),
      { numRuns: 500 },
    );
  });
});
