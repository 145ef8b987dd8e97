import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { NodeId, TrustDomain } from '../../../src/names.ts';
import { noticePayload, readNotice } from '../../../src/protocols/notice/notice.ts';
import {
  lockedOutUnsaid,
  missingMembers,
  nextRotationStep,
  type RotationMember,
  type RotationState,
  rotationStage,
} from '../../../src/protocols/notice/root-rotation.ts';
import { issuingRoot, judgeRootsStep, type RootsBody, stricterRoots } from '../../../src/protocols/notice/roots.ts';

const trustDomain = 'example.org' as TrustDomain;
const now = 1_800_000_000_000;
const body = (roots: readonly string[], issuing = 0, over: Partial<RootsBody> = {}): RootsBody => ({
  ...{ trustDomain, roots, issuing, crossSigned: [], lockedOut: [] },
  ...over,
});
const id = (number: number) => `node-${number}` as NodeId;

const rootNames = ['AAAA', 'BBBB', 'CCCC', 'DDDD'] as const;
const anyBody: fc.Arbitrary<RootsBody> = fc
  .uniqueArray(fc.constantFrom(...rootNames), { minLength: 1, maxLength: 4 })
  .chain((roots) => fc.nat(roots.length - 1).map((issuing) => body(roots, issuing)));
const anyMember = (generation: number): fc.Arbitrary<RotationMember> =>
  fc.record({
    nodeId: fc.nat(40).map(id),
    acknowledged: fc.nat(generation + 1),
    root: fc.option(fc.constantFrom(...rootNames), { nil: undefined }),
    endsAt: fc.option(fc.integer({ min: now - 400_000, max: now + 400_000 }), { nil: undefined }),
  });
const anyState: fc.Arbitrary<RotationState> = fc
  .tuple(anyBody, fc.integer({ min: 1, max: 9 }))
  .chain(([bundle, generation]) =>
    fc
      .uniqueArray(anyMember(generation), { maxLength: 8, selector: ({ nodeId }) => nodeId })
      .map((members) => ({ bundle, generation, members, now })),
  );

describe('a bundle of roots', () => {
  test('is read back as it was signed, and is refused with anything amiss', () => {
    const notice = {
      ...({ v: 1, kind: 'roots', generation: 3, clusterId: 'c1', issuedAt: now } as const),
      body: body(['AAAA', 'BBBB'], 1, { crossSigned: ['CCCC'], lockedOut: [id(1)] }),
    };
    expect(unwrap(readNotice(noticePayload(notice)))).toEqual(notice);
    const spoilt: readonly object[] = [
      { roots: [] },
      { roots: ['AAAA', 'AAAA'] },
      { issuing: 2 },
      { roots: Array.from({ length: limits.rootsMax + 1 }, (_, at) => `AAA${at}`) },
      { roots: ['not base64!'] },
      { trustDomain: 'Example.org' },
      { lockedOut: ['-'] },
      { more: true },
    ];
    for (const over of spoilt)
      expect(readNotice(JSON.stringify({ ...notice, body: { ...notice.body, ...over } })).ok).toBe(false);
  });

  test('of which several have one generation is what all hold, the same on every node', () => {
    fc.assert(
      fc.property(anyBody, anyBody, anyBody, (a, b, c) => {
        const one = stricterRoots([a, b, c]);
        for (const order of [
          [c, b, a],
          [b, a, c],
          [b, c, a],
        ])
          expect(stricterRoots(order)).toEqual(one);
        const common = a.roots.filter((root) => b.roots.includes(root) && c.roots.includes(root));
        expect(one === undefined).toBe(common.length === 0);
        if (!one) return;
        expect([...one.roots].sort()).toEqual([...common].sort());
        expect(one.roots).toContain(issuingRoot(one));
      }),
    );
    const other = body(['AAAA'], 0, { trustDomain: 'other.org' as TrustDomain });
    expect(stricterRoots([body(['AAAA']), other])).toBeUndefined();
  });

  test('that two operators publish at once says where the rotation is, as either would alone', () => {
    // The next root may well come first by its text.
    for (const issuing of [0, 1]) {
      const step = body(['BBBB', 'AAAA'], issuing);
      const both = stricterRoots([step, { ...step, lockedOut: [id(1)] }]);
      expect(both).toEqual(step);
      expect(rotationStage(both!)).toBe(rotationStage(step));
    }
  });

  test('follows another one step at a time', () => {
    const old = body(['AAAA']);
    const both = body(['AAAA', 'BBBB']);
    const issuing = body(['AAAA', 'BBBB'], 1);
    const alone = body(['BBBB']);
    for (const [before, after] of [
      [old, both],
      [both, issuing],
      [issuing, alone],
      [issuing, both],
      [both, old],
    ] as const)
      expect(judgeRootsStep(before, after).ok).toBe(true);
    for (const [before, after] of [
      [old, alone],
      [old, issuing],
      [both, alone],
      [old, body(['AAAA'], 0, { trustDomain: 'other.org' as TrustDomain })],
    ] as const)
      expect(judgeRootsStep(before, after).ok).toBe(false);
  });
});

describe('the next step of a rotation', () => {
  const both = body(['AAAA', 'BBBB']);
  const member = (number: number, over: Partial<RotationMember> = {}): RotationMember => ({
    ...{ nodeId: id(number), acknowledged: 2, root: 'AAAA', endsAt: now + 86_400_000 },
    ...over,
  });
  const state = (bundle: RootsBody, members: readonly RotationMember[], generation = 2): RotationState => ({
    ...{ bundle, members, generation, now },
  });

  test('is none without a next root, and a conflict with a third one', () => {
    expect(nextRotationStep(state(body(['AAAA']), []), undefined, false).type).toBe('done');
    expect(nextRotationStep(state(body(['AAAA']), []), { root: 'AAAA', crossSigned: [] }, false).type).toBe('done');
    expect(nextRotationStep(state(both, []), { root: 'CCCC', crossSigned: [] }, true).type).toBe('conflict');
  });

  test.each<[string, RotationMember, string]>([
    ['has said nothing', member(1, { acknowledged: 0 }), 'has acknowledged no bundle'],
    ['has acknowledged an earlier bundle', member(1, { acknowledged: 1 }), 'has acknowledged generation 1'],
  ])('waits while a member %s', (_, missing, reason) => {
    const step = nextRotationStep(state(both, [member(2), missing]), undefined, false);
    expect(step).toEqual({
      type: 'wait',
      missing: [{ nodeId: id(1), reason: expect.stringContaining(reason) }],
    });
  });

  test('drops the old root only when nobody shows a certificate under it, or that one has ended', () => {
    const issuing = body(['AAAA', 'BBBB'], 1);
    const renewed = member(1, { root: 'BBBB' });
    expect(nextRotationStep(state(issuing, [renewed, member(2)]), undefined, false).type).toBe('wait');
    expect(nextRotationStep(state(issuing, [renewed, member(2, { root: undefined })]), undefined, false).type).toBe(
      'wait',
    );
    for (const gone of [member(2, { root: 'BBBB' }), member(2, { acknowledged: 0, endsAt: now - 61_000 })])
      expect(nextRotationStep(state(issuing, [renewed, gone]), undefined, false)).toMatchObject({
        type: 'drop',
        body: { roots: ['BBBB'], issuing: 0, crossSigned: [], lockedOut: [] },
      });
  });

  test('by force names whom it locks out, and whoever forgets one is refused', () => {
    const at = state(body(['AAAA', 'BBBB'], 1), [
      member(1, { root: 'BBBB' }),
      member(2),
      member(3, { acknowledged: 0 }),
    ]);
    const step = nextRotationStep(at, undefined, true);
    if (step.type !== 'drop') throw new Error(step.type);
    expect(step.body.lockedOut).toEqual([id(2), id(3)]);
    expect(lockedOutUnsaid(at, step.body)).toEqual([]);
    expect(lockedOutUnsaid(at, { ...step.body, lockedOut: [id(2)] }).map(({ nodeId }) => nodeId)).toEqual([id(3)]);
    expect(lockedOutUnsaid(at, at.bundle)).toEqual([]);
  });

  test('never leaves anybody behind unsaid, and never takes two steps at once', () => {
    fc.assert(
      fc.property(anyState, fc.boolean(), fc.constantFrom('EEEE', ...rootNames), (at, force, root) => {
        const step = nextRotationStep(at, { root, crossSigned: [] }, force);
        if (!('body' in step)) return;
        expect(judgeRootsStep(at.bundle, step.body).ok).toBe(true);
        expect(lockedOutUnsaid(at, step.body)).toEqual([]);
        if (!force) expect(step.type === 'distribute' ? [] : missingMembers(at)).toEqual([]);
      }),
    );
  });

  test('comes to the next root alone, whatever else happens, in three bundles', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(9), { maxLength: 5 }), (ids) => {
        let at = state(body(['AAAA']), [], 0);
        const published: string[] = [];
        for (let turn = 0; turn < 10; turn++) {
          const step = nextRotationStep(at, { root: 'BBBB', crossSigned: [] }, false);
          if (step.type === 'done') break;
          if (!('body' in step)) {
            // Everybody does what the bundle in force wants.
            const members = ids.map((one) =>
              member(one, { acknowledged: at.generation, root: issuingRoot(at.bundle) }),
            );
            at = { ...at, members };
            continue;
          }
          published.push(step.type);
          at = {
            ...at,
            bundle: step.body,
            generation: at.generation + 1,
            members: ids.map((one) => member(one, { acknowledged: 0 })),
          };
        }
        expect(published).toEqual(['distribute', 'issue', 'drop']);
        expect([rotationStage(at.bundle), at.bundle.roots]).toEqual(['settled', ['BBBB']]);
      }),
    );
  });
});
