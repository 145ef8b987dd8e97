import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import { malformed, readShape } from '../../../src/protocols/json/shape.ts';
import { type Notice, noticeBodies, noticePayload, readNotice } from '../../../src/protocols/notice/notice.ts';

const written = {
  policies: {
    policies: [
      {
        ...{ receiver: 'default/echo', allowed_senders: ['default/*'], denied_senders: [] },
        permitted_operations: [{ performatives: ['request'], protocols: [''] }],
        rate_limits: { default: '10/s burst 3' },
      },
    ],
  },
  roles: {
    roles: [{ name: 'auditor', permissions: ['ReadAudit'], denied_permissions: ['SendMessage'] }],
    bindings: [{ role: 'auditor', subjects: ['apikey:ann'], resources: ['agent:default/*'] }],
  },
  'api-keys': {
    keys: [
      {
        ...{ id: 'ann', name: 'Ann', roles: ['viewer'], resources: ['*'] },
        secrets: [{ hash: 'a'.repeat(64), notBefore: 1, expiresAt: 9 }],
      },
    ],
  },
} as const;
const payloadOf = (kind: keyof typeof written): string => {
  const body = unwrap(readShape<unknown>(noticeBodies[kind], written[kind], malformed('The body')));
  return noticePayload({ v: 1, kind, generation: 1, clusterId: 'c', issuedAt: 1, body } as unknown as Notice);
};
const kinds = Object.keys(written) as (keyof typeof written)[];

/** One value of a document replaced by any other, wherever it stands. */
function replaced(value: unknown, at: number, by: unknown): unknown {
  let left = at;
  const visit = (inner: unknown): unknown => {
    if (left-- === 0) return by;
    if (Array.isArray(inner)) return inner.map(visit);
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, one]) => [key, visit(one)]));
  };
  return visit(value);
}

describe('a document of policies, roles or API keys', () => {
  it('that somebody has changed in one place is read as what it says or refused, and never thrown at', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.nat(40), fc.jsonValue(), (kind, at, by) => {
        const text = JSON.stringify(replaced(JSON.parse(payloadOf(kind)), at, by));
        const read = readNotice(text);
        if (read.ok) expect(unwrap(readNotice(noticePayload(read.value)))).toEqual(read.value);
        else expect(read.refusal.reasons.length).toBeLessThanOrEqual(limits.reasonsMax);
      }),
      { numRuns: 5_000 },
    );
  });

  it('whose text was cut or had a character changed is likewise', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), fc.nat(600), fc.string({ maxLength: 3 }), (kind, at, by) => {
        const text = payloadOf(kind);
        for (const changed of [text.slice(0, at), text.slice(0, at) + by + text.slice(at + 1)]) {
          const read = readNotice(changed);
          if (read.ok) expect(unwrap(readNotice(noticePayload(read.value)))).toEqual(read.value);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('is refused unread when it is longer than any may be, and when a key stands in it twice', () => {
    const long = payloadOf('roles').replace('"auditor"', `"${'a'.repeat(limits.noticeBytesMax)}"`);
    expect(readNotice(long)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    const twice = payloadOf('api-keys').replace('"roles":["viewer"]', '"roles":["viewer"],"r\\u006fles":["admin"]');
    expect(readNotice(twice)).toMatchObject({
      refusal: { code: 'MALFORMED', reasons: [expect.stringContaining('twice')] },
    });
  });
});
