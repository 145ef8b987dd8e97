import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PersistentMap } from '../../src/protocols/persistent-map.ts';

const sorted = (entries: Iterable<readonly [string, number]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

/** Few keys, so that they come again; `collisions` have one 32-bit FNV-1a hash in pairs. */
const collisions = ['costarring', 'liquid', 'declinate', 'macallums', 'altarage', 'zinke'];
const key = fc.oneof(fc.constantFrom('a', 'b', '', ...collisions), fc.string({ maxLength: 3 }));
const act = fc.oneof(fc.record({ key, value: fc.nat() }), fc.record({ key, value: fc.constant(undefined) }));

describe('a persistent map', () => {
  it('is a map, and every earlier one stays as it was', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 200 }), (acts) => {
        const model = new Map<string, number>();
        let map = PersistentMap.empty<string, number>();
        const history: [PersistentMap<string, number>, ReturnType<typeof sorted>][] = [];
        for (const { key, value } of acts) {
          if (value === undefined) {
            map = map.without(key);
            model.delete(key);
          } else {
            map = map.with(key, value);
            model.set(key, value);
          }
          expect([map.get(key), map.size]).toEqual([model.get(key), model.size]);
          history.push([map, sorted(model)]);
        }
        for (const [then, entries] of history) {
          expect(sorted(then.entries())).toEqual(entries);
          for (const [known, value] of entries) expect(then.get(known)).toBe(value);
        }
      }),
    );
  });

  it('takes and gives back a hundred thousand entries', () => {
    let map = PersistentMap.empty<string, number>();
    const count = 100_000;
    for (let n = 0; n < count; n += 1) map = map.with(`default/agent-${n}`, n);
    expect([map.size, new Set(map.values()).size]).toEqual([count, count]);
    for (let n = 0; n < count; n += 1) map = map.without(`default/agent-${n}`);
    expect([map.size, [...map.keys()]]).toEqual([0, []]);
  });

  it('is the same one when there is nothing to take out', () => {
    const map = PersistentMap.empty<string, number>().with('a', 1);
    expect(map.without('b')).toBe(map);
  });
});
