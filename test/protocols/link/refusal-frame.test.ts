import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorCodes } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { uuidBytes, uuidV7 } from '../../../src/protocols/acl/uuid.ts';
import { decodeRefusal, encodeRefusal, type MessageRefusal } from '../../../src/protocols/link/refusal-frame.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { decodeMessagePack } from '../../twins/message-pack.ts';
import { decoded, utf8 } from './fixtures.ts';

const codes = Object.keys(errorCodes) as ErrorCode[];
const messageId = uuidV7(1_700_000_000_000, new Uint8Array(10).fill(0xa5));
const refusal: MessageRefusal = { messageId, code: 'UNAUTHORIZED', reasons: ['No.'] };
const withReasons = (reasons: readonly string[]): MessageRefusal => ({
  ...refusal,
  reasons: reasons as MessageRefusal['reasons'],
});

describe('a refusal', () => {
  test('comes back as it was', () => {
    const short = fc.string({ unit: 'binary', maxLength: 85 });
    const any: fc.Arbitrary<MessageRefusal> = fc.record(
      {
        messageId: fc.uint8Array({ minLength: 10, maxLength: 10 }).map((random) => uuidV7(5, random)),
        code: fc.constantFrom(...codes),
        reasons: fc
          .tuple(short, fc.array(short, { maxLength: limits.reasonsMax - 1 }))
          .map(([first, more]): MessageRefusal['reasons'] => [first, ...more]),
        retryAfterMs: fc.maxSafeNat(),
      },
      { requiredKeys: ['messageId', 'code', 'reasons'] },
    );
    fc.assert(
      fc.property(any, (value) => {
        const bytes = encodeRefusal(utf8, value);
        expect(decoded(decodeRefusal(utf8, bytes))).toEqual(value);
        expect(decodeMessagePack(bytes)).toEqual([
          uuidBytes(value.messageId),
          value.code,
          value.reasons,
          value.retryAfterMs ?? null,
        ]);
      }),
    );
  });

  test('of whatever text and wait, fits its frame and is read by the peer', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 400 });
    const any = fc.oneof(
      fc.string({ maxLength: 2_000 }),
      fc.string({ unit: 'binary', maxLength: 600 }),
      units.map((codesOfUnits) => String.fromCharCode(...codesOfUnits)),
      fc.constantFrom('€', '😀', 'x', '\ud83d').chain((unit) => fc.nat(700).map((count) => unit.repeat(count))),
    );
    const wait = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 60));
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 40 }), wait, (reasons, retryAfterMs) => {
        const bytes = encodeRefusal(utf8, { ...withReasons(reasons), retryAfterMs });
        expect(bytes.length).toBeLessThanOrEqual(limits.headerBytesMax);
        const back = decoded(decodeRefusal(utf8, bytes));
        expect(back.reasons).toHaveLength(Math.min(reasons.length, limits.reasonsMax));
        expect(back.code).toBe('UNAUTHORIZED');
      }),
    );
  });

  test('keeps the beginning of a long reason, whole characters only, and marks the cut', () => {
    const [ascii, emoji, exact] = decoded(
      decodeRefusal(
        utf8,
        encodeRefusal(utf8, withReasons(['x'.repeat(5_000), `x${'😀'.repeat(300)}`, 'y'.repeat(170)])),
      ),
    ).reasons;
    expect(ascii).toMatch(/^x{100,}…$/);
    expect(emoji).toMatch(/^x(😀)+…$/u);
    expect(emoji!.length).toBeGreaterThan(100);
    expect(exact).toBe('y'.repeat(170));
  });

  test.each([
    [0, 0],
    [-5, 0],
    [0.2, 1],
    [1_500, 1_500],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [undefined, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    [Number.NaN, undefined],
    [2 ** 53, undefined],
  ])('with a wait of %s is read with %s', (retryAfterMs, read) => {
    const value = retryAfterMs === undefined ? refusal : { ...refusal, retryAfterMs };
    expect(decoded(decodeRefusal(utf8, encodeRefusal(utf8, value))).retryAfterMs).toBe(read);
  });
});

describe('a refusal is itself refused', () => {
  const forged = (id: Uint8Array, code: string, reasons: readonly string[], count = 4): Uint8Array => {
    const writer = new Writer(utf8).array(count).bin(id).str(code).array(reasons.length);
    for (const reason of reasons) writer.str(reason);
    return writer.nil().finish();
  };
  const id = uuidBytes(messageId);
  test('not as long as nothing is wrong', () => {
    expect(decoded(decodeRefusal(utf8, forged(id, 'UNAUTHORIZED', ['No.'])))).toEqual(refusal);
  });

  test.each<[string, Uint8Array]>([
    ['with a code that is not ours', forged(id, 'NO', ['No.'])],
    ['with a code that every object has', forged(id, 'constructor', ['No.'])],
    ['without a reason', forged(id, 'UNAUTHORIZED', [])],
    [
      'with too many reasons',
      forged(
        id,
        'UNAUTHORIZED',
        Array.from({ length: limits.reasonsMax + 1 }, () => 'No.'),
      ),
    ],
    ['with a reason over its bytes', forged(id, 'UNAUTHORIZED', ['x'.repeat(513)])],
    ['with an id of 15 bytes', forged(id.subarray(1), 'UNAUTHORIZED', ['No.'])],
    ['with an id that no message has', forged(new Uint8Array(16), 'UNAUTHORIZED', ['No.'])],
    ['with five fields', forged(id, 'UNAUTHORIZED', ['No.'], 5)],
    ['with three fields', forged(id, 'UNAUTHORIZED', ['No.'], 3)],
    ['with a byte more', Uint8Array.of(...forged(id, 'UNAUTHORIZED', ['No.']), 0)],
  ])('%s', (_, bytes) => {
    expect(decodeRefusal(utf8, bytes)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });

  test('cut short at any byte, or from random bytes', () => {
    const bytes = encodeRefusal(utf8, { ...refusal, retryAfterMs: 70_000 });
    for (let length = 0; length < bytes.length; length++)
      expect(decodeRefusal(utf8, bytes.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        expect(decodeRefusal(utf8, random).ok).toBe(false);
      }),
    );
  });

  test('with a changed byte, or it is another one', () => {
    const bytes = encodeRefusal(utf8, { ...withReasons(['One.', 'Zwei €.']), retryAfterMs: 70_000 });
    const original = decodeRefusal(utf8, bytes);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const copy = bytes.slice();
        copy[at]! ^= change;
        const result = decodeRefusal(utf8, copy);
        if (result.ok) expect(result).not.toEqual(original);
      }),
    );
  });
});
