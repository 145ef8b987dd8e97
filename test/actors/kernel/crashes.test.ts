import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type AnyActorLogic, createActor, fromCallback, fromPromise, raise, sendTo, setup, spawnChild } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import { chargeStrayThrows } from '../../../src/actors/kernel/stray.ts';
import { occupantOfTurn } from '../../../src/actors/kernel/turn.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { type Lab, lab, one, plain, polite, settle, until, worker } from './lab.ts';

const boom = (): never => {
  throw new Error('boom');
};

/** A chart with states to crash in; `go` leads to the one under test. */
const chart = (bad: object, implementations: object = {}): AnyActorLogic =>
  setup(implementations).createMachine({
    initial: 'fine',
    states: { fine: { on: { go: 'bad' } }, bad, gone: { type: 'final' } },
    on: { 'kernel.shutdown': '.gone' },
  } as never) as AnyActorLogic;

describe('wherever a chart crashes, it is restarted and its siblings live on', () => {
  const table: [string, AnyActorLogic][] = [
    ['in an entry action', chart({ entry: boom })],
    ['in an exit action', chart({ always: 'gone', exit: boom })],
    ['in a guard', chart({ always: { guard: boom, target: 'gone' } })],
    ['in an action after a delay', chart({ after: { 50: { actions: boom } } })],
    ['in a guard after a delay', chart({ after: { 50: { guard: boom, target: 'gone' } } })],
    ['in an invoked promise', chart({ invoke: { src: 'job' } }, { actors: { job: fromPromise(async () => boom()) } })],
    ['in an invoked callback', chart({ invoke: { src: 'job' } }, { actors: { job: fromCallback(boom) } })],
    [
      'in the input of an invoked actor',
      chart({ invoke: { src: 'job', input: boom } }, { actors: { job: fromPromise(async () => {}) } }),
    ],
    [
      'in an invoked machine',
      chart({ invoke: { src: 'job' } }, { actors: { job: setup({}).createMachine({ entry: boom }) } }),
    ],
    [
      'in plain logic',
      plain((message) => {
        if (message.type === 'go') boom();
      }),
    ],
  ];
  test.each(table)('%s', async (_where, logic) => {
    const { kernel, clock, log } = lab();
    await kernel.start(one('node', [worker('a', logic), worker('b', polite('b', log))]));
    kernel.ref('/node/a').tell({ type: 'go' });
    await clock.advanceAsync(60);
    expect(log).toEqual(['start b', 'restart /node/a crash']);
    expect(kernel.tree().map((view) => [view.path, view.incarnation])).toEqual([
      ['/node', 1],
      ['/node/a', 2],
      ['/node/b', 1],
    ]);
    await kernel.stop();
  });

  const initial: [string, AnyActorLogic][] = [
    ['the constructor', { ...plain(() => {}), getInitialSnapshot: boom }],
    ['the context', setup({}).createMachine({ context: boom }) as AnyActorLogic],
    ['the first entry action', setup({}).createMachine({ entry: boom }) as AnyActorLogic],
    ['logic.start', fromCallback(boom)],
  ];
  test.each(initial)('a throw in %s is a start that failed and leaves nobody behind', async (_where, logic) => {
    const { kernel } = lab();
    await kernel.start(one('node', []));
    expect(await kernel.startChild('/node', worker('a', logic))).toMatchObject({ refusal: { code: 'SUPERVISION' } });
    expect(kernel.tree()).toHaveLength(1);
    expect(kernel.ref('/node/a').tell({ type: 'x' })).toMatchObject({ refusal: { code: 'STOPPED' } });
    await kernel.stop();
  });
});

test('a crashed actor takes its invoked and spawned actors with it, also those of the step that crashed', async () => {
  const alive = new Set<string>();
  const ticking = (name: string) =>
    fromCallback(() => {
      alive.add(name);
      return () => alive.delete(name);
    });
  const nested = setup({ actors: { deep: ticking('deep') } }).createMachine({ invoke: { src: 'deep' } });
  const logic = setup({ actors: { invoked: ticking('invoked'), spawned: ticking('spawned'), nested } }).createMachine({
    invoke: [{ src: 'invoked' }, { src: 'nested' }],
    entry: spawnChild('spawned', { id: 's' }),
    on: { crash: { actions: [spawnChild('spawned', { id: 's2' }), boom] } },
  });
  const { kernel } = lab();
  await kernel.start(one('node', [worker('a', logic, { restart: 'temporary' })]));
  expect([...alive].sort()).toEqual(['deep', 'invoked', 'spawned']);
  kernel.ref('/node/a').tell({ type: 'crash' });
  await settle();
  expect([...alive]).toEqual([]);
  await kernel.stop();
});

test('plain logic that makes its own actors has them stopped with it', async () => {
  const alive = new Set<string>();
  const child = fromCallback(() => {
    alive.add('child');
    return () => alive.delete('child');
  });
  const logic = plain((message, scope) => {
    if (message.type === 'make') createActor(child, { parent: scope.self } as never).start();
    else boom();
  });
  const { kernel } = lab();
  await kernel.start(one('node', [worker('a', logic, { restart: 'temporary' })]));
  kernel.ref('/node/a').tell({ type: 'make' });
  await settle();
  expect([...alive]).toEqual(['child']);
  kernel.ref('/node/a').tell({ type: 'crash' });
  await settle();
  expect([...alive]).toEqual([]);
  await kernel.stop();
});

test.each(['finish', 'crash', 'kill'] as const)(
  'nothing of a chart’s delays is left after its end, whatever ids they had (%s)',
  async (how) => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { kernel, clock } = lab();
    const heard: unknown[] = [];
    const target = sendTarget(kernel.ref('/node/b'));
    const logic = setup({}).createMachine({
      initial: 'on',
      on: { crash: { actions: boom }, finish: '.gone' },
      states: {
        on: {
          // XState knows only the last of several with one id.
          entry: [1, 2].flatMap(() => [
            sendTo(target, { type: 'late' }, { delay: 100, id: 'one' }),
            raise({ type: 'finish' }, { delay: 100, id: 'two' }),
          ]),
        },
        gone: { type: 'final' },
      },
    });
    const noting = fromHandler(() => (message) => void heard.push(message));
    await kernel.start(one('node', [worker('a', logic, { restart: 'temporary' }), worker('b', noting)]));
    if (how === 'kill') kernel.kill('/node/a');
    else kernel.ref('/node/a').tell({ type: how });
    await clock.advanceAsync(1_000);
    expect([heard, warned.mock.calls]).toEqual([[], []]);
    warned.mockRestore();
    await kernel.stop();
  },
);

test('a crashed actor’s delays are gone: what its successor hears is its own', async () => {
  let fired = 0;
  const logic = setup({}).createMachine({
    initial: 'waiting',
    on: { crash: { actions: boom }, 'kernel.shutdown': '.gone' },
    states: {
      waiting: { after: { 100: { target: 'fired' } } },
      fired: {
        entry: () => {
          fired += 1;
        },
      },
      gone: { type: 'final' },
    },
  });
  const { kernel, clock } = lab();
  await kernel.start(one('node', [worker('a', logic)]));
  await clock.advanceAsync(60);
  kernel.ref('/node/a').tell({ type: 'crash' });
  await clock.advanceAsync(60);
  expect(fired).toBe(0);
  await clock.advanceAsync(60);
  expect(fired).toBe(1);
  expect(clock.pending).toBe(0);
  await kernel.stop();
});

describe('throws that escape XState', () => {
  // Vitest’s own listeners would report these on purpose throws as failures.
  const kept = new Map<string, ((...args: never[]) => void)[]>();
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  let room: Lab;
  let undo: () => void;
  beforeEach(() => {
    for (const event of events) {
      kept.set(event, process.listeners(event as 'uncaughtException') as never);
      process.removeAllListeners(event);
    }
    room = lab({ clock: nodeClock });
    undo = chargeStrayThrows(room.kernel, process);
  });
  afterEach(async () => {
    undo();
    await room.kernel.stop();
    for (const event of events) for (const listener of kept.get(event) ?? []) process.on(event, listener as never);
  });

  const escapes: [string, AnyActorLogic][] = [
    [
      'a timer',
      plain((message) => {
        if (message.type === 'go') setTimeout(boom, 1);
      }),
    ],
    [
      'an immediate',
      plain((message) => {
        if (message.type === 'go') setImmediate(boom);
      }),
    ],
    [
      'a promise nobody awaits',
      plain((message) => {
        if (message.type === 'go') void Promise.resolve().then(boom);
      }),
    ],
    [
      'an async action',
      setup({}).createMachine({
        on: {
          go: {
            actions: async () => {
              await settle(1);
              boom();
            },
          },
        },
      }) as AnyActorLogic,
    ],
    [
      'a callback actor’s timer',
      chart(
        { invoke: { src: 'job' } },
        {
          actors: {
            job: fromCallback(() => {
              setTimeout(boom, 1);
            }),
          },
        },
      ),
    ],
    ['a delayed action’s timer', chart({ after: { 1: { actions: () => setTimeout(boom, 1) } } })],
    [
      'an event emitter of its own making',
      plain((message) => {
        if (message.type !== 'go') return;
        const emitter = new EventEmitter().on('x', boom);
        setTimeout(() => emitter.emit('x'), 1);
      }),
    ],
  ];
  test.each(escapes)('from %s crash the actor that caused them, and no other', async (_where, logic) => {
    const { kernel, log, strays } = room;
    await kernel.start(one('node', [worker('a', logic, { shutdown: 'brutal-kill' }), worker('b', polite('b', log))]));
    kernel.ref('/node/a').tell({ type: 'go' });
    await until(() => log.includes('restart /node/a crash'));
    await settle();
    expect(log).toEqual(['start b', 'restart /node/a crash']);
    expect(strays).toEqual([]);
  });

  test('of no actor are reported', async () => {
    setTimeout(boom, 1);
    await until(() => room.strays.length === 1);
    expect(room.strays[0]).toMatchObject({ message: 'boom' });
  });

  test('of a life that has ended do not harm its successor', async () => {
    const { kernel, log, strays, metrics } = room;
    const logic = plain((message) => {
      if (message.type === 'arm') setTimeout(boom, 20);
      else boom();
    });
    await kernel.start(one('node', [worker('a', logic)]));
    kernel.ref('/node/a').tell({ type: 'arm' });
    kernel.ref('/node/a').tell({ type: 'crash' });
    const late = () => metrics.read().find((sample) => sample.name === 'caxton_late_throws_total')?.value;
    await until(() => late() === 1);
    await settle();
    expect(log).toEqual(['restart /node/a crash']);
    expect(kernel.tree()[1]?.restarts).toBe(1);
    expect(strays).toEqual([]);
  });

  test('in what another actor’s message started are charged to the one whose turn it was', async () => {
    const { kernel } = room;
    const seen: (string | undefined)[] = [];
    await kernel.start(
      one('node', [
        worker(
          'a',
          plain(() => {
            seen.push(occupantOfTurn()?.path);
            kernel.ref('/node/b').tell({ type: 'go' });
          }),
        ),
        worker(
          'b',
          plain(() => {
            setTimeout(() => seen.push(occupantOfTurn()?.path), 1);
          }),
        ),
      ]),
    );
    kernel.ref('/node/a').tell({ type: 'go' });
    await until(() => seen.length === 2);
    expect(seen).toEqual(['/node/a', '/node/b']);
    expect(occupantOfTurn()?.path).toBeUndefined();
  });
});

test('the scheduler belongs to no actor, even when an actor’s timer wakes it', async () => {
  const owners: (string | undefined)[] = [];
  const { kernel, clock } = lab({
    defer: (slice) => {
      owners.push(occupantOfTurn()?.path);
      setImmediate(slice);
    },
  });
  const logic = plain(() => clock.setTimeout(() => kernel.ref('/node/a').tell({ type: 'again' }), 10));
  await kernel.start(one('node', [worker('a', logic)]));
  kernel.ref('/node/a').tell({ type: 'go' });
  await clock.advanceAsync(25);
  expect(owners.length).toBeGreaterThan(2);
  expect(new Set(owners)).toEqual(new Set([undefined]));
  await kernel.stop();
});

test('without a place to report to, a stray throw of no actor goes on as it would have', () => {
  const source = new EventEmitter();
  const { kernel } = lab({ onStray: undefined as never });
  const undo = chargeStrayThrows(kernel, source as never);
  expect(() => source.emit('uncaughtException', new Error('nobody’s'))).toThrow('nobody’s');
  undo();
  expect(source.listenerCount('uncaughtException') + source.listenerCount('unhandledRejection')).toBe(0);
});

describe('a supervisor that was killed', () => {
  test('lets nobody wait for ever who asks for its children in the same turn', async () => {
    const { kernel, log } = lab();
    const tree = one('node', [one('room', [worker('a', polite('a', log)), worker('b', polite('b', log))])]);
    await kernel.start(tree);
    const asked = kernel.terminateChild('/node/room', 'b');
    kernel.kill('/node/room');
    await kernel.stopChild('/node/room', 'a');
    expect(await asked).toMatchObject({ refusal: { answer: 'stopping' } });
    expect(await kernel.terminateChild('/node/room', 'b')).toMatchObject({ refusal: { answer: 'stopping' } });
    await settle();
    expect(kernel.countChildren('/node/room')).toMatchObject({ value: { active: 2 } });
    await kernel.stop();
  });

  test('says so each time it has started, with the number of its life, and one whose start fails does not', async () => {
    const lives: number[] = [];
    const { kernel, log } = lab();
    const room = one('room', [worker('a', polite('a', log))], { onStarted: (life) => lives.push(life) });
    let whole = true;
    const failing = worker(
      'b',
      plain(() => {}),
      {
        input: () => {
          if (!whole) throw new Error('not now');
        },
      },
    );
    await kernel.start(
      one('node', [room, one('other', [failing], { onStarted: () => lives.push(100) })], { intensity: 3 }),
    );
    expect(lives).toEqual([1, 100]);
    kernel.kill('/node/room');
    await settle();
    expect(lives).toEqual([1, 100, 2]);
    whole = false;
    kernel.kill('/node/other');
    await settle();
    expect(lives).toEqual([1, 100, 2]);
    await kernel.stop();
  });
});

test('a kernel stops as a whole when it is told to, or when its root gives up or cannot start', async () => {
  const seen: boolean[] = [];
  const logic = (kernel: () => Kernel) =>
    plain((message) => {
      if (message.type === 'crash') boom();
      seen.push(kernel().stopping);
    });
  const told = lab();
  await told.kernel.start(
    one('node', [
      worker(
        'a',
        logic(() => told.kernel),
      ),
    ]),
  );
  told.kernel.ref('/node/a').tell({ type: 'x' });
  await settle();
  // Whoever takes it down in parts says so first; everybody is still there.
  told.kernel.beginStop();
  expect([seen, told.kernel.stopping, told.kernel.tree().length]).toEqual([[false], true, 2]);
  await told.kernel.stop();
  expect((await told.kernel.ended).reason).toBe('stopped');
  const gaveUp = lab();
  await gaveUp.kernel.start(
    one(
      'node',
      [
        worker(
          'a',
          logic(() => gaveUp.kernel),
        ),
      ],
      { intensity: 0 },
    ),
  );
  gaveUp.kernel.ref('/node/a').tell({ type: 'crash' });
  expect((await gaveUp.kernel.ended).reason).toBe('gave-up');
  expect(gaveUp.kernel.stopping).toBe(true);
});
