import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { limits } from '../../../src/limits.ts';
import { checkHeader } from '../../../src/protocols/acl/bounds.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { decodeMessageHeader, encodeMessageHeader, withSignature } from '../../../src/protocols/link/message-frame.ts';
import { anyHeader, headerOf } from './fixtures.ts';

/** What a caller without types can hand in. */
const wild = (changes: Record<string, unknown>): MessageHeader => ({ ...headerOf(), ...changes }) as MessageHeader;
const textFields = ['language', 'ontology', 'protocol', 'conversationId', 'replyWith', 'inReplyTo', 'trace'] as const;

describe('checkHeader', () => {
  test('lets any header within the bounds pass', () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        expect(checkHeader(header)).toEqual({ ok: true, value: undefined });
      }),
    );
  });

  const refused: readonly [string, Record<string, unknown>, string][] = [
    ['a receiver without tenant', { receiver: 'bob' }, 'receiver'],
    ['a receiver that is no text', { receiver: undefined }, 'receiver'],
    ['a performative that FIPA does not know', { performative: 'shout' }, '“shout”'],
    ['a performative that is no text', { performative: Object.create(null) }, 'performative'],
    ['a token over the limit', { token: 'x'.repeat(limits.tokenBytesMax + 1) }, 'token'],
    ['a token that is not ASCII, which is longer on the wire', { token: '€'.repeat(3_000) }, 'token'],
    ['a token that is no text', { token: 7 }, 'token'],
    ['a fraction of a millisecond', { replyBy: 0.5 }, 'replyBy'],
    ['a time before 1970', { replyBy: -1 }, 'replyBy'],
    ['a time that is no number', { replyBy: Number.NaN }, 'replyBy'],
    ['a time past 2^53', { replyBy: 2 ** 53 }, 'replyBy'],
    ['a time as text', { replyBy: '0' }, 'replyBy'],
  ];
  test.each(refused)('refuses %s', (_, changes, reason) => {
    const result = checkHeader(wild(changes));
    expect(result).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
    if (!result.ok) {
      expect(result.refusal.reasons).toHaveLength(1);
      expect(result.refusal.reasons[0]).toContain(reason);
    }
  });

  test.each(textFields)('the text %s has 255 characters at most, and all of them well-formed', (field) => {
    expect(checkHeader(wild({ [field]: 'x'.repeat(255) })).ok).toBe(true);
    expect(checkHeader(wild({ [field]: '😀' })).ok).toBe(true);
    for (const bad of ['x'.repeat(256), undefined, 7, '\ud83d', 'a\ude00b', '\ude00\ud83d'])
      expect(checkHeader(wild({ [field]: bad })), String(bad)).toMatchObject({
        ok: false,
        refusal: { reasons: [expect.stringContaining(field)] },
      });
  });

  test('gives every reason at once, within the bound of a refusal', () => {
    const everything = Object.fromEntries(
      [...textFields, 'receiver', 'performative', 'token', 'replyBy'].map((f) => [f, 1.5]),
    );
    const result = checkHeader(wild(everything));
    expect(result.ok).toBe(false);
    if (!result.ok) {
      expect(result.refusal.reasons).toHaveLength(11);
      expect(result.refusal.reasons.length).toBeLessThanOrEqual(limits.reasonsMax);
    }
  });

  test('whatever an agent puts in: what passes is read by the peer as it was written, and fits a frame', () => {
    const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 30 });
    const anything = fc.oneof(
      fc.string({ maxLength: 260 }),
      fc.string({ unit: 'binary', maxLength: 30 }),
      units.map((codes) => String.fromCharCode(...codes)),
    );
    const texts = fc.record(Object.fromEntries([...textFields, 'token'].map((field) => [field, anything])));
    fc.assert(
      fc.property(texts, (changes) => {
        const header = wild(changes);
        if (!checkHeader(header).ok) return;
        const bytes = withSignature(encodeMessageHeader(utf8, header), new Uint8Array(64));
        expect(bytes.length).toBeLessThanOrEqual(limits.headerBytesMax);
        expect(decodeMessageHeader(utf8, bytes)).toMatchObject({ ok: true, value: { unverified: { header } } });
      }),
    );
  });
});
