import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assign, cancel, fromPromise, raise, sendTo, setup } from 'xstate';
import type { TapEvent } from '../../../src/actors/kernel/ports.ts';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../src/testing/memory-store.ts';
import { lab, one, settle, worker } from './lab.ts';

/** A region of a random chart: a ring of states, each left by its delay, by an event, or both. */
interface Region {
  readonly states: readonly {
    readonly afterMs: number | undefined;
    readonly guarded: boolean;
    readonly on: string | undefined;
    readonly inner: readonly number[];
    readonly raiseMs: number | undefined;
    readonly nudgeMs: number | undefined;
    readonly cancels: boolean;
    readonly history: boolean;
  }[];
}

const events = ['e0', 'e1', 'e2'] as const;
const ms = fc.integer({ min: 1, max: 400 });
const state = fc.record({
  afterMs: fc.option(ms, { nil: undefined }),
  guarded: fc.boolean(),
  on: fc.option(fc.constantFrom(...events), { nil: undefined }),
  inner: fc.array(ms, { maxLength: 2 }),
  raiseMs: fc.option(ms, { nil: undefined }),
  nudgeMs: fc.option(ms, { nil: undefined }),
  cancels: fc.boolean(),
  history: fc.boolean(),
});
const regionOf = fc.record({ states: fc.array(state, { minLength: 1, maxLength: 4 }) });

type Step = { readonly kind: 'wait'; readonly ms: number } | { readonly kind: 'tell'; readonly type: string };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 300 }) }),
  fc.record({ kind: fc.constant('tell' as const), type: fc.constantFrom(...events) }),
);

const child = setup({}).createMachine({
  initial: 'p',
  states: { p: { after: { 130: 'q' }, on: { nudge: 'r' } }, q: { after: { 70: 'p' } }, r: { after: { 90: 'p' } } },
});

/** The states of one region; the name of each is unique in the chart, as its delayed events have no region. */
function statesOf({ states }: Region, region: number) {
  const name = (at: number) => `s${region}_${at % states.length}`;
  return Object.fromEntries(
    states.map((each, at) => {
      const inner = each.inner.map((delay, depth) => ({
        after: { [delay]: `i${(depth + 1) % each.inner.length}` },
      }));
      const next = `#chart.r${region}.${name(at + 1)}${each.history && (states[(at + 1) % states.length]?.inner.length ?? 0) > 0 ? '.h' : ''}`;
      return [
        name(at),
        {
          ...(each.afterMs === undefined
            ? {}
            : {
                after: {
                  [each.afterMs]: [
                    ...(each.guarded
                      ? [{ guard: ({ context }: { context: { n: number } }) => context.n % 2 === 0, target: next }]
                      : [{ target: next }]),
                    { actions: assign({ n: ({ context }: { context: { n: number } }) => context.n + 10 }) },
                  ],
                },
              }),
          ...(each.on === undefined ? {} : { on: { [each.on]: next } }),
          entry: [
            assign({ n: ({ context }: { context: { n: number } }) => context.n + 1 }),
            // XState loses track of two delayed events with one id: the first that fires cannot be told from the other.
            ...(each.cancels || each.raiseMs !== undefined ? [cancel('mine')] : []),
            ...(each.raiseMs === undefined ? [] : [raise({ type: 'raised' }, { delay: each.raiseMs, id: 'mine' })]),
            ...(each.nudgeMs === undefined ? [] : [sendTo('kid', { type: 'nudge' }, { delay: each.nudgeMs })]),
          ],
          ...(inner.length === 0
            ? {}
            : {
                initial: 'i0',
                states: {
                  ...Object.fromEntries(inner.map((each2, depth) => [`i${depth}`, each2])),
                  h: { type: 'history' },
                },
              }),
        },
      ];
    }),
  );
}

const chartOf = (regions: readonly Region[]) =>
  setup({
    types: { context: {} as { n: number } },
    actors: { child, never: fromPromise(() => new Promise(() => {})) },
  }).createMachine({
    id: 'chart',
    context: { n: 0 },
    type: 'parallel',
    invoke: [{ src: 'child', id: 'kid' }, { src: 'never' }],
    on: { raised: { actions: assign({ n: ({ context }) => context.n * 3 + 1 }) } },
    states: Object.fromEntries(
      regions.map((region, at) => [`r${at}`, { initial: `s${at}_0`, states: statesOf(region, at) }]),
    ),
  } as never);

/** What a chart did, and when: each transition of it and of its child at its time. */
async function traceOf(regions: readonly Region[], steps: readonly Step[], stops: ReadonlySet<number>) {
  const lines: string[] = [];
  const began = new ManualClock().now();
  const chart = chartOf(regions);
  let store = new MemoryStore();
  let nowMs = began;
  const open = async () => {
    const tap = (event: TapEvent) => {
      if (event.type !== 'actor.transition') return;
      const cause = (event.event as Message).type;
      const { child: within, from, to } = event;
      if (cause !== 'xstate.init')
        lines.push(`${room.clock.now() - began} ${within} ${cause} ${JSON.stringify([from, to])}`);
    };
    const room = lab({ tap: () => tap });
    room.clock.jump(nowMs - room.clock.now());
    const spec = worker('a', chart, { persistence: { version: 1, store }, shutdown: 'brutal-kill' });
    await room.kernel.start(one('node', [spec]));
    return room;
  };
  let room = await open();
  for (const [at, each] of steps.entries()) {
    if (each.kind === 'wait') room.clock.advance(each.ms);
    else room.kernel.ref<Message>('/node/a').tell({ type: each.type });
    await settle(2);
    if (!stops.has(at)) continue;
    await room.kernel.stop();
    nowMs = room.clock.now();
    store = store.crash();
    room = await open();
  }
  room.clock.advance(1_000);
  const end = JSON.stringify(room.kernel.tree()[1]?.state);
  await room.kernel.save('/node/a');
  const context = JSON.parse(new TextDecoder().decode(store.peek('charts').get('/node/a'))).chart.context;
  await room.kernel.stop();
  return { lines, end, context };
}

test('a chart that is stored and restored, however often, does the same at the same times as one that never was', async () => {
  let transitions = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(regionOf, { minLength: 1, maxLength: 3 }),
      fc.array(step, { minLength: 1, maxLength: 10 }),
      fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 5 }),
      async (regions, steps, stops) => {
        const twin = await traceOf(regions, steps, new Set());
        const stored = await traceOf(regions, steps, new Set(stops));
        transitions += twin.lines.length;
        expect(stored).toEqual(twin);
      },
    ),
    { numRuns: 100 },
  );
  // Charts that do nothing would be the same in any case.
  expect(transitions).toBeGreaterThan(1_000);
}, 60_000);
