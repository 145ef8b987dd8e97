import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isUuidV7, uuidBytes, uuidText, uuidV7 } from '../../../src/protocols/acl/uuid.ts';

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const chance = fc.uint8Array({ minLength: 10, maxLength: 10 });

describe('uuidV7', () => {
  test('is the example of RFC 9562, appendix A.6', () => {
    const random = Uint8Array.of(0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f);
    expect(uuidV7(0x017f_22e2_79b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  test('carries its time, version and variant, and all of the chance beside them', () => {
    fc.assert(
      fc.property(time, chance, (now, random) => {
        const text = uuidV7(now, random);
        expect(isUuidV7(text)).toBe(true);
        const digits = text.replaceAll('-', '');
        expect(Number.parseInt(digits.slice(0, 12), 16)).toBe(now);
        const bytes = uuidBytes(text);
        expect(bytes[6]! & 0x0f).toBe(random[0]! & 0x0f);
        expect(bytes[8]! & 0x3f).toBe(random[2]! & 0x3f);
        expect([bytes[7], ...bytes.subarray(9)]).toEqual([random[1], ...random.subarray(3)]);
      }),
    );
  });

  test('sorts by time as text', () => {
    fc.assert(
      fc.property(time, time, chance, chance, (a, b, one, two) => {
        fc.pre(a < b);
        expect(uuidV7(a, one) < uuidV7(b, two)).toBe(true);
      }),
    );
  });

  test('goes to bytes and back', () => {
    fc.assert(
      fc.property(time, chance, (now, random) => {
        const text = uuidV7(now, random);
        expect(uuidText(uuidBytes(text))).toBe(text);
      }),
    );
  });

  test('leaves the random bytes that it was given alone', () => {
    const random = new Uint8Array(10).fill(0xff);
    uuidV7(1, random);
    expect(random).toEqual(new Uint8Array(10).fill(0xff));
  });
});

describe('isUuidV7', () => {
  const good = '017f22e2-79b0-7cc3-98c4-dc0c0c07398f';
  test.each([
    ['nothing', ''],
    ['upper case', good.toUpperCase()],
    ['another version', good.replace('-7cc3', '-4cc3')],
    ['another variant', good.replace('-98c4', '-c8c4')],
    ['no hyphens', good.replaceAll('-', '')],
    ['a digit less', good.slice(1)],
    ['a digit more', `${good}0`],
    ['a line break behind', `${good}\n`],
    ['braces', `{${good}}`],
    ['a letter past f', good.replace('017f', '017g')],
  ])('refuses %s, and so do the bytes', (_, text) => {
    expect(isUuidV7(text)).toBe(false);
    expect(() => uuidBytes(text)).toThrow(RangeError);
  });
});
