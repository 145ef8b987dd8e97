import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HashList } from '../../../src/protocols/audit/hash-list.ts';

const hash = (n: number): Uint8Array => new Uint8Array(32).map((_, at) => (n >>> (8 * (at % 4))) & 255);

test('is a list of hashes that is filled at the end and emptied from the front', () => {
  const act = fc.oneof(fc.record({ push: fc.nat() }), fc.record({ drop: fc.nat(20) }));
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300 }), (acts) => {
      const list = new HashList();
      let model: number[] = [];
      for (const step of acts) {
        if ('push' in step) {
          list.push(hash(step.push));
          model.push(step.push);
        } else {
          const count = Math.min(step.drop, model.length);
          list.drop(count);
          model = model.slice(count);
        }
        expect(list.length).toBe(model.length);
      }
      expect([...list]).toEqual(model.map(hash));
      const [from, to] = [model.length >> 2, model.length >> 1];
      expect([...list.slice(from, to)]).toEqual(model.slice(from, to).map(hash));
    }),
  );
});

test('gives copies, and takes nothing but hashes', () => {
  const list = new HashList();
  list.push(hash(7));
  list.at(0).fill(0);
  const [part] = list.slice(0, 1);
  part!.fill(0);
  expect(list.at(0)).toEqual(hash(7));
  expect(() => list.at(1)).toThrow(RangeError);
  expect(() => list.at(-1)).toThrow(RangeError);
  expect(() => list.push(new Uint8Array(31))).toThrow(RangeError);
});
