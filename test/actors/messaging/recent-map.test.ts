import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RecentMap } from '../../../src/actors/messaging/recent-map.ts';

const key = fc.integer({ min: 0, max: 12 }).map(String);
const act = fc.oneof(
  fc.record({ type: fc.constant('set' as const), key, value: fc.nat() }),
  fc.record({ type: fc.constant('get' as const), key }),
  fc.record({ type: fc.constant('delete' as const), key }),
);

it('never gives what was not set, and always what is among the last used', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.array(act, { maxLength: 200 }), (keptMin, acts) => {
      const map = new RecentMap<number>(keptMin);
      const values = new Map<string, number>();
      /** Newest last. */
      let used: string[] = [];
      const use = (name: string) => {
        used = [...used.filter((other) => other !== name), name];
      };
      for (const step of acts) {
        if (step.type === 'set') {
          map.set(step.key, step.value);
          values.set(step.key, step.value);
          use(step.key);
        } else if (step.type === 'delete') {
          map.delete(step.key);
          values.delete(step.key);
          used = used.filter((other) => other !== step.key);
        } else {
          const found = map.get(step.key);
          if (used.slice(-keptMin).includes(step.key)) expect(found).toBe(values.get(step.key));
          if (found === undefined) used = used.filter((other) => other !== step.key);
          else {
            expect(found).toBe(values.get(step.key));
            use(step.key);
          }
        }
        expect(map.size).toBeLessThanOrEqual(2 * keptMin);
      }
    }),
  );
});
