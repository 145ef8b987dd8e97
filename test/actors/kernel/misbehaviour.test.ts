import { describe, expect, test } from 'vitest';
import { type AnyActorLogic, fromCallback, setup } from 'xstate';
import type { Asked } from '../../../src/actors/kernel/asks.ts';
import { fromHandler, type HandlerSelf } from '../../../src/actors/kernel/handler.ts';
import type { Message, Ref } from '../../../src/actors/kernel/ref.ts';
import type { ChildSpec, WorkerSpec } from '../../../src/actors/kernel/spec.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { lab, one, plain, polite, settle, worker } from './lab.ts';

/** An agent in the same process that does what no agent should. The others must not notice. */

const boom = (): never => {
  throw new Error('trap');
};
/** Every look at it throws. */
const trapped = (): object =>
  new Proxy(
    {},
    {
      get: boom,
      has: boom,
      getPrototypeOf: boom,
      ownKeys: boom,
      getOwnPropertyDescriptor: boom,
    },
  );
const cyclic = (): object => {
  const self: Record<string, unknown> = { type: 'cyclic' };
  self.self = self;
  return self;
};

describe('what is thrown may be anything', () => {
  const thrown: [string, unknown][] = [
    ['undefined', undefined],
    ['null', null],
    ['a text', 'no'],
    ['a symbol', Symbol('no')],
    ['an object without toString', Object.create(null)],
    ['an object whose toString throws', { toString: boom }],
    ['an error whose message throws', Object.defineProperty(new Error('x'), 'message', { get: boom })],
    ['an error whose message is a symbol', Object.assign(new Error('x'), { message: Symbol('no') })],
    ['an error with a message of 10 MB', new Error('x'.repeat(10_000_000))],
    ['something cyclic', cyclic()],
    ['a proxy that throws at every look', trapped()],
  ];

  test.each(thrown)('in a turn: %s', async (_what, error) => {
    const { kernel, log } = lab();
    const logic = fromHandler<Message>(() => (message) => {
      if (message.type === 'now') throw error;
      return Promise.reject(error);
    });
    const chart = setup({}).createMachine({
      on: {
        now: {
          actions: () => {
            throw error;
          },
        },
      },
    });
    const children = [worker('a', logic), worker('chart', chart as AnyActorLogic, { shutdown: 'brutal-kill' })];
    await kernel.start(one('node', [...children, worker('b', polite('b', log))], { intensity: 10 }));
    for (const type of ['now', 'later']) kernel.ref('/node/a').tell({ type });
    kernel.ref('/node/chart').tell({ type: 'now' });
    await settle();
    expect(log.filter((line) => line === 'restart /node/a crash')).toHaveLength(2);
    expect(log.filter((line) => line.startsWith('restart'))).toHaveLength(3);
    expect(kernel.tree().map((view) => view.restarts)).toEqual([0, 2, 1, 0]);
    await kernel.stop();
  });

  test.each(thrown)('in a start: %s', async (_what, error) => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [worker('b', polite('b', log))]));
    const logic = fromHandler(() => {
      throw error;
    });
    const refused = await kernel.startChild('/node', worker('a', logic));
    expect(refused).toMatchObject({ refusal: { code: 'SUPERVISION', answer: 'start-failed' } });
    // What is said about it fits into a line of the log, whatever it is.
    if (!refused.ok) expect(refused.refusal.reasons[0].length).toBeLessThan(2_000);
    expect(await kernel.startChild('/node', one('inner', [worker('a', logic)]))).toMatchObject({
      refusal: { code: 'SUPERVISION' },
    });
    expect(kernel.tree().map((view) => [view.path, view.restarts])).toEqual([
      ['/node', 0],
      ['/node/b', 0],
    ]);
    expect(log).toEqual(['start b']);
    await kernel.stop();
  });

  test.each(thrown)('until the supervisor gives up: %s', async (_what, error) => {
    const { kernel } = lab();
    const logic = fromHandler(() => () => {
      throw error;
    });
    await kernel.start(one('node', [worker('a', logic)], { intensity: 0 }));
    kernel.ref('/node/a').tell({ type: 'go' });
    expect(await kernel.ended).toMatchObject({ reason: 'gave-up', error: { code: 'SUPERVISION' } });
  });
});

describe('what is told may be anything', () => {
  const messages: [string, () => object][] = [
    ['a proxy that throws at every look', trapped],
    [
      'a type that throws',
      () => ({
        get type() {
          return boom();
        },
      }),
    ],
    [
      'a replyTo that throws',
      () => ({
        type: 'x',
        get replyTo() {
          return boom();
        },
      }),
    ],
    ['a replyTo that is a trap', () => ({ type: 'x', replyTo: trapped() })],
    ['something cyclic', cyclic],
    ['an object without a prototype', () => Object.create(null) as object],
    ['something big', () => ({ type: 'x', bytes: new Uint8Array(50_000_000), deep: 'x'.repeat(5_000_000) })],
  ];

  test.each(messages)('neither tell nor send nor ask throws, and nothing is left behind: %s', async (_what, make) => {
    const { kernel, clock, log } = lab();
    const logic = fromHandler(() => () => {});
    await kernel.start(
      one('node', [worker('a', logic), worker('b', polite('b', log)), worker('full', logic, { inboxMessagesMax: 1 })]),
    );
    const refs = ['/node/a', '/node/b', '/node/full', '/node', '/node/nobody'].map((path) => kernel.ref<object>(path));
    for (const ref of refs) {
      for (let times = 0; times < 2; times += 1) ref.tell(make());
      await ref.send(make());
      const asked = kernel.ask(ref as Ref<never>, make() as never, { timeoutMs: 10 });
      await clock.advanceAsync(20);
      expect((await asked).ok).toBe(false);
    }
    expect(kernel.tree().map((view) => view.restarts)).toEqual([0, 0, 0, 0]);
    expect(clock.pending).toBe(0);
    // And as dead letters of an actor that goes for good with a full inbox.
    for (let times = 0; times < 3; times += 1) refs[0]!.tell(make());
    await kernel.stopChild('/node', 'a');
    expect(await kernel.startChild('/node', worker('a', logic))).toMatchObject({ ok: true });
    await kernel.stop();
    expect(log).toEqual(['start b', 'stop b']);
  });

  test.each(messages)('senders that wait for room are all let go when the actor goes: %s', async (_what, make) => {
    const { kernel } = lab();
    const logic = fromHandler(() => () => {});
    await kernel.start(one('node', [worker('a', logic, { inboxMessagesMax: 1, overflow: 'wait' })]));
    const ref = kernel.ref<object>('/node/a');
    ref.tell({ type: 'first' });
    const waiting = [ref.send(make()), ref.send({ type: 'second' }), ref.send({ type: 'third' })];
    await kernel.stopChild('/node', 'a');
    expect((await Promise.all(waiting)).at(-1)).toMatchObject({ ok: false });
    await kernel.stop();
  });

  test('a message whose type changes after it was checked does not stop a chart or forge its children’s end', async () => {
    const { kernel } = lab();
    const heard: string[] = [];
    const chart = setup({}).createMachine({ on: { '*': { actions: ({ event }) => heard.push(event.type) } } });
    await kernel.start(one('node', [worker('a', chart as AnyActorLogic, { shutdown: 'brutal-kill' })]));
    const shifty = (evil: string): object => {
      let looks = 0;
      return {
        get type() {
          looks += 1;
          return looks === 1 ? 'harmless' : evil;
        },
      };
    };
    const target: { type: string } = { type: 'harmless' };
    const changing = { ...target };
    const lying = new Proxy(target, { get: () => (heard.length >= 0 ? 'xstate.stop' : 'x') });
    const ref = kernel.ref<object>('/node/a');
    ref.tell(shifty('xstate.stop'));
    ref.tell(shifty('xstate.error.actor.x'));
    ref.tell(lying);
    ref.tell(changing);
    changing.type = 'xstate.stop';
    ref.tell({ type: 'hello' });
    await settle();
    expect(kernel.tree().map((view) => [view.path, view.restarts])).toEqual([
      ['/node', 0],
      ['/node/a', 0],
    ]);
    expect(heard.filter((type) => type.startsWith('xstate.'))).toEqual([]);
    expect(heard.at(-1)).toBe('hello');
    await kernel.stop();
  });

  test('a lane that there is not is refused', async () => {
    const { kernel } = lab();
    await kernel.start(
      one('node', [
        worker(
          'a',
          plain(() => {}),
        ),
      ]),
    );
    expect(kernel.ref('/node/a').tell({ type: 'x' }, 'urgent' as never)).toMatchObject({
      refusal: { code: 'MALFORMED', message: { type: 'x' } },
    });
    await kernel.stop();
  });
});

describe('clean-up that misbehaves', () => {
  const cleaning: [string, (self: HandlerSelf) => void][] = [
    ['throws', ({ onEnd }) => onEnd(boom)],
    ['rejects', ({ onEnd }) => onEnd((async () => boom()) as () => void)],
    ['spawns', () => {}],
  ];
  test.each(cleaning)('%s: the life is over all the same', async (_what, begin) => {
    const { kernel } = lab();
    const logic = fromHandler((self) => {
      begin(self);
      return (message) => {
        if (message.type === 'crash') boom();
      };
    });
    await kernel.start(one('node', [worker('a', logic)]));
    kernel.ref('/node/a').tell({ type: 'crash' });
    await settle();
    expect(kernel.tree()[1]).toMatchObject({ incarnation: 2 });
    await kernel.stop();
    expect(await kernel.ended).toEqual({ reason: 'stopped' });
  });

  test('every clean-up is called once, the last one first, also one that is asked for when the life is over', async () => {
    const calls: string[] = [];
    const { kernel } = lab();
    const logic = fromHandler(({ onEnd, finish }) => {
      onEnd(() => calls.push('first'));
      onEnd(boom);
      onEnd(() => calls.push('second'));
      return async () => {
        finish();
        onEnd(() => calls.push('late'));
        await settle(1);
        onEnd(() => calls.push('later'));
      };
    });
    await kernel.start(one('node', [worker('a', logic, { restart: 'temporary' })]));
    kernel.ref('/node/a').tell({ type: 'go' });
    await settle();
    expect(calls).toEqual(['second', 'first', 'late', 'later']);
    await kernel.stop();
  });

  test('a preparation for the end that rejects is a crash of the actor, and it has ended', async () => {
    const { kernel, clock } = lab();
    const logic = fromHandler(({ onShutdown }) => {
      onShutdown((async () => boom()) as () => void);
      return () => {};
    });
    await kernel.start(one('node', [worker('a', logic)]));
    const stopped = kernel.stop();
    await settle();
    expect(clock.pending).toBe(0);
    await stopped;
  });
});

describe('an actor that ends itself in the middle', () => {
  const alive = new Set<string>();
  const ticking = fromCallback(() => {
    alive.add('invoked');
    return () => alive.delete('invoked');
  });

  test.each(['input', 'context', 'entry', 'begin'] as const)(
    'of its start, by its own %s: no zombie',
    async (where) => {
      const { kernel } = lab();
      let turns = 0;
      const kill = (): void => void kernel.kill('/node/a');
      const chart = setup({ actors: { ticking } }).createMachine({
        context: () => {
          if (where === 'context') kill();
          return {};
        },
        entry: () => {
          if (where === 'entry') kill();
        },
        invoke: { src: 'ticking' },
        after: {
          10: {
            actions: () => {
              turns += 1;
            },
          },
        },
      });
      const handler = fromHandler(({ onEnd }) => {
        alive.add('handler');
        kill();
        onEnd(() => alive.delete('handler'));
        return () => {
          turns += 1;
        };
      });
      const spec: ChildSpec =
        where === 'begin'
          ? worker('a', handler)
          : worker('a', chart as AnyActorLogic, { input: () => (where === 'input' ? kill() : undefined) });
      await kernel.start(one('node', []));
      expect(await kernel.startChild('/node', spec)).toMatchObject({ refusal: { answer: 'start-failed' } });
      kernel.ref('/node/a').tell({ type: 'x' });
      await settle();
      expect([...alive]).toEqual([]);
      expect(turns).toBe(0);
      expect(kernel.tree()).toHaveLength(1);
      await kernel.stop();
    },
  );

  test('of a chart’s step: its invoked actors end with it', async () => {
    const { kernel, clock } = lab();
    const chart = setup({ actors: { ticking } }).createMachine({
      initial: 'a',
      states: {
        a: { on: { go: 'b' } },
        b: { entry: () => void kernel.kill('/node/a'), invoke: { src: 'ticking' }, after: { 10: 'a' } },
      },
    });
    await kernel.start(one('node', [worker('a', chart as AnyActorLogic, { restart: 'temporary' })]));
    kernel.ref('/node/a').tell({ type: 'go' });
    await settle();
    expect([...alive]).toEqual([]);
    expect(clock.pending).toBe(0);
    expect(kernel.tree()).toHaveLength(1);
    await kernel.stop();
  });

  test('of its start, with the supervisor above it', async () => {
    const { kernel } = lab();
    const killer = fromHandler(() => {
      kernel.kill('/node/inner');
      return () => {};
    });
    await kernel.start(one('node', [one('inner', [], { restart: 'temporary' })]));
    expect(await kernel.startChild('/node/inner', worker('a', killer))).toMatchObject({ ok: false });
    await settle();
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node']);
    await kernel.stop();
  });
});

describe('logic that is none', () => {
  test.each([
    ['nothing', () => undefined],
    ['a promise', async () => () => {}],
    ['a promise that rejects', async () => boom()],
    ['a number', () => 7],
  ])('a begin that returns %s is a start that failed', async (_what, begin) => {
    const { kernel } = lab();
    await kernel.start(one('node', []));
    const logic = fromHandler(begin as never);
    expect(await kernel.startChild('/node', worker('a', logic))).toMatchObject({
      refusal: { answer: 'start-failed', reasons: [expect.stringContaining('function')] },
    });
    await settle();
    await kernel.stop();
  });

  test('a promise that is not Node’s own is heard too', async () => {
    const { kernel, log } = lab();
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested
      then: (_resolve: unknown, reject: (error: Error) => void) => reject(new Error('theirs')),
    };
    await kernel.start(
      one('node', [
        worker(
          'a',
          fromHandler(() => () => thenable),
        ),
      ]),
    );
    kernel.ref('/node/a').tell({ type: 'go' });
    await settle();
    expect(log).toEqual(['restart /node/a crash']);
    await kernel.stop();
  });

  test('a handler with startedWhen would wait for ever for a snapshot: it is refused', async () => {
    const { kernel } = lab();
    await kernel.start(one('node', []));
    const spec = worker(
      'a',
      fromHandler(() => () => {}),
      { startedWhen: () => true },
    );
    expect(await kernel.startChild('/node', spec)).toMatchObject({ refusal: { answer: 'invalid-spec' } });
    await kernel.stop();
  });

  test('a chart that never comes to rest crashes instead of taking the process with it', async () => {
    const endless = setup({}).createMachine({
      initial: 'still',
      states: { still: { on: { go: 'a' } }, a: { always: 'b' }, b: { always: 'a' } },
    });
    const atOnce = setup({}).createMachine({
      initial: 'a',
      states: { a: { always: 'b' }, b: { always: 'a' } },
    });
    const nested = setup({ actors: { atOnce } }).createMachine({
      initial: 'still',
      states: { still: { on: { go: 'busy' } }, busy: { invoke: { src: 'atOnce' } } },
    });
    const inline = setup({}).createMachine({
      initial: 'still',
      states: { still: { on: { go: 'busy' } }, busy: { invoke: { src: atOnce } } },
    } as never);
    const { kernel, log } = lab();
    const over: Partial<WorkerSpec> = { shutdown: 'brutal-kill' };
    await kernel.start(
      one(
        'node',
        [
          worker('a', endless, over),
          worker('n', nested, over),
          worker('i', inline, over),
          worker('b', polite('b', log)),
        ],
        { intensity: 10 },
      ),
    );
    for (const id of ['a', 'n', 'i']) kernel.ref(`/node/${id}`).tell({ type: 'go' });
    await settle();
    expect(log).toEqual(['start b', 'restart /node/a crash', 'restart /node/n crash', 'restart /node/i crash']);
    expect(await kernel.startChild('/node', worker('x', atOnce))).toMatchObject({
      refusal: { answer: 'start-failed' },
    });
    await kernel.stop();
  });

  test('a logic whose snapshot throws does not break the view of the tree', async () => {
    const { kernel } = lab();
    let armed = false;
    const logic = {
      ...plain(() => {}),
      getInitialSnapshot: () => ({
        status: 'active',
        get value() {
          if (armed) boom();
          return 'x';
        },
      }),
    } as never;
    await kernel.start(one('node', [worker('a', logic)]));
    armed = true;
    expect(kernel.tree()).toHaveLength(2);
    await kernel.stop();
  });
});

describe('specs that change', () => {
  test('a spec that is used again with another id makes another child', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [], { intensity: 5 }));
    const spec = { ...worker('a', polite('x', log)) };
    await kernel.startChild('/node', spec);
    (spec as { id: string }).id = 'b';
    await kernel.startChild('/node', spec);
    (spec as { id: string }).id = 'c';
    kernel.ref('/node/a').tell({ type: 'crash' });
    await settle();
    expect(log.filter((line) => line.startsWith('restart'))).toEqual(['restart /node/a crash']);
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/a', '/node/b']);
    await kernel.stop();
  });

  test('a list of children that is changed later changes no supervisor', async () => {
    const { kernel, log } = lab();
    const children: ChildSpec[] = [worker('a', polite('a', log))];
    await kernel.start(one('node', [one('inner', children, { intensity: 0 })]));
    children.push({ kind: 'nonsense' } as never);
    kernel.ref('/node/inner/a').tell({ type: 'crash' });
    await settle(12);
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/inner', '/node/inner/a']);
    await kernel.stop();
  });
});

test('an actor may ask itself and wait for the answer: its own turn goes on meanwhile', async () => {
  type Q = Asked<{ readonly type: 'start' | 'inner' }, string>;
  const { kernel } = lab();
  const logic = fromHandler<Q>(({ ref }) => async ({ type, replyTo }) => {
    if (type === 'inner') return void replyTo.tell('inner');
    const inner = await kernel.ask(ref as Ref<Q>, { type: 'inner' });
    replyTo.tell(inner.ok ? `outer of ${inner.value}` : 'lost');
  });
  await kernel.start(one('node', [worker('a', logic)]));
  expect(await kernel.ask(kernel.ref<Q>('/node/a'), { type: 'start' })).toEqual({ ok: true, value: 'outer of inner' });
  await kernel.stop();
});

test('a chart that sends to itself through its own ref goes on by turns', async () => {
  const { kernel } = lab();
  let steps = 0;
  const chart = setup({ types: { context: {} as { self: Ref }, input: {} as { self: Ref } } }).createMachine({
    context: ({ input }) => input,
    on: {
      go: {
        actions: ({ context, self }) => {
          steps += 1;
          sendTarget(context.self);
          void self;
          if (steps < 20_000) context.self.tell({ type: 'go' });
        },
      },
    },
  });
  await kernel.start(
    one('node', [
      worker('a', chart as AnyActorLogic, {
        input: ({ self }: { self: Ref }) => ({ self }),
        shutdown: 'brutal-kill',
      }),
    ]),
  );
  kernel.ref('/node/a').tell({ type: 'go' });
  const begun = performance.now();
  while (steps < 20_000 && performance.now() - begun < 5_000) await settle(1);
  expect(steps).toBe(20_000);
  await kernel.stop();
});

test('what was seen of a watched life by one that crashed meanwhile is not told to its successor', async () => {
  const heard: string[] = [];
  const { kernel } = lab();
  const watcher = fromHandler<Message>(() => (message) => {
    if (message.type === 'crash') boom();
    heard.push(message.type);
  });
  await kernel.start(
    one('node', [worker('w', watcher), worker('m', polite('m', []), { restart: 'temporary' })], { intensity: 5 }),
  );
  kernel.monitor(kernel.ref('/node/m'), kernel.ref('/node/w'));
  kernel.ref('/node/w').tell({ type: 'crash' }, 'control');
  kernel.ref('/node/w').tell({ type: 'mine' }, 'supervision');
  kernel.kill('/node/m');
  await settle();
  expect(heard).toEqual(['mine']);
  expect(kernel.monitors).toBe(0);
  await kernel.stop();
});

test('an actor that spawns without end meets the bound of its supervisor, and the rest goes on', async () => {
  const { kernel, clock } = lab();
  let refused = 0;
  const spawner: WorkerSpec['logic'] = fromHandler<{ type: string; depth: number }>(() => async ({ depth }) => {
    const path = `/node${'/x'.repeat(depth)}`;
    const next = one('x', [worker('s', spawner)]);
    const started = await kernel.startChild(path, next);
    if (!started.ok) refused += 1;
    else kernel.ref<{ type: string; depth: number }>(`${path}/x/s`).tell({ type: 'go', depth: depth + 1 });
  });
  await kernel.start(one('node', [worker('s', spawner)]));
  kernel.ref<{ type: string; depth: number }>('/node/s').tell({ type: 'go', depth: 0 });
  await settle(200);
  expect(refused).toBe(1);
  expect(kernel.tree().length).toBeLessThan(70);
  await kernel.stop();
  expect(clock.pending).toBe(0);
});
