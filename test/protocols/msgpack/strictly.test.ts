import { expect, test } from 'vitest';
import { MalformedBytes } from '../../../src/protocols/msgpack/reader.ts';
import { strictly } from '../../../src/protocols/msgpack/strictly.ts';

test('malformed bytes become a refusal that names what was read', () => {
  const result = strictly('thing', () => {
    throw new MalformedBytes('cut short');
  });
  expect(result).toEqual({
    ok: false,
    refusal: { code: 'MALFORMED', reasons: ['The thing is malformed: cut short.'] },
  });
});

test('a value comes out unverified, and a bug stays a throw', () => {
  expect(strictly('thing', () => 7)).toEqual({ ok: true, value: { unverified: 7 } });
  const bug = new TypeError('a bug');
  expect(() =>
    strictly('thing', () => {
      throw bug;
    }),
  ).toThrow(bug);
});
