import { EventEmitter } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { assign, fromPromise, sendParent, setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Tap, TapEvent } from '../../../src/actors/kernel/ports.ts';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { chargeStrayThrows } from '../../../src/actors/kernel/stray.ts';
import { MemoryStore } from '../../../src/testing/memory-store.ts';
import { lab, one, polite, settle, worker } from './lab.ts';

/** A kernel with a watcher that can be put on and taken off. */
function watched() {
  const events: TapEvent[] = [];
  const hook: { tap: Tap | undefined } = { tap: (event) => events.push(event) };
  const room = lab({ tap: () => hook.tap });
  const tell = (path: string, type: string) => void room.kernel.ref<Message>(path).tell({ type });
  return { ...room, events, hook, tell };
}

const lines = (events: readonly TapEvent[]): string[] =>
  events.map((event) => {
    if (event.type === 'actor.message') return `${event.path} message ${(event.message as Message).type}`;
    if (event.type === 'actor.restarted') return `${event.path} restarted ${event.reason}`;
    if (event.type !== 'actor.transition') return `${event.path} ${event.type.slice(6)} ${event.incarnation}`;
    const who = [event.path, ...event.child].join(' > ');
    return `${who} ${(event.event as Message).type}: ${JSON.stringify(event.from)} to ${JSON.stringify(event.to)}`;
  });

const brutal = { shutdown: 'brutal-kill' } as const;

describe('the tap', () => {
  test('sees a life: start, messages, transitions with their cause, crash, restart and stop', async () => {
    const { kernel, events, tell, log } = watched();
    await kernel.start(
      one('node', [
        worker('a', polite('a', log)),
        worker(
          'h',
          fromHandler(() => () => {}),
        ),
      ]),
    );
    tell('/node/h', 'hello');
    tell('/node/a', 'unknown');
    tell('/node/a', 'crash');
    await settle();
    await kernel.stop();
    expect(lines(events)).toEqual([
      '/node/a xstate.init: undefined to "living"',
      '/node/a started 1',
      '/node/h started 1',
      '/node started 1',
      '/node/h message hello',
      '/node/a message unknown',
      '/node/a message crash',
      '/node/a crashed 1',
      '/node/a restarted crash',
      '/node/a xstate.init: undefined to "living"',
      '/node/a started 2',
      '/node/h message kernel.shutdown',
      '/node/h stopped 1',
      '/node/a message kernel.shutdown',
      '/node/a kernel.shutdown: "living" to "gone"',
      '/node/a stopped 2',
      '/node stopped 1',
    ]);
    const crashed = events.find((event) => event.type === 'actor.crashed');
    expect(crashed).toMatchObject({ error: new Error('a crashed') });
    expect(events.filter((event) => event.type === 'actor.stopped').map(({ reason }) => reason)).toEqual([
      'shutdown',
      'shutdown',
      'shutdown',
    ]);
  });

  test('sees transitions by a delay, by a result, without an event, without a change of state, and of a parallel', async () => {
    const { kernel, clock, events, tell } = watched();
    const chart = setup({
      types: { context: {} as { n: number } },
      actors: { ask: fromPromise(async () => 42) },
    }).createMachine({
      type: 'parallel',
      context: { n: 0 },
      on: { count: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
      states: {
        one: {
          initial: 'a',
          states: {
            a: { after: { 100: 'b' } },
            b: { always: 'c' },
            c: { on: { again: { target: 'c', reenter: true } } },
          },
        },
        two: {
          initial: 'ask',
          states: { ask: { invoke: { src: 'ask', id: 'ask', onDone: 'know' } }, know: {} },
        },
      },
    });
    await kernel.start(one('node', [worker('a', chart, brutal)]));
    await settle();
    await clock.advanceAsync(100);
    tell('/node/a', 'count');
    tell('/node/a', 'again');
    tell('/node/a', 'nothing');
    await settle();
    const state = (one1: string, two: string) => JSON.stringify({ one: one1, two });
    expect(lines(events).filter((line) => line.includes(' to '))).toEqual([
      `/node/a xstate.init: undefined to ${state('a', 'ask')}`,
      `/node/a xstate.done.actor.ask: ${state('a', 'ask')} to ${state('a', 'know')}`,
      `/node/a xstate.after.100.(machine).one.a: ${state('a', 'know')} to ${state('b', 'know')}`,
      `/node/a xstate.after.100.(machine).one.a: ${state('b', 'know')} to ${state('c', 'know')}`,
      `/node/a count: ${state('c', 'know')} to ${state('c', 'know')}`,
      `/node/a again: ${state('c', 'know')} to ${state('c', 'know')}`,
    ]);
    const done = events.find(
      (event) => event.type === 'actor.transition' && (event.event as Message).type.includes('done'),
    );
    expect(done).toMatchObject({ event: { output: 42 } });
    await kernel.stop();
  });

  test('sees what the children of a chart do, however deep, in the order in which it happens', async () => {
    const { kernel, clock, events } = watched();
    const leaf = setup({}).createMachine({
      initial: 'x',
      states: { x: { after: { 10: 'y' } }, y: { entry: sendParent({ type: 'leaf.done' }), type: 'final' } },
    });
    const branch = setup({ actors: { leaf } }).createMachine({
      initial: 'p',
      invoke: { src: 'leaf', id: 'leaf' },
      states: { p: { on: { 'leaf.done': 'q' } }, q: {} },
    });
    const chart = setup({ actors: { branch } }).createMachine({ invoke: { src: 'branch', id: 'branch' } });
    await kernel.start(one('node', [worker('a', chart, brutal)]));
    await clock.advanceAsync(10);
    expect(lines(events)).toEqual([
      '/node/a xstate.init: undefined to {}',
      '/node/a > branch xstate.init: undefined to "p"',
      '/node/a > branch > leaf xstate.init: undefined to "x"',
      '/node/a started 1',
      '/node started 1',
      '/node/a > branch > leaf xstate.after.10.(machine).x: "x" to "y"',
      '/node/a > branch leaf.done: "p" to "q"',
    ]);
    await kernel.stop();
  });

  test('that is put on later sees from the next turn on, and sees nothing once it is taken off', async () => {
    const { kernel, clock, events, hook, tell } = watched();
    const { tap } = hook;
    hook.tap = undefined;
    const chart = setup({}).createMachine({
      initial: 'a',
      states: { a: { on: { go: 'b' } }, b: { after: { 10: 'c' } }, c: { on: { go: 'd' } }, d: { on: { go: 'a' } } },
    });
    await kernel.start(one('node', [worker('a', chart, brutal), worker('b', chart, brutal)]));
    hook.tap = tap;
    tell('/node/a', 'nothing');
    await settle();
    tell('/node/a', 'go');
    await settle();
    expect(lines(events)).toEqual(['/node/a message nothing', '/node/a message go', '/node/a go: "a" to "b"']);
    hook.tap = undefined;
    tell('/node/b', 'go');
    await settle();
    await clock.advanceAsync(5);
    events.length = 0;
    hook.tap = tap;
    await clock.advanceAsync(5);
    // The first that is seen of /node/b is no message.
    expect(lines(events)).toEqual([
      '/node/a xstate.after.10.(machine).b: "b" to "c"',
      '/node/b xstate.after.10.(machine).b: "b" to "c"',
    ]);
    hook.tap = undefined;
    tell('/node/a', 'go');
    await settle();
    events.length = 0;
    hook.tap = tap;
    tell('/node/a', 'go');
    await settle();
    expect(lines(events)).toEqual(['/node/a message go', '/node/a go: "d" to "a"']);
    await kernel.stop();
  });

  test('sees a restored chart begin where it was', async () => {
    // Its own test of what is kept: persistence.test.ts.
    const { MemoryStore } = await import('../../../src/testing/memory-store.ts');
    const chart = setup({}).createMachine({ initial: 'a', states: { a: { on: { go: 'b' } }, b: {} } });
    const spec = (store: InstanceType<typeof MemoryStore>) =>
      one('node', [worker('a', chart, { ...brutal, persistence: { version: 1, store } })]);
    const store = new MemoryStore();
    const before = watched();
    await before.kernel.start(spec(store));
    before.tell('/node/a', 'go');
    await settle();
    await before.kernel.stop();
    const now = watched();
    await now.kernel.start(spec(store.crash()));
    expect(lines(now.events)[0]).toBe('/node/a xstate.init: undefined to "b"');
    await now.kernel.stop();
  });
});

describe('a tap that fails', () => {
  const failing: [string, () => Tap][] = [
    [
      'by a throw',
      () => () => {
        throw new Error('watcher');
      },
    ],
    [
      'by a promise',
      () =>
        (async () => {
          throw new Error('watcher');
        }) as Tap,
    ],
    [
      'before it is there',
      () => {
        throw new Error('watcher');
      },
    ],
  ];
  test.each(failing)('%s hurts nobody', async (_, tap) => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('unhandledRejection', note);
    const { kernel, log } = lab({ tap });
    await kernel.start(one('node', [worker('a', polite('a', log))]));
    for (const type of ['unknown', 'crash', 'unknown']) kernel.ref<Message>('/node/a').tell({ type });
    await settle();
    expect(kernel.tree()[1]).toMatchObject({ incarnation: 2, waiting: 0, state: 'living' });
    await kernel.stop();
    await settle();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('later, in something that it began, is no fault of the actor that it was shown', async () => {
    const source = new EventEmitter();
    const strays: unknown[] = [];
    let later: (() => void) | undefined;
    const { AsyncResource } = await import('node:async_hooks');
    const { kernel } = lab({
      onStray: (error) => strays.push(error),
      tap: () => (event) => {
        if (event.type === 'actor.message')
          later ??= AsyncResource.bind(() => source.emit('uncaughtException', 'of the watcher'));
      },
    });
    const undo = chargeStrayThrows(kernel, source as never);
    await kernel.start(
      one('node', [
        worker(
          'a',
          fromHandler(() => () => {}),
        ),
      ]),
    );
    kernel.ref<Message>('/node/a').tell({ type: 'x' });
    await settle();
    later?.();
    expect(strays).toEqual(['of the watcher']);
    expect(kernel.tree()[1]?.incarnation).toBe(1);
    undo();
    await kernel.stop();
  });

  test('by telling and stopping actors does no more than anybody else who does', async () => {
    const { kernel, log } = lab({
      tap: () => (event) => {
        if (event.type === 'actor.message' && (event.message as Message).type === 'one')
          kernel.ref<Message>('/node/b').tell({ type: 'two' });
        if (event.type === 'actor.message' && (event.message as Message).type === 'two') kernel.kill('/node/a');
      },
    });
    const noting = (name: string) => fromHandler(() => (message: Message) => log.push(`${name} ${message.type}`));
    await kernel.start(one('node', [worker('a', noting('a')), worker('b', noting('b'))]));
    kernel.ref<Message>('/node/a').tell({ type: 'one' });
    await settle();
    expect(log).toEqual(['a one', 'b two', 'restart /node/a killed']);
    await kernel.stop();
  });
});

describe('who is called in the middle of it', () => {
  const chart = setup({}).createMachine({
    initial: 'on',
    on: {
      crash: {
        actions: () => {
          throw new Error('crash');
        },
      },
      finish: '.end',
    },
    states: { on: {}, end: { type: 'final' } },
  });
  const types = [
    'actor.started',
    'actor.stopped',
    'actor.crashed',
    'actor.restarted',
    'actor.message',
    'actor.transition',
  ];
  const ends = types.flatMap((type) =>
    ['/node', '/node/s', '/node/s/a', '/node/s/b'].map((path) => [path, type] as const),
  );

  test.each(ends)('can end %s at any time, and nothing lives on that it was above (%s)', async (path, type) => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    let calls = 0;
    const end = (): void => {
      // Not each time, or a restart would never succeed.
      if (++calls % 3 === 1) kernel.kill(path);
    };
    const { kernel, clock, metrics } = lab({
      tap: () => (event) => void (event.type === type && event.path.startsWith('/node/s/') && end()),
    });
    const store = new MemoryStore();
    const kept = (id: string) =>
      worker(id, chart, { startedWhen: () => true, persistence: { version: 1, store, afterCrash: 'restore' } });
    const children = [
      worker('a', chart),
      kept('b'),
      worker(
        'c',
        fromHandler(() => () => {}),
      ),
    ];
    const started = kernel
      .start(one('node', [one('s', children, { strategy: 'rest-for-one', intensity: 50 })], { intensity: 50 }))
      .catch(() => {});
    await clock.advanceAsync(60_000);
    await started;
    for (const message of ['go', 'crash', 'go', 'finish', 'crash']) {
      for (const id of ['a', 'b', 'c']) kernel.ref<Message>(`/node/s/${id}`).tell({ type: message });
      await clock.advanceAsync(1_000);
    }
    await kernel.stop();
    expect(calls).toBeGreaterThan(0);
    expect([kernel.tree(), clock.pending, warned.mock.calls]).toEqual([[], 0, []]);
    // Nobody who lived on keeps its name.
    const heir = lab();
    await heir.kernel.start(one('node', [one('s', [kept('b')])]));
    await heir.kernel.stop();
    expect(metrics.read().length).toBeGreaterThan(0);
    warned.mockRestore();
  });

  test('a chart that is ended while it is asked whether it has started, has not', async () => {
    const { kernel } = lab();
    const startedWhen = (): boolean => kernel.kill('/node/a');
    await kernel
      .start(one('node', []))
      .then(() => kernel.startChild('/node', worker('a', chart, { startedWhen, restart: 'temporary' })));
    expect(kernel.whichChildren('/node')).toEqual({ ok: true, value: [] });
    await kernel.stop();
  });

  test('who is told of a restart can end who restarts, and nobody is left', async () => {
    const { kernel, clock } = lab({ onRestart: ({ path }) => void (path === '/node/s/a' && kernel.kill('/node/s')) });
    await kernel.start(one('node', [one('s', [worker('a', chart)])], { intensity: 10 }));
    for (let at = 0; at < 3; at += 1) {
      kernel.ref<Message>('/node/s/a').tell({ type: 'crash' });
      await clock.advanceAsync(10);
    }
    expect(kernel.tree().map(({ path, incarnation }) => [path, incarnation])).toEqual([
      ['/node', 1],
      ['/node/s', 4],
      ['/node/s/a', 1],
    ]);
    await kernel.stop();
  });
});
