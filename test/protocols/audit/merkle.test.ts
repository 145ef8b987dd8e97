import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/crypto/port.ts';
import {
  type CompactRange,
  compactRange,
  emptyRange,
  emptyRoot,
  extendRange,
  GrowingTree,
  leafHash,
  rootOf,
} from '../../../src/protocols/audit/merkle.ts';
import {
  beginConsistencyProof,
  beginInclusionProof,
  type ProofInTheMaking,
  type TreeProof,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/protocols/audit/proof.ts';
import { auditPath, consistencyPath, treeHash } from '../../twins/merkle-tree.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const leavesOf = (records: readonly Uint8Array[]): Uint8Array[] => records.map((record) => leafHash(record, sha256));
const rangeOf = (records: readonly Uint8Array[]): CompactRange => extendRange(emptyRange, leavesOf(records), sha256);

function completed(making: ProofInTheMaking, leaves: readonly Uint8Array[]): TreeProof {
  while (!making.isComplete) making.add(leaves[making.next]!);
  return making.hashes;
}
const inclusionOf = (records: readonly Uint8Array[], index: number): TreeProof =>
  completed(beginInclusionProof(rangeOf(records.slice(0, index)), records.length, sha256), leavesOf(records));
const consistencyOf = (records: readonly Uint8Array[], old: number): TreeProof =>
  completed(beginConsistencyProof(rangeOf(records.slice(0, old)), records.length, sha256), leavesOf(records));
const headOf = (records: readonly Uint8Array[]) => ({ size: records.length, root: rootOf(rangeOf(records), sha256) });

const refused = (result: { ok: boolean }): boolean => !result.ok;
const recordsOf = (sizes: fc.ArrayConstraints) => fc.array(fc.uint8Array({ maxLength: 8 }), sizes);
const flip = (hash: Uint8Array, bit: number): Uint8Array =>
  hash.map((b, i) => (i === bit >> 3 ? b ^ (1 << (bit & 7)) : b));

/** The eight records that Certificate Transparency’s own programs are tested with, and what they must give. */
const inputs = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const records = inputs.map(bytes);
const roots = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('the tree of the audit log', () => {
  it.each(roots.map((root, size) => ({ size, root })))('gives the known root of $size records', ({ size, root }) => {
    expect(hex(rootOf(rangeOf(records.slice(0, size)), sha256))).toBe(root);
  });

  it('makes the known proofs', () => {
    expect(inclusionOf(records, 5).map(hex)).toEqual([
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(consistencyOf(records, 6).map(hex)).toEqual([
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ]);
    expect(consistencyOf(records.slice(0, 5), 2).map(hex)).toEqual([
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ]);
  });

  it('agrees with the RFC’s own definition at every size, place and older size up to 40', () => {
    const all = Array.from({ length: 40 }, (_, i) => Uint8Array.of(i));
    for (let size = 1; size <= all.length; size++) {
      const some = all.slice(0, size);
      const head = headOf(some);
      expect(head.root).toEqual(treeHash(some));
      for (let at = 0; at < size; at++) {
        const proof = inclusionOf(some, at);
        expect(proof).toEqual(auditPath(at, some));
        expect(verifyInclusion(head, at, leafHash(some[at]!, sha256), proof, sha256).ok).toBe(true);
      }
      for (let old = 1; old <= size; old++) {
        const proof = consistencyOf(some, old);
        expect(proof).toEqual(consistencyPath(old, some));
        expect(verifyConsistency(headOf(all.slice(0, old)), head, proof, sha256).ok).toBe(true);
      }
    }
  });

  it('grows the same however the leaves are handed over', () => {
    fc.assert(
      fc.property(recordsOf({ maxLength: 70 }), fc.nat(70), (all, cut) => {
        const at = Math.min(cut, all.length);
        const whole = rangeOf(all);
        expect(extendRange(rangeOf(all.slice(0, at)), leavesOf(all.slice(at)), sha256)).toEqual(whole);
        expect(rootOf(whole, sha256)).toEqual(treeHash(all));
        expect(compactRange(whole.size, whole.nodes)).toEqual({ ok: true, value: whole });
      }),
    );
  });

  it('keeps what was handed out as it was while it grows', () => {
    const tree = new GrowingTree(rangeOf(records), sha256);
    const before = tree.range;
    tree.append(leafHash(records[0]!, sha256));
    expect(before).toEqual(rangeOf(records));
    expect(tree.size).toBe(9);
    expect(tree.root()).toEqual(treeHash([...records, records[0]!]));
  });

  it('has forty-odd nodes at most, and ends at 2⁵³ − 1 leaves', () => {
    const node = sha256(Uint8Array.of(1));
    const full = compactRange(Number.MAX_SAFE_INTEGER, Array<Uint8Array>(53).fill(node));
    expect(full.ok).toBe(true);
    if (full.ok) expect(() => extendRange(full.value, [node], sha256)).toThrow(RangeError);
    expect(() => extendRange(emptyRange, [new Uint8Array(31)], sha256)).toThrow(TypeError);
  });

  it('refuses a right edge whose nodes do not fit its size', () => {
    const node = new Uint8Array(32);
    for (const [size, nodes] of [
      [-1, []],
      [0.5, [node]],
      [Number.NaN, []],
      [2 ** 53, [node]],
      [0, [node]],
      [1, []],
      [3, [node]],
      [2, [new Uint8Array(31)]],
    ] as const)
      expect(compactRange(size, nodes)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });
});

describe('a proof that a record is in the log', () => {
  it('holds for nothing but its record, place, size and root', () => {
    fc.assert(
      fc.property(
        recordsOf({ minLength: 1, maxLength: 33 }),
        fc.nat(),
        fc.nat(),
        fc.nat(255),
        fc.uint8Array({ maxLength: 8 }),
        (all, place, other, bit, stranger) => {
          const index = place % all.length;
          const head = headOf(all);
          const proof = inclusionOf(all, index);
          const leaf = leafHash(all[index]!, sha256);
          const check = (h = head, i = index, l = leaf, p = proof) => verifyInclusion(h, i, l, p, sha256);
          expect(check().ok).toBe(true);
          expect(refused(check({ ...head, root: flip(head.root, bit) }))).toBe(true);
          expect(refused(check(head, index, flip(leaf, bit)))).toBe(true);
          if (hex(stranger) !== hex(all[index]!))
            expect(refused(check(head, index, leafHash(stranger, sha256)))).toBe(true);
          // Another place of the same tree holds another leaf, unless the records are alike all the way up.
          const elsewhere = other % all.length;
          if (elsewhere !== index && hex(all[elsewhere]!) !== hex(all[index]!))
            expect(refused(check(head, elsewhere))).toBe(true);
          expect(refused(check(head, index, leaf, [...proof, flip(leaf, bit)]))).toBe(true);
          expect(refused(check(head, index, leaf, [leaf, ...proof]))).toBe(true);
          if (proof.length > 0) {
            const at = other % proof.length;
            expect(refused(check(head, index, leaf, proof.with(at, flip(proof[at]!, bit))))).toBe(true);
            expect(refused(check(head, index, leaf, proof.toSpliced(at, 1)))).toBe(true);
          }
        },
      ),
    );
  });

  it('refuses numbers that cannot be', () => {
    const head = headOf(records);
    const leaf = leafHash(records[0]!, sha256);
    const proof = inclusionOf(records, 0);
    for (const index of [-1, 8, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      expect(verifyInclusion(head, index, leaf, proof, sha256)).toMatchObject({ refusal: { code: 'MALFORMED' } });
    for (const size of [-8, 0, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      expect(verifyInclusion({ ...head, size }, 0, leaf, proof, sha256)).toMatchObject({
        refusal: { code: 'MALFORMED' },
      });
    expect(verifyInclusion(head, 0, leaf, [leaf.slice(1)], sha256)).toMatchObject({ refusal: { code: 'MALFORMED' } });
    expect(verifyInclusion(head, 0, leaf, Array<Uint8Array>(1_000_000).fill(leaf), sha256)).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED' },
    });
  });

  it('refuses an inner node in the place of a record', () => {
    // Two leaves’ hashes as one record: without the first byte this would be the node above them.
    const [left, right] = leavesOf(records);
    const inner = Uint8Array.from([...left!, ...right!]);
    const proof = inclusionOf(records, 0).slice(1);
    expect(refused(verifyInclusion({ ...headOf(records), size: 4 }, 0, leafHash(inner, sha256), proof, sha256))).toBe(
      true,
    );
  });
});

describe('a proof that the log only grew', () => {
  it('holds for nothing but its two trees', () => {
    fc.assert(
      fc.property(recordsOf({ minLength: 1, maxLength: 33 }), fc.nat(), fc.nat(), fc.nat(255), (all, a, b, bit) => {
        const size = 1 + (a % all.length);
        const old = headOf(all.slice(0, size));
        const head = headOf(all);
        const proof = consistencyOf(all, size);
        const check = (o = old, h = head, p = proof) => verifyConsistency(o, h, p, sha256);
        expect(check().ok).toBe(true);
        expect(refused(check({ ...old, root: flip(old.root, bit) }))).toBe(true);
        expect(refused(check(old, { ...head, root: flip(head.root, bit) }))).toBe(true);
        expect(refused(check(old, head, [...proof, flip(old.root, bit)]))).toBe(true);
        if (proof.length > 0) {
          const at = b % proof.length;
          expect(refused(check(old, head, proof.with(at, flip(proof[at]!, bit))))).toBe(true);
          expect(refused(check(old, head, proof.toSpliced(at, 1)))).toBe(true);
        }
      }),
    );
  });

  it('cannot be made after a change to anything that was there before', () => {
    fc.assert(
      fc.property(recordsOf({ minLength: 2, maxLength: 24 }), fc.nat(), fc.nat(), (all, a, b) => {
        const size = 1 + (a % (all.length - 1));
        const at = b % size;
        const changed = all.with(at, Uint8Array.from([...all[at]!, 1]));
        const forged = consistencyOf(changed, size);
        expect(refused(verifyConsistency(headOf(all.slice(0, size)), headOf(changed), forged, sha256))).toBe(true);
      }),
    );
  });

  it('knows the trees that need no proof', () => {
    const head = headOf(records);
    const nothing = { size: 0, root: emptyRoot(sha256) };
    expect(verifyConsistency(nothing, head, [], sha256).ok).toBe(true);
    expect(verifyConsistency(head, head, [], sha256).ok).toBe(true);
    expect(verifyConsistency(nothing, nothing, [], sha256).ok).toBe(true);
    expect(consistencyOf(records, 0)).toEqual([]);
    expect(refused(verifyConsistency({ size: 0, root: head.root }, head, [], sha256))).toBe(true);
    expect(refused(verifyConsistency(head, { ...head, root: nothing.root }, [], sha256))).toBe(true);
    expect(refused(verifyConsistency(nothing, { size: 0, root: head.root }, [], sha256))).toBe(true);
    expect(refused(verifyConsistency(nothing, head, [head.root], sha256))).toBe(true);
  });

  it('refuses numbers that cannot be', () => {
    const head = headOf(records);
    const proof = consistencyOf(records, 6);
    for (const size of [-1, 9, 5.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      expect(verifyConsistency({ ...head, size }, head, proof, sha256)).toMatchObject({ ok: false });
    for (const size of [-1, 5, 8.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])
      expect(verifyConsistency(headOf(records.slice(0, 6)), { ...head, size }, proof, sha256)).toMatchObject({
        ok: false,
      });
    expect(() => beginConsistencyProof(rangeOf(records), 7, sha256)).toThrow(RangeError);
    expect(() => beginInclusionProof(rangeOf(records), 8, sha256)).toThrow(RangeError);
  });

  it('says when a proof in the making is asked too early or fed too much', () => {
    const making = beginInclusionProof(rangeOf(records.slice(0, 5)), 8, sha256);
    expect(making.isComplete).toBe(false);
    expect(() => making.hashes).toThrow(RangeError);
    const proof = completed(making, leavesOf(records));
    expect(proof).toHaveLength(3);
    expect(() => making.add(leafHash(records[0]!, sha256))).toThrow(RangeError);
  });
});
