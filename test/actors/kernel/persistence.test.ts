import { describe, expect, test } from 'vitest';
import {
  type ActorRefFrom,
  type AnyActorLogic,
  assign,
  fromPromise,
  fromTransition,
  raise,
  sendTo,
  setup,
  spawnChild,
} from 'xstate';
import type { SnapshotFault } from '../../../src/actors/kernel/chart-shelf.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Message, Ref } from '../../../src/actors/kernel/ref.ts';
import type { Persistence, WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { limits } from '../../../src/limits.ts';
import { MemoryStore } from '../../../src/testing/memory-store.ts';
import { type Lab, lab, one, settle, until, worker } from './lab.ts';

/** Counts `go`s, crashes, finishes; a light that goes out by itself. */
const counter: AnyActorLogic = setup({
  types: { context: {} as { count: number } },
  actions: {
    boom: () => {
      throw new Error('boom');
    },
  },
}).createMachine({
  context: { count: 0 },
  initial: 'on',
  on: {
    go: { actions: assign({ count: ({ context }) => (context as { count: number }).count + 1 }) },
    crash: { actions: 'boom' },
    finish: '.end',
    'kernel.shutdown': '.end',
  },
  states: { on: { after: { 10000: 'off' } }, off: { on: { light: 'on' } }, end: { type: 'final' } },
});

interface Home extends Lab {
  readonly faults: SnapshotFault[];
  tell(type: string): void;
  /** State value and context of the actor. */
  state(): unknown;
  kept(): { readonly [key: string]: unknown } | undefined;
}

/** A kernel with one actor, `/node/a`, whose state is in the store. */
function home(
  store: MemoryStore,
  logic: AnyActorLogic = counter,
  persistence: Partial<Persistence> = {},
  over: Partial<WorkerSpec> = {},
): Home & { start(): Promise<void> } {
  const faults: SnapshotFault[] = [];
  const room = lab({ onSnapshotFault: (fault) => faults.push(fault) });
  let seen: unknown;
  const spec = worker('a', logic, {
    persistence: { version: 1, store, ...persistence },
    startedWhen: (snapshot) => {
      seen = snapshot.context;
      return true;
    },
    ...over,
  });
  return {
    ...room,
    faults,
    start: () => room.kernel.start(one('node', [spec], { intensity: 20 })),
    tell: (type) => void room.kernel.ref<Message>('/node/a').tell({ type }),
    state: () => [room.kernel.tree()[1]?.state, seen],
    kept: () => {
      const bytes = store.peek('charts').get('/node/a');
      return bytes && JSON.parse(new TextDecoder().decode(bytes));
    },
  };
}

/** As a power cut would leave it. */
const heir = (store: MemoryStore): MemoryStore => store.crash();

describe('a chart with persistence', () => {
  test('goes on after a stop where it was, not where the order to stop took it', async () => {
    const store = new MemoryStore();
    const before = home(store);
    await before.start();
    before.tell('go');
    before.tell('go');
    await before.clock.advanceAsync(10_000);
    expect(before.kernel.tree()[1]?.state).toBe('off');
    await before.kernel.stop();

    const now = home(heir(store));
    await now.start();
    expect(now.state()).toEqual(['off', { count: 2 }]);
    await now.kernel.stop();
  });

  test('loses with the process what changed in the last second, and nothing after a save', async () => {
    const store = new MemoryStore();
    const before = home(store);
    await before.start();
    before.tell('go');
    await before.clock.advanceAsync(999);
    expect(before.kept()).toBeUndefined();
    await before.clock.advanceAsync(1);
    expect(before.kept()).toMatchObject({ version: 1, chart: { context: { count: 1 } } });
    before.tell('go');
    await settle();
    expect(await before.kernel.save('/node/a')).toEqual({ ok: true, value: undefined });
    before.tell('go');
    await settle();
    const now = home(heir(store));
    await now.start();
    expect(now.state()).toEqual(['on', { count: 2 }]);
    await now.kernel.stop();
  });

  test('under constant change is saved once in each delay', async () => {
    const store = new MemoryStore();
    let puts = 0;
    const put = store.put.bind(store);
    store.put = (...args) => {
      puts += 1;
      return put(...args);
    };
    const room = home(store);
    await room.start();
    for (let at = 0; at < 100; at += 1) {
      room.tell('go');
      await room.clock.advanceAsync(100);
    }
    expect(puts).toBe(10);
    await room.kernel.stop();
  });

  test('begins anew after a crash, and what made it crash is not kept', async () => {
    const store = new MemoryStore();
    const room = home(store);
    await room.start();
    room.tell('go');
    await room.clock.advanceAsync(1_000);
    room.tell('crash');
    await settle();
    expect(room.state()).toEqual(['on', { count: 0 }]);
    expect(room.kernel.tree()[1]?.incarnation).toBe(2);
    expect(room.kept()).toBeUndefined();
    const now = home(heir(store));
    await now.start();
    expect(now.state()).toEqual(['on', { count: 0 }]);
    await now.kernel.stop();
  });

  test('goes on after a crash as it was saved before, when the spec says so', async () => {
    const store = new MemoryStore();
    const room = home(store, counter, { afterCrash: 'restore', saveDelayMs: 0 });
    await room.start();
    room.tell('go');
    await room.clock.advanceAsync(1);
    room.tell('crash');
    await settle();
    expect(room.kernel.tree()[1]?.incarnation).toBe(2);
    expect(room.state()).toEqual(['on', { count: 1 }]);
    await room.kernel.stop();
  });

  test('that ended by itself begins anew, and leaves nothing behind', async () => {
    const store = new MemoryStore();
    const room = home(store, counter, {}, { restart: 'transient' });
    await room.start();
    room.tell('go');
    await room.clock.advanceAsync(1_000);
    room.tell('finish');
    await settle();
    expect(room.kept()).toBeUndefined();
    expect((await room.kernel.restartChild('/node', 'a')).ok).toBe(true);
    expect(room.state()).toEqual(['on', { count: 0 }]);
    await room.kernel.stop();
  });

  test('goes on after a kill, and after its siblings took it down', async () => {
    const store = new MemoryStore();
    const room = home(store);
    await room.start();
    room.tell('go');
    await settle();
    expect(room.kernel.kill('/node/a')).toBe(true);
    await until(() => room.kernel.tree()[1]?.incarnation === 2);
    await settle();
    expect(room.state()).toEqual(['on', { count: 1 }]);
    room.tell('go');
    await settle();
    await room.kernel.terminateChild('/node', 'a');
    await room.kernel.restartChild('/node', 'a');
    expect(room.state()).toEqual(['on', { count: 2 }]);
    await room.kernel.stop();
  });

  test('brutally killed on the order to stop, goes on', async () => {
    const store = new MemoryStore();
    const before = home(store, counter, {}, { shutdown: 'brutal-kill' });
    await before.start();
    before.tell('go');
    await settle();
    await before.kernel.stop();
    const now = home(heir(store));
    await now.start();
    expect(now.state()).toEqual(['on', { count: 1 }]);
    await now.kernel.stop();
  });

  test('hears nothing before it is there, and then everything in order; a shutdown meanwhile is obeyed', async () => {
    const store = new MemoryStore();
    const got: string[] = [];
    const chart = setup({}).createMachine({
      initial: 'a',
      states: { a: { on: { 'kernel.shutdown': 'z' } }, z: { type: 'final' } },
      on: { '*': { actions: ({ event }) => got.push(event.type) } },
    });
    let release: () => void = () => {};
    const get = store.get.bind(store);
    store.get = async (...args) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return get(...args);
    };
    const room = home(store, chart, {}, { shutdown: 'infinity' });
    const starting = room.start();
    await settle();
    const ref = room.kernel.ref<Message>('/node/a');
    ref.tell({ type: 'one' });
    ref.tell({ type: 'two' });
    ref.tell({ type: 'urgent' }, 'control');
    await settle();
    expect(got).toEqual([]);
    release();
    await starting;
    await settle();
    expect(got).toEqual(['urgent', 'one', 'two']);

    await room.kernel.terminateChild('/node', 'a');
    const again = room.kernel.restartChild('/node', 'a');
    await settle();
    await room.kernel.stop();
    expect((await again).ok).toBe(false);
    release();
    await settle();
    expect(got).toEqual(['urgent', 'one', 'two']);
  });

  test('is suspended at once when its place is, also while its state is on its way', async () => {
    const store = new MemoryStore();
    const room = home(store);
    const starting = room.start();
    room.kernel.suspend('/node');
    room.tell('go');
    await starting;
    await settle();
    expect(room.state()).toEqual(['on', { count: 0 }]);
    await room.clock.advanceAsync(20_000);
    expect(room.kernel.tree()[1]?.state).toBe('on');
    room.kernel.resume('/node');
    await settle();
    expect(room.kernel.tree()[1]?.state).toBe('off');
    await room.kernel.stop();
  });

  test('with the same key as another that lives does not start', async () => {
    const store = new MemoryStore();
    const room = home(store, counter, { key: 'mine' });
    await room.start();
    const twin = worker('b', counter, { persistence: { version: 1, store, key: 'mine' } });
    expect(await room.kernel.startChild('/node', twin)).toMatchObject({ ok: false, refusal: { code: 'SUPERVISION' } });
    await room.kernel.stopChild('/node', 'a');
    expect((await room.kernel.startChild('/node', twin)).ok).toBe(true);
    await room.kernel.stop();
  });
});

describe('delays', () => {
  const after1000 = setup({}).createMachine({
    initial: 'a',
    on: { 'kernel.shutdown': '.gone' },
    states: { a: { after: { 1000: 'b' } }, b: { after: { 1000: 'c' } }, c: {}, gone: { type: 'final' } },
  });

  /** Runs the chart for a while, stops, lets the downtime pass, and starts it again. */
  async function resumed(logic: AnyActorLogic, ranMs: number, downMs: number): Promise<Home> {
    const store = new MemoryStore();
    const before = home(store, logic);
    await before.start();
    await before.clock.advanceAsync(ranMs);
    await before.kernel.stop();
    const now = home(heir(store), logic);
    now.clock.jump(before.clock.now() - now.clock.now() + downMs);
    await now.start();
    return now;
  }

  test('of `after` go on with what was left of them', async () => {
    const now = await resumed(after1000, 400, 500);
    await now.clock.advanceAsync(99);
    expect(now.kernel.tree()[1]?.state).toBe('a');
    await now.clock.advanceAsync(1);
    expect(now.kernel.tree()[1]?.state).toBe('b');
    await now.clock.advanceAsync(1_000);
    expect(now.kernel.tree()[1]?.state).toBe('c');
    await now.kernel.stop();
  });

  test('that fell due meanwhile fire at once', async () => {
    const now = await resumed(after1000, 400, 86_400_000);
    await now.clock.advanceAsync(0);
    expect(now.kernel.tree()[1]?.state).toBe('b');
    await now.clock.advanceAsync(999);
    expect(now.kernel.tree()[1]?.state).toBe('b');
    await now.clock.advanceAsync(1);
    expect(now.kernel.tree()[1]?.state).toBe('c');
    await now.kernel.stop();
  });

  test('are never longer than they were, wherever the wall clock was set', async () => {
    const now = await resumed(after1000, 400, -86_400_000);
    await now.clock.advanceAsync(1_000);
    expect(now.kernel.tree()[1]?.state).toBe('b');
    await now.kernel.stop();
  });

  test('of parallel and nested states, of `raise`, of `sendTo` and of children all survive, and can be cancelled', async () => {
    const log: string[] = [];
    const child = setup({}).createMachine({
      initial: 'x',
      states: {
        x: { initial: 'y', after: { 500: 'z' }, states: { y: { after: { 400: 'yy' } }, yy: {} } },
        z: { entry: () => log.push('child z') },
      },
      on: { nudge: { actions: () => log.push('child nudged') } },
    });
    const chart = (other: () => Ref) =>
      setup({ actors: { child } }).createMachine({
        type: 'parallel',
        invoke: { src: 'child', id: 'kid' },
        on: {
          'kernel.shutdown': { actions: () => log.push('told') },
          raised: { actions: () => log.push('raised') },
          cancelled: { actions: () => log.push('never') },
        },
        entry: [
          raise({ type: 'raised' }, { delay: 300 }),
          raise({ type: 'cancelled' }, { delay: 600, id: 'later' }),
          sendTo('kid', { type: 'nudge' }, { delay: 200 }),
          sendTo(() => sendTarget(other()), { type: 'hello' }, { delay: 100 }),
        ],
        states: {
          one: { initial: 'a', states: { a: { after: { 700: 'b' } }, b: { entry: () => log.push('one b') } } },
          two: {
            initial: 'a',
            states: { a: { initial: 'i', states: { i: { after: { 50: 'j' } }, j: { after: { 400: 'k' } }, k: {} } } },
          },
        },
      });
    const store = new MemoryStore();
    const run = async (held: MemoryStore, ms: number, startMs?: number) => {
      const room = home(
        held,
        chart(() => room.kernel.ref('/node/other')),
        {},
        { shutdown: 'brutal-kill' },
      );
      if (startMs !== undefined) room.clock.jump(startMs - room.clock.now());
      await room.start();
      const heard = fromHandler(() => (message: Message) => log.push(`other ${message.type}`));
      await room.kernel.startChild('/node', worker('other', heard));
      await room.clock.advanceAsync(ms);
      await room.kernel.save('/node/a');
      const state = room.kernel.tree()[1]?.state;
      await room.kernel.stop();
      return { state, ended: room.clock.now() };
    };
    const first = await run(store, 60);
    expect(first.state).toEqual({ one: 'a', two: { a: 'j' } });
    expect(log).toEqual([]);
    const second = await run(heir(store), 390, first.ended);
    expect(log).toEqual(['other hello', 'child nudged', 'raised']);
    expect(second.state).toEqual({ one: 'a', two: { a: 'k' } });
  });

  test('longer than a timer of Node’s can be are kept to', async () => {
    const days = 86_400_000;
    const long = setup({}).createMachine({
      initial: 'a',
      on: { 'kernel.shutdown': '.gone' },
      states: { a: { after: { [60 * days]: 'b' } }, b: {}, gone: { type: 'final' } },
    });
    const room = home(new MemoryStore(), long);
    const set = room.clock.setTimeout.bind(room.clock);
    room.clock.setTimeout = (callback, ms) => set(callback, ms > 2_147_483_647 ? 1 : ms);
    await room.start();
    await room.clock.advanceAsync(60 * days - 1);
    expect(room.kernel.tree()[1]?.state).toBe('a');
    await room.clock.advanceAsync(1);
    expect(room.kernel.tree()[1]?.state).toBe('b');
    await room.kernel.stop();
  });
});

describe('what a chart holds', () => {
  test('may be addresses of actors, errors, children and promises under way', async () => {
    let asked = 0;
    const never = fromPromise(() => {
      asked += 1;
      return new Promise<string>(() => {});
    });
    const fails = fromPromise(async () => {
      throw new RangeError('no');
    });
    const chart = setup({
      types: { context: {} as { me: Ref; sum: { a: number[] }; why?: unknown }, input: {} as { self: Ref } },
      actors: { never, fails },
    }).createMachine({
      context: ({ input }) => ({ me: input.self, sum: { a: [1, 2] } }),
      invoke: [
        { src: 'never', id: 'never' },
        { src: 'fails', id: 'fails', onError: { actions: assign({ why: ({ event }) => event.error }) } },
      ],
      on: {
        check: {
          actions: ({ context }) => context.me.tell({ type: `checked.${(context.why as Error).name}` }),
        },
        '*': {
          actions: assign({ sum: ({ event, context }) => ({ a: [...context.sum.a, event.type.length] }) }),
        },
      },
    });
    const store = new MemoryStore();
    const over = { input: ({ self }: { self: Ref<never> }) => ({ self }), shutdown: 'brutal-kill' } as const;
    const before = home(store, chart, {}, over);
    await before.start();
    await settle();
    expect(await before.kernel.save('/node/a')).toEqual({ ok: true, value: undefined });
    await before.kernel.stop();
    expect(asked).toBe(1);
    const now = home(heir(store), chart, {}, over);
    await now.start();
    now.tell('check');
    await settle();
    expect(asked).toBe(2);
    expect(await now.kernel.save('/node/a')).toEqual({ ok: true, value: undefined });
    expect(now.kept()).toMatchObject({ chart: { context: { sum: { a: [1, 2, 'checked.RangeError'.length] } } } });
    expect(now.faults).toEqual([]);
    await now.kernel.stop();
  });

  test('may be children that it spawned, with delays and names of their own; and plain logic has a state too', async () => {
    const child = setup({}).createMachine({
      initial: 'x',
      states: { x: { after: { 100: 'y' } }, y: { on: { ping: 'z' } }, z: {} },
    });
    const chart = setup({
      types: { context: {} as { kid: ActorRefFrom<typeof child> } },
      actors: { child },
    }).createMachine({
      context: ({ spawn }) => ({ kid: spawn('child', { id: 'kid', systemId: 'the-kid' }) }),
      on: {
        ping: {
          actions: [
            ({ context, system }) => expect(system.get('the-kid')).toBe(context.kid),
            sendTo('kid', { type: 'ping' }),
          ],
        },
      },
    });
    const store = new MemoryStore();
    const before = home(store, chart, {}, { shutdown: 'brutal-kill' });
    await before.start();
    await before.clock.advanceAsync(60);
    await before.kernel.stop();
    const now = home(heir(store), chart, {}, { shutdown: 'brutal-kill' });
    now.clock.jump(60);
    await now.start();
    await now.clock.advanceAsync(40);
    now.tell('ping');
    await settle();
    await now.kernel.save('/node/a');
    expect(now.kept()).toMatchObject({ chart: { children: { kid: { snapshot: { value: 'z' } } } } });
    expect(now.kernel.tree()[1]?.incarnation).toBe(1);
    await now.kernel.stop();

    const sum = fromTransition((total: number, event: { type: string }) => total + event.type.length, 0);
    const second = new MemoryStore();
    const plain = home(second, sum, {}, { shutdown: 'brutal-kill' });
    await plain.start();
    plain.tell('three');
    await settle();
    await plain.kernel.stop();
    const again = home(heir(second), sum, {}, { shutdown: 'brutal-kill' });
    await again.start();
    expect(again.state()).toEqual([undefined, 5]);
    await again.kernel.stop();
  });

  test('children that have no name in another process are refused when they are saved', async () => {
    const child = setup({}).createMachine({});
    const charts = [
      setup({ actors: { child } }).createMachine({ entry: spawnChild('child') }),
      setup({ actors: { child } }).createMachine({ context: ({ spawn }) => ({ kid: spawn('child') }) }),
      setup({}).createMachine({ context: ({ spawn }) => ({ kid: spawn(child as never, { id: 'kid' } as never) }) }),
    ];
    for (const chart of charts) {
      const room = home(new MemoryStore(), chart, {}, { shutdown: 'brutal-kill' });
      await room.start();
      expect(await room.kernel.save('/node/a')).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
      await room.kernel.stop();
    }
  });

  test('a child that the chart no longer knows, or whose states it no longer has, fails the start', async () => {
    const old = setup({}).createMachine({ initial: 'x', states: { x: {} } });
    const renamed = setup({}).createMachine({ initial: 'y', states: { y: {} } });
    const parent = (child: AnyActorLogic) =>
      setup({ actors: { child } }).createMachine({ invoke: { src: 'child', id: 'kid' } });
    const outer = (child: AnyActorLogic) => parent(parent(child));
    const without = setup({}).createMachine({});
    for (const [was, is] of [
      [parent(old), parent(renamed)],
      [parent(old), without],
      [outer(old), outer(renamed)],
      [outer(old), parent(without)],
    ] as const) {
      const store = new MemoryStore();
      const before = home(store, was, {}, { shutdown: 'brutal-kill' });
      await before.start();
      await before.kernel.stop();
      await expect(home(heir(store), is).start()).rejects.toThrow('kid cannot be restored');
    }
  });

  const unsavable: [string, unknown][] = [
    ['a function', () => 1],
    ['a map', new Map()],
    ['a date', new Date(0)],
    ['a big integer', 1n],
    ['no number', Number.NaN],
    ['a symbol', Symbol('x')],
    ['undefined in a list', [undefined]],
    ['a reserved key', { $ref: '/node/b' }],
    ['a key that reaches the prototype', JSON.parse('{"__proto__": 1}')],
    [
      'itself',
      (() => {
        const loop: { loop?: unknown } = {};
        loop.loop = loop;
        return loop;
      })(),
    ],
  ];
  test.each(unsavable)('%s is refused when it is saved, and told once; the actor goes on', async (_, what) => {
    const chart = setup({}).createMachine({
      context: { what },
      initial: 'a',
      states: { a: { on: { go: 'b' } }, b: { on: { go: 'a' } } },
    });
    const room = home(new MemoryStore(), chart, {}, { shutdown: 'brutal-kill' });
    await room.start();
    for (let at = 0; at < 5; at += 1) {
      room.tell('go');
      await room.clock.advanceAsync(1_000);
    }
    expect(room.kernel.tree()[1]).toMatchObject({ state: 'b', incarnation: 1 });
    expect(room.faults).toHaveLength(1);
    expect(room.faults[0]).toMatchObject({ path: '/node/a' });
    const saved = await room.kernel.save('/node/a');
    expect(saved.ok).toBe(false);
    if (!saved.ok) expect(['MALFORMED', 'LIMIT_EXCEEDED']).toContain(saved.refusal.code);
    expect(room.kept()).toBeUndefined();
    await room.kernel.stop();
  });

  test('too large is refused, and what was saved before stays', async () => {
    const chart = setup({ types: { context: {} as { text: string } } }).createMachine({
      context: { text: '' },
      on: {
        grow: { actions: assign({ text: () => 'x'.repeat(limits.snapshotBytesMax) }) },
      },
    });
    const store = new MemoryStore();
    const room = home(store, chart, {}, { shutdown: 'brutal-kill' });
    await room.start();
    await room.kernel.save('/node/a');
    const kept = room.kept();
    room.tell('grow');
    await settle();
    expect(await room.kernel.save('/node/a')).toMatchObject({ ok: false, refusal: { code: 'LIMIT_EXCEEDED' } });
    expect(room.kept()).toEqual(kept);
    await room.kernel.stop();
  });
});

describe('what a store gives back', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const good = { format: 1, version: 1, saved: 0, timers: [] as unknown[] };
  const chart = { status: 'active', value: 'off', context: { count: 7 }, children: {}, historyValue: {} };
  const timer = { source: [], target: [], event: { type: 'go' }, id: 'x', delayMs: 10, due: 0 };

  test('is taken when it is whole', async () => {
    const store = new MemoryStore();
    store.hold('charts', '/node/a', bytes(JSON.stringify({ ...good, chart, timers: [timer] })));
    const room = home(store);
    await room.start();
    expect(room.state()).toEqual(['off', { count: 7 }]);
    await room.kernel.stop();
  });

  const broken: [string, Uint8Array][] = [
    ['nothing', bytes('')],
    ['no UTF-8', new Uint8Array([0xff, 0xfe])],
    ['half of it', bytes(JSON.stringify({ ...good, chart }).slice(0, 60))],
    ['another thing', bytes('[1]')],
    ['null', bytes('null')],
    ['too much', bytes(`"${'x'.repeat(limits.snapshotBytesMax)}"`)],
    ['too deep', bytes('['.repeat(10_000) + ']'.repeat(10_000))],
    ['a later format', bytes(JSON.stringify({ ...good, format: 2, chart }))],
    ['a version that is none', bytes(JSON.stringify({ ...good, version: 0, chart }))],
    ['a later version', bytes(JSON.stringify({ ...good, version: 2, chart }))],
    ['no chart', bytes(JSON.stringify(good))],
    ['a chart that has ended', bytes(JSON.stringify({ ...good, chart: { ...chart, status: 'done' } }))],
    ['a state that the chart does not have', bytes(JSON.stringify({ ...good, chart: { ...chart, value: 'nowhere' } }))],
    ['a state that every object has', bytes(JSON.stringify({ ...good, chart: { ...chart, value: 'toString' } }))],
    ['a state that is not said', bytes(JSON.stringify({ ...good, chart: { ...chart, value: {} } }))],
    [
      'a history of a state that is gone',
      bytes(JSON.stringify({ ...good, chart: { ...chart, historyValue: { a: [{ id: 'gone' }] } } })),
    ],
    ['a state that is no name', bytes(JSON.stringify({ ...good, chart: { ...chart, value: 7 } }))],
    ['children that are none', bytes(JSON.stringify({ ...good, chart: { ...chart, children: { a: 1 } } }))],
    ['a history that is none', bytes(JSON.stringify({ ...good, chart: { ...chart, historyValue: { a: 1 } } }))],
    ['keys that reach the prototype', bytes('{"format":1,"__proto__":{"version":1}}')],
    ['a delay that is none', bytes(JSON.stringify({ ...good, chart, timers: [{ ...timer, due: 'soon' }] }))],
    ['an event that is none', bytes(JSON.stringify({ ...good, chart, timers: [{ ...timer, event: 'go' }] }))],
    [
      'an order of XState’s own',
      bytes(JSON.stringify({ ...good, chart, timers: [{ ...timer, event: { type: 'xstate.stop' } }] })),
    ],
    ['every event at once', bytes(JSON.stringify({ ...good, chart, timers: [{ ...timer, event: { type: '*' } }] }))],
    ['too many delays', bytes(JSON.stringify({ ...good, chart, timers: Array(limits.snapshotTimersMax + 1).fill(0) }))],
  ];

  test.each(broken)('%s fails the start with a reason, and is left as it is', async (_, content) => {
    const store = new MemoryStore();
    store.hold('charts', '/node/a', content);
    const room = home(store);
    await expect(room.start()).rejects.toThrow(/could not start: \S/);
    expect(store.peek('charts').get('/node/a')).toEqual(content);
    expect(room.kernel.tree()).toEqual([]);
  });

  test.each(broken)('%s is told and begins anew, when the spec says so', async (_, content) => {
    const store = new MemoryStore();
    store.hold('charts', '/node/a', content);
    const room = home(store, counter, { ifUnreadable: 'begin-anew' });
    await room.start();
    expect(room.state()).toEqual(['on', { count: 0 }]);
    expect(room.faults).toHaveLength(1);
    await room.kernel.stop();
  });

  test('of an earlier version is migrated, with its delays', async () => {
    const store = new MemoryStore();
    const late = { ...timer, event: { type: 'xstate.after.5000.(machine).old' }, id: 'old', delayMs: 5_000, due: 1e15 };
    store.hold(
      'charts',
      '/node/a',
      bytes(JSON.stringify({ ...good, chart: { ...chart, value: 'old' }, timers: [late] })),
    );
    const renamed = 'xstate.after.10000.(machine).on';
    const room = home(store, counter, {
      version: 3,
      migrate: ({ unverified: { snapshot, timers } }, version) => ({
        snapshot: { ...(snapshot as object), value: 'on', context: { count: version } },
        timers: timers.map((each) => ({ ...each, event: { type: renamed }, id: renamed })),
      }),
    });
    await room.start();
    expect(room.state()).toEqual(['on', { count: 1 }]);
    await room.clock.advanceAsync(5_000);
    expect(room.kernel.tree()[1]?.state).toBe('off');
    expect(room.kept()).toMatchObject({ version: 3 });
    await room.kernel.stop();
  });

  test('of an earlier version fails the start when nothing migrates it, or the migration fails', async () => {
    const { due, ...rest } = timer;
    const delay = { ...rest, inMs: due };
    const trap = (): never => {
      throw new Error('a trap');
    };
    const migrations = [
      undefined,
      () => {
        throw new Error('cannot');
      },
      () => undefined as never,
      () => ({ snapshot: { status: 'active', value: 'nowhere', children: {} }, timers: [] }),
      () => ({ snapshot: 1, timers: 1 }) as never,
      ({ unverified: { snapshot } }) => ({ snapshot, timers: Array(limits.snapshotTimersMax + 1).fill(delay) }),
      async () => {
        throw new Error('later');
      },
      () => {
        throw Object.create(null);
      },
      () => {
        throw new Proxy({}, { get: trap, getPrototypeOf: trap });
      },
      () => {
        throw new Error('x'.repeat(1_000_000));
      },
    ] as Persistence['migrate'][];
    for (const migrate of migrations) {
      const store = new MemoryStore();
      store.hold('charts', '/node/a', bytes(JSON.stringify({ ...good, chart })));
      const room = home(store, counter, { version: 2, ...(migrate && { migrate }) });
      const failure = await room.start().catch((error: Error) => error);
      expect(failure?.message).toMatch(/could not start: \S/);
      expect(failure?.message.length).toBeLessThan(2 * limits.reasonCharsMax);
    }
  });
});

describe('a parallel chart', () => {
  const wide = (...regions: string[]): AnyActorLogic =>
    setup({}).createMachine({
      type: 'parallel',
      states: Object.fromEntries(
        regions.map((region) => [
          region,
          { initial: 'early', states: { early: { after: { 1000: 'late' } }, late: {} } },
        ]),
      ),
    });

  test('that was given another part meanwhile does not go on with that part asleep', async () => {
    const store = new MemoryStore();
    const room = home(store, wide('a'));
    await room.start();
    await room.kernel.save('/node/a');
    await room.kernel.stop();
    await expect(home(heir(store), wide('a', 'b')).start()).rejects.toThrow('not one of this chart');
  });

  test('goes on in each part, with the delay of each', async () => {
    const store = new MemoryStore();
    const room = home(store, wide('a', 'b'));
    await room.start();
    await room.clock.advanceAsync(400);
    await room.kernel.save('/node/a');
    await room.kernel.stop();
    const next = home(heir(store), wide('b', 'a'));
    await next.start();
    await next.clock.advanceAsync(599);
    expect(next.state()).toMatchObject([{ a: 'early', b: 'early' }, {}]);
    await next.clock.advanceAsync(1_001);
    expect(next.state()).toMatchObject([{ a: 'late', b: 'late' }, {}]);
    await next.kernel.stop();
  });
});

test('a chart that is killed in the middle of a transition goes on from what was saved before', async () => {
  const store = new MemoryStore();
  const once = { killed: false };
  const logic = (room: () => Lab) =>
    setup({}).createMachine({
      initial: 'on',
      states: {
        on: { on: { go: 'off' }, after: { 10000: 'timed' } },
        off: {
          entry: () => {
            if (!once.killed) room().kernel.kill('/node/a');
            once.killed = true;
          },
          after: { 20000: 'on' },
        },
        timed: {},
      },
    });
  const room: ReturnType<typeof home> = home(
    store,
    logic(() => room),
  );
  await room.start();
  await room.kernel.save('/node/a');
  room.tell('nothing');
  room.tell('go');
  await settle();
  expect(room.state()).toMatchObject(['on', {}]);
  await room.clock.advanceAsync(10_000);
  expect(room.state()).toMatchObject(['timed', {}]);
  await room.kernel.stop();
});

test('a chart that throws what cannot be shown while it is saved goes on, and that is told', async () => {
  const store = new MemoryStore();
  const trap = (): never => {
    throw Object.create(null);
  };
  const logic = { ...fromTransition((state: object) => ({ ...state }), {}), getPersistedSnapshot: trap };
  const room = home(store, logic);
  await room.start();
  room.tell('go');
  await room.clock.advanceAsync(1_000);
  expect(await room.kernel.save('/node/a')).toMatchObject({ refusal: { code: 'MALFORMED' } });
  expect(room.faults).toHaveLength(1);
  room.kernel.kill('/node');
});

describe('a store that fails', () => {
  test('fails the start, as nobody can know what was there', async () => {
    const store = new MemoryStore();
    store.get = () => Promise.reject(new Error('broken'));
    await expect(home(store).start()).rejects.toThrow('The store of snapshots failed.');
    store.get = () => {
      throw new Error('broken');
    };
    await expect(home(store).start()).rejects.toThrow('The store of snapshots failed.');
  });

  test.each([null, 7, 'text', {}])('by giving back %j, which is no bytes, fails the start', async (given) => {
    const store = new MemoryStore();
    store.get = async () => given as never;
    await expect(home(store).start()).rejects.toThrow(/could not start: The store/);
  });

  test('that never answers fails the start in time', async () => {
    const store = new MemoryStore();
    store.get = () => new Promise(() => {});
    const room = home(store);
    const failed = expect(room.start()).rejects.toThrow();
    await room.clock.advanceAsync(limits.snapshotStoreMsMax);
    await failed;
  });

  test('on a save is told once and asked again; the actor goes on', async () => {
    const store = new MemoryStore();
    const room = home(store);
    await room.start();
    store.fault = new Error('disk full');
    room.tell('go');
    await room.clock.advanceAsync(1_000 + 3 * limits.snapshotRetryMs);
    expect(room.faults).toHaveLength(1);
    expect(room.metrics.read().some(({ name }) => name === 'caxton_snapshot_faults_total')).toBe(true);
    expect(await room.kernel.save('/node/a')).toMatchObject({ ok: false });
    store.fault = undefined;
    await room.clock.advanceAsync(limits.snapshotRetryMs);
    expect(room.kept()).toMatchObject({ chart: { context: { count: 1 } } });
    await room.kernel.stop();
  });

  test('by never answering a save keeps no kernel from stopping', async () => {
    const store = new MemoryStore();
    const room = home(store);
    await room.start();
    room.tell('go');
    store.put = () => new Promise(() => {});
    await settle();
    const stopped = room.kernel.stop();
    await room.clock.advanceAsync(limits.snapshotStoreMsMax);
    await stopped;
    expect(room.faults).toMatchObject([{ refusal: { code: 'TIMED_OUT' } }]);
  });

  test('stops only when the last save is durable', async () => {
    const store = new MemoryStore();
    const room = home(store);
    await room.start();
    room.tell('go');
    await settle();
    await room.kernel.stop();
    expect(room.kept()).toMatchObject({ chart: { context: { count: 1 } } });
  });
});

test('a save is refused for who has none to make', async () => {
  const room = home(new MemoryStore());
  expect(await room.kernel.save('/node/a')).toMatchObject({ ok: false, refusal: { code: 'STOPPED' } });
  await room.start();
  await room.kernel.startChild('/node', worker('b', counter));
  expect(await room.kernel.save('/node/b')).toMatchObject({ ok: false, refusal: { code: 'NOT_SUPPORTED' } });
  expect(await room.kernel.save('/node')).toMatchObject({ ok: false, refusal: { code: 'NOT_SUPPORTED' } });
  expect(await room.kernel.save('/node/nobody')).toMatchObject({ ok: false, refusal: { code: 'STOPPED' } });
  await room.kernel.stop();
});
