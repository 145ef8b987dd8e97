import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import {
  decodeNoticePart,
  decodeNoticeRequest,
  encodeNoticePart,
  encodeNoticeRequest,
} from '../../../src/protocols/link/notice-frame.ts';
import { utf8 } from './fixtures.ts';

const anyMarks = fc.array(
  fc.record({
    kind: fc.string({ maxLength: 40 }),
    generation: fc.nat(),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
  { maxLength: 16 },
);

describe('the frames of notices', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(anyMarks, fc.nat(limits.noticesPerAnswerMax - 1), fc.string(), (marks, left, text) => {
        expect(unwrap(decodeNoticeRequest(utf8, encodeNoticeRequest(utf8, marks))).unverified).toEqual(marks);
        expect(unwrap(decodeNoticePart(utf8, encodeNoticePart(utf8, { left, text }))).unverified).toEqual({
          left,
          text,
        });
      }),
    );
  });

  it('are refused, and never throw, when cut, lengthened or anything else', () => {
    fc.assert(
      fc.property(anyMarks, fc.nat(400), fc.uint8Array({ maxLength: 64 }), (marks, cut, noise) => {
        const whole = encodeNoticeRequest(utf8, marks);
        if (cut < whole.length) expect(decodeNoticeRequest(utf8, whole.subarray(0, cut)).ok).toBe(false);
        expect(decodeNoticeRequest(utf8, new Uint8Array([...whole, 0])).ok).toBe(false);
        decodeNoticeRequest(utf8, noise);
        decodeNoticePart(utf8, { header: noise, content: noise });
      }),
    );
  });

  it.each<[string, { header: Uint8Array; content: Uint8Array }]>([
    ['more to come than an answer may have', encodeNoticePart(utf8, { left: limits.noticesPerAnswerMax, text: '' })],
    [
      'a longer document than there is',
      encodeNoticePart(utf8, { left: 0, text: 'a'.repeat(limits.noticeBytesMax + 1) }),
    ],
    [
      'what is no text',
      { header: encodeNoticePart(utf8, { left: 0, text: '' }).header, content: new Uint8Array([0xff]) },
    ],
  ])('are refused with %s', (_, frame) => {
    const read = decodeNoticePart(utf8, frame);
    expect(read.ok ? 'ok' : read.refusal.code).toBe('MALFORMED');
  });
});
