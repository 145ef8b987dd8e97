import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { performatives } from '../../../src/protocols/acl/performative.ts';
import { uuidBytes } from '../../../src/protocols/acl/uuid.ts';
import { decodeMessageHeader, encodeMessageHeader, withSignature } from '../../../src/protocols/link/message-frame.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { decodeMessagePack } from '../../twins/message-pack.ts';
import { anyHeader, headerOf } from '../acl/fixtures.ts';
import { decoded, utf8 } from './fixtures.ts';

const anySignature = fc.option(fc.uint8Array({ minLength: 64, maxLength: 64 }), { nil: undefined });
const guarantees = ['at-most-once', 'at-least-once', 'exactly-once'];

/** The order on the wire, written by hand a second time. */
const fieldsOf = (header: MessageHeader): unknown[] => [
  uuidBytes(header.id),
  performatives.indexOf(header.performative),
  header.sender,
  header.receiver,
  header.language,
  header.ontology,
  header.protocol,
  header.conversationId,
  header.replyWith,
  header.inReplyTo,
  header.replyBy,
  guarantees.indexOf(header.guarantee),
  header.epoch,
  header.counter,
  header.token,
  header.trace,
];

/** A header’s bytes without signature, with any value in any place. */
function forged(changes: Partial<Record<number, (writer: Writer) => unknown>>, count = 17): Uint8Array {
  const writer = new Writer(utf8).array(count);
  for (const [place, field] of [...fieldsOf(headerOf()), null].entries()) {
    const change = changes[place];
    if (change) change(writer);
    else if (field === null) writer.nil();
    else if (typeof field === 'number') writer.uint(field);
    else if (typeof field === 'string') writer.str(field);
    else writer.bin(field as Uint8Array);
  }
  return writer.finish();
}

describe('a message header', () => {
  test('comes back as it was, with its signature', () => {
    fc.assert(
      fc.property(anyHeader, anySignature, (header, signature) => {
        const bytes = withSignature(encodeMessageHeader(utf8, header), signature);
        expect(decoded(decodeMessageHeader(utf8, bytes))).toMatchObject({ header, signature });
        expect(bytes.length).toBeLessThanOrEqual(limits.headerBytesMax);
      }),
    );
  });

  test('is what a general decoder reads, too', () => {
    fc.assert(
      fc.property(anyHeader, anySignature, (header, signature) => {
        const bytes = withSignature(encodeMessageHeader(utf8, header), signature);
        expect(decodeMessagePack(bytes)).toEqual([...fieldsOf(header), signature ?? null]);
      }),
    );
  });

  test('is signed over exactly its bytes less the signature', () => {
    fc.assert(
      fc.property(anyHeader, anySignature, (header, signature) => {
        const unsigned = encodeMessageHeader(utf8, header);
        const bytes = withSignature(unsigned, signature);
        const { signedBytes } = decoded(decodeMessageHeader(utf8, bytes));
        expect(signedBytes).toEqual(unsigned);
        expect(bytes.subarray(signedBytes.length)).toEqual(
          signature ? Uint8Array.of(0xc4, 64, ...signature) : Uint8Array.of(0xc0),
        );
      }),
    );
  });

  test('at its largest fits the bound of a frame’s header', () => {
    const text = '€'.repeat(255);
    const agent = `${'a'.repeat(63)}/${'b'.repeat(63)}` as MessageHeader['sender'];
    const largest = headerOf({
      ...Object.fromEntries(
        ['language', 'ontology', 'protocol', 'conversationId', 'replyWith', 'inReplyTo', 'trace'].map((f) => [f, text]),
      ),
      sender: agent,
      receiver: agent,
      replyBy: Number.MAX_SAFE_INTEGER,
      counter: Number.MAX_SAFE_INTEGER,
      epoch: 0xffff_ffff,
      token: 't'.repeat(limits.tokenBytesMax),
    });
    const bytes = withSignature(encodeMessageHeader(utf8, largest), new Uint8Array(64));
    expect(bytes.length).toBeLessThanOrEqual(limits.headerBytesMax);
    expect(decoded(decodeMessageHeader(utf8, bytes)).header).toEqual(largest);
  });

  test('with a changed byte is refused or is another one; what is taken has one form only', () => {
    fc.assert(
      fc.property(
        anyHeader,
        anySignature,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (header, signature, at, change) => {
          const bytes = withSignature(encodeMessageHeader(utf8, header), signature);
          bytes[at % bytes.length]! ^= change;
          const result = decodeMessageHeader(utf8, bytes);
          if (!result.ok) {
            expect(result.refusal.code).toBe('MALFORMED');
            return;
          }
          const other = result.value.unverified;
          expect([other.header, other.signature]).not.toEqual([header, signature]);
          expect(withSignature(encodeMessageHeader(utf8, other.header), other.signature)).toEqual(bytes);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('is refused from random bytes, cut short, or with a byte more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeMessageHeader(utf8, bytes).ok).toBe(false);
      }),
    );
    const whole = withSignature(encodeMessageHeader(utf8, headerOf()), new Uint8Array(64));
    expect(decodeMessageHeader(utf8, whole).ok).toBe(true);
    for (let length = 0; length < whole.length; length++)
      expect(decodeMessageHeader(utf8, whole.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    expect(decodeMessageHeader(utf8, Uint8Array.of(...whole, 0)).ok).toBe(false);
  });
});

const id = (change: (bytes: Uint8Array) => void) => (writer: Writer) => {
  const bytes = uuidBytes(headerOf().id);
  change(bytes);
  writer.bin(bytes);
};
const str = (text: string) => (writer: Writer) => writer.str(text);
const uint = (value: number) => (writer: Writer) => writer.uint(value);
const bin = (length: number) => (writer: Writer) => writer.bin(new Uint8Array(length));

describe('a message header is refused', () => {
  test('not as long as nothing is wrong', () => {
    expect(decoded(decodeMessageHeader(utf8, forged({}))).header).toEqual(headerOf());
  });

  test.each<[string, Uint8Array]>([
    ['with 16 fields', forged({}, 16)],
    ['with 18 fields', forged({}, 18)],
    ['with an id of 15 bytes', forged({ 0: bin(15) })],
    ['with an id of another version', forged({ 0: id((bytes) => bytes.fill(0x40, 6, 7)) })],
    ['with an id of another variant', forged({ 0: id((bytes) => bytes.fill(0xc0, 8, 9)) })],
    ['with an id as text', forged({ 0: str(headerOf().id) })],
    ['with an act of the future', forged({ 1: uint(performatives.length) })],
    ['with a sender that is no agent', forged({ 2: str('alice') })],
    ['with a receiver that is no agent', forged({ 3: str('default/bob/') })],
    ['with a receiver in capitals', forged({ 3: str('default/Bob') })],
    ['with a language over 255 characters', forged({ 4: str('x'.repeat(256)) })],
    ['with an ontology over 255 characters', forged({ 5: str('x'.repeat(765)) })],
    ['with a protocol over 765 bytes', forged({ 6: str('x'.repeat(766)) })],
    ['with a conversation over 255 characters', forged({ 7: str('😀'.repeat(128)) })],
    ['with a reply-with over 255 characters', forged({ 8: str('€'.repeat(256)) })],
    ['with an in-reply-to that is nil', forged({ 9: (writer) => writer.nil() })],
    ['with a reply-by past 2^53', forged({ 10: (w) => w.raw(Uint8Array.of(0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0)) })],
    ['with a negative reply-by', forged({ 10: (w) => w.raw(Uint8Array.of(0xff)) })],
    ['with a guarantee of the future', forged({ 11: uint(3) })],
    ['with an epoch over 32 bits', forged({ 12: uint(2 ** 32) })],
    ['with a counter in a longer form', forged({ 13: (w) => w.raw(Uint8Array.of(0xcc, 1)) })],
    ['with a token over its bytes', forged({ 14: str('x'.repeat(limits.tokenBytesMax + 1)) })],
    ['with a trace over 255 characters', forged({ 15: str('x'.repeat(256)) })],
    ['with an empty signature', forged({ 16: bin(0) })],
    ['with a signature of 63 bytes', forged({ 16: bin(63) })],
    ['with a signature of 65 bytes', forged({ 16: bin(65) })],
    ['with a signature as text', forged({ 16: str('x'.repeat(64)) })],
  ])('%s', (_, bytes) => {
    expect(decodeMessageHeader(utf8, bytes)).toMatchObject({
      ok: false,
      refusal: { code: 'MALFORMED', reasons: [expect.stringContaining('message header')] },
    });
  });
});

describe('encodeMessageHeader throws at a header that was never checked', () => {
  test.each<[string, Record<string, unknown>]>([
    ['another act', { performative: 'shout' }],
    ['another guarantee', { guarantee: 'maybe' }],
    ['another id', { id: 'x' }],
    ['a negative counter', { counter: -1 }],
  ])('%s', (_, changes) => {
    expect(() => encodeMessageHeader(utf8, { ...headerOf(), ...changes } as MessageHeader)).toThrow(RangeError);
  });
});
