import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256, sha256Into } from '../../../src/crypto/port.ts';
import { compactRange, emptyRange, extendRange, leafHash, rootOf } from '../../../src/protocols/audit/merkle.ts';
import { RecordTree } from '../../../src/protocols/audit/record-tree.ts';
import { treeHash } from '../../twins/merkle-tree.ts';

const leaf = (record: Uint8Array): Uint8Array => Uint8Array.of(0, ...record);

describe('the tree that grows where it lies', () => {
  it('is the RFC’s own, and the one that grows by values, from any size on', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 140 }), fc.nat(140), (all, cut) => {
        const at = Math.min(cut, all.length);
        const before = extendRange(
          emptyRange,
          all.slice(0, at).map((record) => leafHash(record, sha256)),
          sha256,
        );
        const tree = new RecordTree(before, sha256Into);
        for (const record of all.slice(at)) tree.append(leaf(record));
        const whole = extendRange(
          emptyRange,
          all.map((record) => leafHash(record, sha256)),
          sha256,
        );
        expect(tree.size).toBe(all.length);
        expect(tree.range).toEqual(whole);
        expect(rootOf(tree.range, sha256)).toEqual(treeHash(all));
      }),
    );
  });

  it('goes on from the right edge of any tree as the one that grows by values does', () => {
    const edge = fc.maxSafeNat().chain((size) =>
      fc.tuple(
        fc.constant(size),
        fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), {
          minLength: onesOf(size),
          maxLength: onesOf(size),
        }),
      ),
    );
    fc.assert(
      fc.property(edge, fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 20 }), ([size, nodes], records) => {
        const from = compactRange(size, nodes);
        if (!from.ok || size > Number.MAX_SAFE_INTEGER - records.length) return;
        const tree = new RecordTree(from.value, sha256Into);
        for (const record of records) tree.append(leaf(record));
        const leaves = records.map((record) => leafHash(record, sha256));
        expect(tree.range).toEqual(extendRange(from.value, leaves, sha256));
      }),
    );
  });

  it('keeps what was handed out and what it was made of as they were', () => {
    const from = extendRange(emptyRange, [sha256(), sha256(), sha256()], sha256);
    const copy = structuredClone(from);
    const tree = new RecordTree(from, sha256Into);
    const before = tree.range;
    for (let i = 0; i < 5; i++) tree.append(Uint8Array.of(0, i));
    expect(from).toEqual(copy);
    expect(before).toEqual(copy);
  });

  it('ends at 2⁵³ − 1 leaves', () => {
    const full = compactRange(Number.MAX_SAFE_INTEGER, Array<Uint8Array>(53).fill(sha256()));
    if (!full.ok) throw new Error('no tree');
    expect(() => new RecordTree(full.value, sha256Into).append(Uint8Array.of(0))).toThrow(RangeError);
    const almost = compactRange(Number.MAX_SAFE_INTEGER - 1, Array<Uint8Array>(52).fill(sha256()));
    if (!almost.ok) throw new Error('no tree');
    const tree = new RecordTree(almost.value, sha256Into);
    tree.append(Uint8Array.of(0));
    expect(tree.range.nodes).toHaveLength(53);
  });
});

const onesOf = (size: number): number => size.toString(2).replaceAll('0', '').length;
