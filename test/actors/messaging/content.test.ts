import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Content } from '../../../src/actors/messaging/content.ts';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { refusalOf } from '../../crypto/fixtures.ts';

const carried = (value: unknown, language?: string): unknown => {
  const sent = unwrap(Content.fromValue(value, language));
  return Content.fromBytes(sent.bytes, sent.language).value;
};

describe('content', () => {
  it('reads the same over a link and on one node, whatever the language', () => {
    const values = fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array(), fc.jsonValue());
    fc.assert(
      fc.property(values, (value) => {
        const sent = unwrap(Content.fromValue(value));
        const read = Content.fromBytes(sent.bytes, sent.language).value;
        expect(read).toEqual(sent.value);
        // JSON knows no negative zero.
        if (sent.language !== 'json') expect(read).toEqual(value);
      }),
    );
  });

  it.each([
    ['text', 'text', 'text'],
    [{ a: 1 }, undefined, 'json'],
    [new Uint8Array([1]), undefined, 'bytes'],
    ['<a/>', 'xml', 'xml'],
  ])('has a language: %j in %s is %s', (value, language, expected) => {
    expect(unwrap(Content.fromValue(value, language)).language).toBe(expected);
  });

  it('shares no mutable object between sender and receiver', () => {
    const object = { list: [1] };
    const bytes = new Uint8Array([1, 2]);
    const buffer = Buffer.from([1, 2]);
    const sent = [object, bytes, buffer].map((value) => unwrap(Content.fromValue(value)));
    object.list.push(2);
    bytes[0] = 9;
    buffer[0] = 9;
    expect(sent.map(({ value }) => value)).toEqual([{ list: [1] }, new Uint8Array([1, 2]), new Uint8Array([1, 2])]);
  });

  it('keeps nothing of the frame’s buffer', () => {
    const frame = Buffer.from('hello');
    const content = Content.fromBytes(frame.subarray(0, 4), 'text');
    frame.fill(0);
    expect(content.value).toBe('hell');
  });

  it.each([
    ['a circle', () => Object.assign([] as unknown[], { 0: undefined }).concat(circle()), undefined],
    ['a function', () => () => {}, undefined],
    ['nothing', () => undefined, undefined],
    ['a big integer', () => ({ n: 1n }), undefined],
    ['an object in text', () => ({}), 'text'],
    ['half a character', () => 'a\ud800b', 'text'],
  ])('refuses what its language cannot say: %s', (_, make, language) => {
    expect(refusalOf(Content.fromValue(make(), language)).code).toBe('MALFORMED');
  });

  it.each([
    ['ASCII', 'a'.repeat(limits.contentBytesMax), true],
    ['ASCII and one more', 'a'.repeat(limits.contentBytesMax + 1), false],
    ['three bytes a character', '€'.repeat(Math.floor(limits.contentBytesMax / 3)), true],
    ['three bytes a character and one more', '€'.repeat(Math.floor(limits.contentBytesMax / 3) + 1), false],
    ['bytes', new Uint8Array(limits.contentBytesMax + 1), false],
  ])('counts bytes, not characters: %s', (_, value, fits) => {
    const content = Content.fromValue(value);
    expect(content.ok).toBe(fits);
    if (!content.ok) expect(content.refusal.code).toBe('LIMIT_EXCEEDED');
  });

  it('counts the bytes of JSON as it is written: escapes make it longer than the text', () => {
    const text = '\u0001'.repeat(Math.floor(limits.contentBytesMax / 3));
    expect(Content.fromValue(text).ok).toBe(true);
    expect(refusalOf(Content.fromValue(text, 'json')).code).toBe('LIMIT_EXCEEDED');
  });

  it('stays bytes where they are not in the form of their language', () => {
    expect(Content.fromBytes(Buffer.from('{"a":'), 'json').value).toEqual(new Uint8Array(Buffer.from('{"a":')));
    expect(Content.fromBytes(new Uint8Array([0xff]), 'text').value).toEqual(new Uint8Array([0xff]));
  });

  it('does not let JSON reach a prototype', () => {
    const read = carried(JSON.parse('{"__proto__":{"admin":true}}')) as { admin?: boolean };
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('previews the start of a long text, cut between characters', () => {
    for (const text of ['€a'.repeat(300), `a${'😀'.repeat(300)}`, 'é'.repeat(500), 'x'.repeat(500)])
      for (const most of [4, 5, 6, 7, 120]) {
        const shown = unwrap(Content.fromValue(text)).preview(most);
        expect(shown.length).toBeLessThanOrEqual(most);
        expect(shown.endsWith('…')).toBe(true);
        expect(text.startsWith(shown.slice(0, -1))).toBe(true);
        expect(shown).not.toMatch(/\p{Surrogate}/u);
      }
    expect(unwrap(Content.fromValue('short')).preview(120)).toBe('short');
    expect(unwrap(Content.fromValue(new Uint8Array(3))).preview(120)).toBe('3 bytes');
  });
});

function circle(): unknown[] {
  const round: unknown[] = [];
  round.push(round);
  return round;
}
