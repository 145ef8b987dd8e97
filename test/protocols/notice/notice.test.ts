import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { type NoticeOf, noticePayload, readNotice, supersedes } from '../../../src/protocols/notice/notice.ts';
import { stricterTrust } from '../../../src/protocols/notice/trust.ts';
import { issuer, now, otherKey } from '../authorization/fixtures.ts';

const notice: NoticeOf<'trust'> = {
  v: 1,
  kind: 'trust',
  generation: 3,
  clusterId: '0123456789abcdef0123456789abcdef',
  issuedAt: now,
  body: { deployers: [issuer], issuers: [issuer, otherKey], authorities: [otherKey] },
};
const changed = (change: Record<string, unknown>) => JSON.stringify({ ...notice, ...change });
const verdict = (candidate: Partial<NoticeOf<'trust'>>) => {
  const judged = supersedes(notice, { ...notice, ...candidate });
  return judged.ok ? judged.value : `${judged.refusal.why} ${judged.refusal.code}`;
};

describe('a notice', () => {
  it('is read back as it was written, and written again as the same text', () => {
    const payload = noticePayload(notice);
    const read = readNotice(payload);
    expect(read).toEqual({ ok: true, value: notice });
    expect(read.ok && noticePayload(read.value)).toBe(payload);
  });

  it.each([
    ['another version', { v: 2 }],
    ['the body of another kind', { kind: 'revocations' }],
    ['generation 0', { generation: 0 }],
    ['a generation that wraps', { generation: 2 ** 53 }],
    ['a cluster id that is not one', { clusterId: 'Other Cluster' }],
    ['a body of another kind', { body: {} }],
    ['no authority', { body: { ...notice.body, authorities: [] } }],
    ['a key twice', { body: { ...notice.body, deployers: [issuer, issuer] } }],
    ['a key in a second spelling', { body: { ...notice.body, deployers: [`${issuer.slice(0, -1)}B`] } }],
    ['too many keys', { body: { ...notice.body, issuers: Array(limits.trustKeysMax + 1).fill(issuer) } }],
    ['an unknown key', { body: { ...notice.body, revoked: [] } }],
  ])('is refused with %s', (_, change) => {
    const read = readNotice(changed(change));
    expect(read.ok ? 'ok' : read.refusal.code).toBe('MALFORMED');
  });

  it('is not written when nobody would read it', () => {
    expect(() => noticePayload({ ...notice, generation: 0 })).toThrow('generation');
  });
});

describe('whether a notice takes the place of another', () => {
  it.each<[string, Partial<NoticeOf<'trust'>>, string]>([
    ['a higher generation', { generation: 4 }, 'newer'],
    ['the same document', {}, 'same'],
    ['a lower generation', { generation: 2 }, 'rollback REPLAYED'],
    ['a lower generation issued later', { generation: 2, issuedAt: now + 1_000_000 }, 'rollback REPLAYED'],
    ['one generation, another time', { issuedAt: now + 1 }, 'fork PROTOCOL_VIOLATION'],
    ['one generation, another body', { body: { ...notice.body, deployers: [] } }, 'fork PROTOCOL_VIOLATION'],
    ['another cluster', { generation: 9, clusterId: 'other' }, 'foreign PROTOCOL_VIOLATION'],
  ])('%s', (_, candidate, expected) => {
    expect(verdict(candidate)).toBe(expected);
  });

  it('the first does', () => {
    expect(supersedes(undefined, notice)).toEqual({ ok: true, value: 'newer' });
  });

  it.each<[string, number | undefined, number, string]>([
    ['as high as may be', 3, 3 + limits.noticeGenerationStepMax, 'newer'],
    ['one higher', 3, 4 + limits.noticeGenerationStepMax, 'leap LIMIT_EXCEEDED'],
    ['the highest number', 3, Number.MAX_SAFE_INTEGER, 'leap LIMIT_EXCEEDED'],
    ['the first, as high as may be', undefined, limits.noticeGenerationStepMax, 'newer'],
    ['the first, one higher', undefined, 1 + limits.noticeGenerationStepMax, 'leap LIMIT_EXCEEDED'],
  ])('only from within reach, so that there is always a higher one: %s', (_, from, generation, expected) => {
    const current = from === undefined ? undefined : { ...notice, generation: from };
    const judged = supersedes(current, { ...notice, generation });
    expect(judged.ok ? judged.value : `${judged.refusal.why} ${judged.refusal.code}`).toBe(expected);
  });
});

describe('the stricter of two trust bundles', () => {
  const other = { deployers: [otherKey], issuers: [otherKey, issuer], authorities: [otherKey] };

  it('trusts only what both do, whichever comes first', () => {
    const strict = stricterTrust(notice.body, other);
    expect(strict).toEqual({ deployers: [], issuers: [issuer, otherKey], authorities: [otherKey] });
    const swapped = stricterTrust(other, notice.body);
    expect(new Set(swapped.issuers)).toEqual(new Set(strict.issuers));
  });
});
