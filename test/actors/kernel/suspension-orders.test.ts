import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assign, setup } from 'xstate';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { lab, one, settle, worker } from './lab.ts';

/** Two levels of two: enough for orders that nest, overlap and stand side by side. */
const parts = ['/node/p', '/node/q'] as const;
const leaves = parts.flatMap((part) => [`${part}/a`, `${part}/b`]);
const everywhere = ['/node', ...parts, ...leaves];

type Act =
  | { readonly kind: 'suspend' | 'resume' | 'crash'; readonly path: string }
  | { readonly kind: 'tell'; readonly path: string }
  | { readonly kind: 'wait'; readonly ms: number };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('suspend' as const, 'resume' as const),
      path: fc.constantFrom(...everywhere),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('tell' as const), path: fc.constantFrom(...leaves) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), path: fc.constantFrom(...leaves) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 250 }) }) },
);

test('whatever is suspended, resumed, told and crashed: nobody acts while suspended, and nothing is lost or out of order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 25 }), async (acts) => {
      const orders = new Set<string>();
      const covered = (path: string) => [...orders].some((order) => `${path}/`.startsWith(`${order}/`));
      const got = new Map<string, number[]>(leaves.map((path) => [path, []]));
      const acted: string[] = [];
      const clockwork = (path: string) =>
        setup({
          types: { context: {} as { ticks: number }, events: {} as { type: 'n'; n: number } | { type: 'crash' } },
        }).createMachine({
          context: { ticks: 0 },
          initial: 'tick',
          on: {
            n: {
              actions: ({ event }) => {
                got.get(path)?.push(event.n);
                acted.push(path);
              },
            },
            crash: {
              actions: () => {
                throw new Error('crashed');
              },
            },
          },
          states: {
            tick: {
              after: {
                100: { target: 'tick', reenter: true, actions: [assign({ ticks: 1 }), () => acted.push(path)] },
              },
            },
          },
        });
      const leaf = (path: string) => worker(path.slice(-1), clockwork(path), { shutdown: 'brutal-kill' });
      const part = (path: string) =>
        one(path.slice(-1), leaves.filter((each) => each.startsWith(path)).map(leaf), { intensity: 100 });
      const { kernel, clock } = lab();
      await kernel.start(one('node', parts.map(part), { intensity: 100 }));
      const told = new Map<string, number[]>(leaves.map((path) => [path, []]));
      let n = 0;
      for (const each of acts) {
        acted.length = 0;
        if (each.kind === 'suspend') orders.add(each.path);
        if (each.kind === 'resume') orders.delete(each.path);
        if (each.kind === 'suspend' || each.kind === 'resume') expect(kernel[each.kind](each.path).ok).toBe(true);
        if (each.kind === 'crash') kernel.ref<Message>(each.path).tell({ type: 'crash' }, 'control');
        if (each.kind === 'wait') await clock.advanceAsync(each.ms);
        if (each.kind === 'tell') {
          n += 1;
          told.get(each.path)?.push(n);
          kernel.ref<Message & { n: number }>(each.path).tell({ type: 'n', n });
        }
        await settle(6);
        expect(acted.filter(covered)).toEqual([]);
        for (const view of kernel.tree()) expect([view.path, view.suspended]).toEqual([view.path, covered(view.path)]);
        expect([...kernel.suspensions()].sort()).toEqual([...orders].sort());
      }
      for (const order of orders) kernel.resume(order);
      await settle(6);
      expect(got).toEqual(told);
      await kernel.stop();
    }),
    { numRuns: 60 },
  );
});
