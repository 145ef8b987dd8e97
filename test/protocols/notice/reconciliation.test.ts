import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { TrustDomain } from '../../../src/names.ts';
import type { Notice } from '../../../src/protocols/notice/notice.ts';
import { noticePayload } from '../../../src/protocols/notice/notice.ts';
import {
  emptyNotices,
  isBehind,
  judgePublication,
  kindsBehind,
  marksOf,
  type NoticesState,
  noticesFor,
  revocationsInForce,
  rootsInForce,
  type SignedNotice,
  takeNotice,
  trustInForce,
} from '../../../src/protocols/notice/reconciliation.ts';
import type { Revocation } from '../../../src/protocols/notice/revocation.ts';
import { issuer, otherKey } from '../authorization/fixtures.ts';

const clusterId = 'cluster-1';
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest());
const signed = (notice: Notice): SignedNotice => {
  const payload = noticePayload(notice);
  return { notice, text: `signed ${payload}`, hash: sha256(Buffer.from(payload)), signer: 'authority' };
};
const node = (id: string): Revocation => ({ kind: 'node', id, reason: 'unspecified', at: 1 });
const revoking = (generation: number, ids: readonly string[], cluster = clusterId): SignedNotice =>
  signed({
    v: 1,
    kind: 'revocations',
    generation,
    clusterId: cluster,
    issuedAt: 1,
    body: { revocations: ids.map(node) },
  });
const trusting = (generation: number, deployers: readonly string[] = [issuer]): SignedNotice =>
  signed({
    v: 1,
    kind: 'trust',
    generation,
    clusterId,
    issuedAt: 1,
    body: { deployers, issuers: [], authorities: [otherKey] },
  });

const rooted = (generation: number, roots: readonly string[], issuing = 0): SignedNotice =>
  signed({
    ...({ v: 1, kind: 'roots', generation, clusterId, issuedAt: 1 } as const),
    body: { trustDomain: 'example.org' as TrustDomain, roots, issuing, crossSigned: [], lockedOut: [] },
  });

const taking = (documents: readonly SignedNotice[], from: NoticesState = emptyNotices(clusterId)): NoticesState =>
  documents.reduce((state, document) => takeNotice(state, document).state, from);
const revokedIn = (state: NoticesState): string[] =>
  revocationsInForce(state)
    .map(({ id }) => id)
    .sort();
const marks = (state: NoticesState) => marksOf(state, sha256);

const anyId = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const anyRevoking = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.uniqueArray(anyId))
  .map(([generation, ids]) => revoking(generation, ids));
const anyTrusting = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.subarray([issuer, otherKey]))
  .map(([generation, deployers]) => trusting(generation, deployers));
const anyDocument = fc.oneof(anyRevoking, anyTrusting);

describe('cluster documents', () => {
  it('never go back: generations only grow, and nothing is un-revoked', () => {
    fc.assert(
      fc.property(fc.array(anyDocument, { maxLength: 20 }), (documents) => {
        let state = emptyNotices(clusterId);
        for (const document of documents) {
          const before = state;
          state = takeNotice(state, document).state;
          for (const kind of ['trust', 'revocations'] as const) {
            const generation = before.shelves[kind]?.current.notice.generation ?? 0;
            expect(state.shelves[kind]?.current.notice.generation ?? 0).toBeGreaterThanOrEqual(generation);
          }
          expect(revokedIn(state)).toEqual(expect.arrayContaining(revokedIn(before)));
        }
      }),
    );
  });

  it('are the same for two nodes that told each other, however each had heard of them', () => {
    fc.assert(
      fc.property(fc.array(anyDocument, { maxLength: 8 }), fc.array(anyDocument, { maxLength: 8 }), (ours, theirs) => {
        const [a, b] = [taking(ours), taking(theirs)];
        const [after, afterToo] = [
          taking(noticesFor(b, marks(a), marks(b)), a),
          taking(noticesFor(a, marks(b), marks(a)), b),
        ];
        for (const kind of ['trust', 'revocations'] as const)
          expect(after.shelves[kind]?.current.notice.generation).toBe(
            afterToo.shelves[kind]?.current.notice.generation,
          );
        const { trust } = after.shelves;
        if (trust && trust.rivals.length < limits.noticeRivalsMax)
          expect(new Set(trustInForce(after)?.deployers)).toEqual(new Set(trustInForce(afterToo)?.deployers));
        expect(kindsBehind(marks(after), marks(afterToo))).toEqual([]);
      }),
    );
  });

  it('are taken once: the same one again changes nothing', () => {
    const state = taking([revoking(1, ['a'])]);
    expect(takeNotice(state, revoking(1, ['a']))).toEqual({ state, effects: [] });
  });

  it('of another cluster, and of a generation that is over, are refused', () => {
    const state = taking([revoking(2, ['a'])]);
    expect(takeNotice(state, revoking(3, [], 'cluster-2')).refusal).toMatchObject({ why: 'foreign' });
    expect(takeNotice(state, revoking(1, ['a'])).refusal).toMatchObject({ why: 'rollback', code: 'REPLAYED' });
  });
});

describe('more revocations than a node holds', () => {
  const real = Array.from({ length: 100 }, (_, at) => `real-${at}`);
  const junk = (count: number, name = 'junk') => Array.from({ length: count }, (_, at) => `${name}-${at}`);
  const state = taking([revoking(1, real)]);

  it.each([2, 1])('are refused, and what is in force stays: of generation %i', (generation) => {
    const { state: after, effects, refusal } = takeNotice(state, revoking(generation, junk(limits.revocationsMax)));
    expect([after, effects]).toEqual([state, []]);
    expect(refusal).toMatchObject({ code: 'LIMIT_EXCEEDED', why: 'overflow' });
    expect(refusal?.reasons[0]).toMatch(/4196 things together, and 4096 is the limit.*Sign one/);
  });

  it('are none as long as all fit together, whoever left out which', () => {
    const full = taking([revoking(2, junk(limits.revocationsMax - 100))], state);
    expect(revokedIn(full)).toEqual(expect.arrayContaining(real));
    expect(takeNotice(full, revoking(3, junk(1, 'other'))).refusal).toMatchObject({ why: 'overflow' });
    expect(revokedIn(taking([revoking(3, [])], full))).toHaveLength(limits.revocationsMax);
  });
});

describe('two documents of one generation', () => {
  it('raise an alarm once, and both count as far as they are strict', () => {
    const state = taking([revoking(1, ['a'])]);
    const forked = takeNotice(state, revoking(1, ['b']));
    expect(forked.effects).toMatchObject([{ type: 'forked', beside: { hash: revoking(1, ['a']).hash } }]);
    expect(revokedIn(forked.state)).toEqual(['a', 'b']);
    expect(takeNotice(forked.state, revoking(1, ['b']))).toEqual({ state: forked.state, effects: [] });
    const bundles = taking([trusting(1, [issuer, otherKey]), trusting(1, [issuer])]);
    expect(trustInForce(bundles)?.deployers).toEqual([issuer]);
  });

  it('are over with a higher one; what only one of them revoked stays revoked', () => {
    const forked = taking([revoking(1, ['a']), revoking(1, ['b'])]);
    const { state, effects } = takeNotice(forked, revoking(2, ['a']));
    expect(effects).toMatchObject([
      { type: 'installed', before: 1 },
      { type: 'left-out', revocations: [node('b')] },
    ]);
    expect([revokedIn(state), state.shelves.revocations?.rivals]).toEqual([['a', 'b'], []]);
    expect(trustInForce(taking([trusting(1, []), trusting(1), trusting(2)]))?.deployers).toEqual([issuer]);
  });

  it('are seen by whoever knows one of them, and do not pile up', () => {
    const [one, both] = [taking([revoking(1, ['a'])]), taking([revoking(1, ['b']), revoking(1, ['a'])])];
    expect([isBehind(marks(one), marks(both)), isBehind(marks(both), marks(one))]).toEqual([true, true]);
    expect(marks(both)).toEqual(marks(taking([revoking(1, ['a']), revoking(1, ['b'])])));
    const many = taking(['a', 'b', 'c', 'd', 'e'].map((id) => revoking(1, [id])));
    expect(many.shelves.revocations?.rivals).toHaveLength(limits.noticeRivalsMax);
    expect(takeNotice(many, revoking(1, ['e'])).refusal).toMatchObject({ why: 'fork' });
  });
});

describe('what a peer is given', () => {
  it('is every generation of trust that it missed, and of the rest the newest', () => {
    const state = taking([...[1, 2, 3, 4].map((n) => trusting(n)), revoking(1, []), revoking(2, ['a'])]);
    const away = taking([trusting(1)]);
    expect(noticesFor(state, marks(away), marks(state)).map(({ notice }) => [notice.kind, notice.generation])).toEqual([
      ['trust', 2],
      ['trust', 3],
      ['trust', 4],
      ['revocations', 2],
    ]);
    expect(noticesFor(state, marks(state), marks(state))).toEqual([]);
    expect(kindsBehind(marks(away), marks(state))).toEqual(['trust', 'revocations']);
  });

  it('has no more of the past than is kept', () => {
    const state = taking(Array.from({ length: limits.noticesEarlierMax + 10 }, (_, at) => trusting(at + 1)));
    expect(noticesFor(state, [], marks(state))).toHaveLength(limits.noticesEarlierMax + 1);
  });

  it('does not hang on kinds that only a newer version knows', () => {
    const strange = [{ kind: 'weather', generation: 9, hash: new Uint8Array(32) }];
    expect([isBehind([], strange), kindsBehind([], strange), noticesFor(taking([]), strange, [])]).toEqual([
      false,
      [],
      [],
    ]);
  });
});

describe('what an operator publishes', () => {
  const state = taking([revoking(2, ['a'])]);
  it.each<[string, SignedNotice, string]>([
    ['the next generation', revoking(3, ['a', 'b']), 'ok'],
    ['the first of a kind', trusting(1), 'ok'],
    ['the same again', revoking(2, ['a']), 'ok'],
    ['a generation that is taken', revoking(2, ['b']), 'ALREADY_EXISTS'],
    ['one that is over', revoking(1, ['a']), 'REPLAYED'],
    ['one that takes a revocation back', revoking(3, ['b']), 'PROTOCOL_VIOLATION'],
    ['one of another cluster', revoking(3, ['a'], 'cluster-2'), 'PROTOCOL_VIOLATION'],
  ])('is judged before it is in force: %s', (_, document, expected) => {
    const judged = judgePublication(state, document);
    expect(judged.ok ? 'ok' : judged.refusal.code).toBe(expected);
  });
});

describe('two bundles of roots of one generation', () => {
  const step = rooted(2, ['AAAA', 'BBBB'], 1);
  const rivals = [rooted(3, ['AAAA']), rooted(3, ['BBBB'])];

  it('that have no root in common leave what was in force before, in whatever order they come', () => {
    for (const [first, second] of [rivals, rivals.toReversed()] as const) {
      const state = taking([rooted(1, ['AAAA']), step, first!, second!]);
      expect(rootsInForce(state)).toEqual(step.notice.body);
      expect(rootsInForce(taking([rooted(4, ['BBBB'])], state))?.roots).toEqual(['BBBB']);
    }
  });

  it('whose generation before was two as well leave what both of those held', () => {
    const state = taking([step, rooted(2, ['BBBB', 'CCCC']), ...rivals]);
    expect(rootsInForce(state)?.roots).toEqual(['BBBB']);
  });

  it('are told without what was before them, which is over', () => {
    const state = taking([step, ...rivals]);
    expect(noticesFor(state, [], marks(state))).toEqual(rivals);
  });
});
