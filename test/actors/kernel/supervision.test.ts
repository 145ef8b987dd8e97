import { describe, expect, test } from 'vitest';
import { type AnyActorLogic, assign, fromCallback, fromPromise, setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import { CaxtonError } from '../../../src/errors.ts';
import { lab, one, plain, polite, rest, settle, stubborn, until, worker } from './lab.ts';

const names = ['a', 'b', 'c'];

describe('start and stop', () => {
  test('children start left to right and stop right to left, depth first', async () => {
    const { kernel, log } = lab();
    const w = (id: string) => worker(id, polite(id, log));
    await kernel.start(one('node', [w('a'), one('inner', [w('b'), w('c')]), w('d')]));
    expect(kernel.tree().map((view) => view.path)).toEqual([
      '/node',
      '/node/a',
      '/node/inner',
      '/node/inner/b',
      '/node/inner/c',
      '/node/d',
    ]);
    expect(kernel.tree()[1]).toEqual({
      path: '/node/a',
      kind: 'worker',
      incarnation: 1,
      restarts: 0,
      waiting: 0,
      suspended: false,
      state: 'living',
    });
    await Promise.all([kernel.stop(), kernel.stop()]);
    expect(log).toEqual(['start a', 'start b', 'start c', 'start d', 'stop d', 'stop c', 'stop b', 'stop a']);
    expect(await kernel.ended).toEqual({ reason: 'stopped' });
    expect(kernel.tree()).toEqual([]);
    await expect(kernel.start(one('node', []))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  test('a kernel that never started can be stopped, and cannot be started after', async () => {
    const { kernel } = lab();
    await kernel.stop();
    expect(await kernel.ended).toEqual({ reason: 'stopped' });
    await expect(kernel.start(one('node', []))).rejects.toMatchObject({ code: 'STOPPED' });
  });

  test('a child that does not obey is stopped as it is when its time is over, and not a millisecond sooner', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(
      one('node', [
        worker('a', polite('a', log)),
        worker('b', stubborn('b', log), { shutdown: 300 }),
        worker('c', stubborn('c', log)),
      ]),
    );
    const stopped = kernel.stop();
    await clock.advanceAsync(4_999);
    expect(log).toEqual(['start a']);
    await clock.advanceAsync(1);
    expect(log).toEqual(['start a', 'killed c']);
    await clock.advanceAsync(299);
    expect(log).toEqual(['start a', 'killed c']);
    await clock.advanceAsync(1);
    await stopped;
    expect(log).toEqual(['start a', 'killed c', 'killed b', 'stop a']);
    expect(clock.pending).toBe(0);
  });

  test('one whose time is over is told of, and what hears of it cannot stop the stop', async () => {
    const told: unknown[] = [];
    const { kernel, clock, metrics, log } = lab({
      onOverrun: (event) => {
        told.push(event);
        throw new Error('of the listener');
      },
    });
    await kernel.start(
      one('node', [
        worker('a', polite('a', log)),
        worker('b', stubborn('b', log), { shutdown: 'brutal-kill' }),
        worker('c', stubborn('c', log), { shutdown: 300 }),
      ]),
    );
    const stopped = kernel.stop();
    await clock.advanceAsync(300);
    await stopped;
    expect(told).toEqual([{ path: '/node/c', ms: 300 }]);
    expect(metrics.read()).toContainEqual(
      expect.objectContaining({ name: 'caxton_shutdown_overruns_total', value: 1 }),
    );
  });

  test('brutal-kill does not ask, infinity waits', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(
      one('node', [
        worker('a', stubborn('a', log), { shutdown: 'infinity' }),
        worker('b', polite('b', log), { shutdown: 'brutal-kill' }),
      ]),
    );
    void kernel.stop();
    await clock.advanceAsync(100_000_000);
    expect(log).toEqual(['start b']);
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/a']);
    expect(clock.pending).toBe(0);
  });

  test('a chart that nowhere names the order to shut down cannot heed it, and ends at once', async () => {
    const { kernel, log } = lab();
    const deaf = (id: string) => {
      const cleanedUp = fromCallback(() => () => void log.push(`cleaned up ${id}`));
      return setup({ actors: { cleanedUp } }).createMachine({
        invoke: { src: 'cleanedUp' },
        initial: 'on',
        states: { on: { on: { go: 'off', 'other.*': 'off' } }, off: {} },
      });
    };
    await kernel.start(
      one('node', [worker('a', deaf('a'), { shutdown: 'infinity' }), one('below', [worker('b', deaf('b'))])]),
    );
    const ends: unknown[] = [];
    kernel.monitor(kernel.ref('/node/a'), ({ reason }) => void ends.push(reason));
    // No time goes by.
    await kernel.stop();
    await settle();
    expect([ends, log]).toEqual([['shutdown'], ['cleaned up b', 'cleaned up a']]);
  });

  test.each<[string, AnyActorLogic]>([
    [
      'in one of its states',
      setup({}).createMachine({ initial: 'a', states: { a: {}, b: { on: { 'kernel.shutdown': 'a' } } } }),
    ],
    ['to do nothing', setup({}).createMachine({ on: { 'kernel.shutdown': {} } })],
    ['by a wildcard', setup({}).createMachine({ initial: 'a', states: { a: { on: { '*': {} } } } })],
    ['by a partial wildcard', setup({}).createMachine({ on: { 'kernel.*': {} } })],
  ])('a chart that names the order %s has its time', async (_, logic) => {
    const { kernel, clock } = lab();
    await kernel.start(one('node', [worker('a', logic)]));
    const stopped = kernel.stop();
    await clock.advanceAsync(4_999);
    expect(kernel.tree()).toHaveLength(2);
    await clock.advanceAsync(1);
    await stopped;
  });

  const ordered = ({ event }: { event: { type: string } }): boolean => event.type === 'kernel.shutdown';

  test('a chart that heeds the order only in the guard of a transition without an event has its time', async () => {
    const { kernel, clock, log } = lab();
    const leaves = setup({}).createMachine({
      initial: 'on',
      states: {
        on: { always: { guard: ordered, target: 'leaving' } },
        leaving: { entry: () => void log.push('leaving'), after: { 100: 'gone' } },
        gone: { type: 'final', entry: () => void log.push('gone') },
      },
    });
    const acts = setup({}).createMachine({ always: { guard: ordered, actions: () => void log.push('told') } });
    await kernel.start(one('node', [worker('a', acts, { shutdown: 300 }), worker('b', leaves)]));
    const stopped = kernel.stop();
    await clock.advanceAsync(99);
    expect(log).toEqual(['leaving']);
    await clock.advanceAsync(1);
    expect(log).toEqual(['leaving', 'gone', 'told']);
    await clock.advanceAsync(299);
    expect(kernel.tree()).toHaveLength(2);
    await clock.advanceAsync(1);
    await stopped;
  });

  test('a chart whose guards let the order pass ends at once', async () => {
    const { kernel } = lab();
    const logic = setup({}).createMachine({
      initial: 'on',
      states: { on: { always: { guard: () => false, target: 'off' } }, off: {} },
    });
    await kernel.start(one('node', [worker('a', logic, { shutdown: 'infinity' })]));
    const ends: unknown[] = [];
    kernel.monitor(kernel.ref('/node/a'), ({ reason }) => void ends.push(reason));
    // No time goes by.
    await kernel.stop();
    await settle();
    expect(ends).toEqual(['shutdown']);
  });

  test.each(['terminateChild', 'restartChild', 'deleteChild', 'stopChild'] as const)(
    '%s, asked for by a child while its siblings still start, waits for them',
    async (request) => {
      const { kernel, log } = lab();
      let asked: Promise<unknown> | undefined;
      const first = fromHandler(() => {
        asked = kernel[request]('/node', 'b');
        return () => {};
      });
      const second = fromHandler((self) => {
        log.push('start b');
        self.onEnd(() => void log.push('end b'));
        return () => {};
      });
      await kernel.start(one('node', [worker('a', first), worker('b', second)]));
      await asked;
      const stays = request === 'restartChild' || request === 'deleteChild';
      expect(log).toEqual(stays ? ['start b'] : ['start b', 'end b']);
      await kernel.stop();
      expect(log).toEqual(['start b', 'end b']);
    },
  );

  test('a supervisor whose time is over is cut with all below it', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(
      one('node', [
        one('inner', [worker('a', stubborn('a', log)), worker('b', stubborn('b', log))], { shutdown: 100 }),
      ]),
    );
    const stopped = kernel.stop();
    await clock.advanceAsync(100);
    await stopped;
    expect(log).toEqual(['killed b', 'killed a']);
  });
});

describe('started when it says so', () => {
  const slow = (id: string, log: string[], succeed: Promise<void>) =>
    setup({ actors: { work: fromPromise(() => succeed) } }).createMachine({
      initial: 'starting',
      entry: () => log.push(`start ${id}`),
      on: { 'kernel.shutdown': '.gone' },
      states: {
        starting: { invoke: { src: 'work', onDone: 'ready' } },
        ready: { entry: () => log.push(`ready ${id}`) },
        gone: { type: 'final', entry: () => log.push(`stop ${id}`) },
      },
    });
  const startedWhen = (snapshot: { value: unknown }) => snapshot.value === 'ready';

  test('the next sibling starts only then', async () => {
    const { kernel, log } = lab();
    const { promise, resolve } = Promise.withResolvers<void>();
    const started = kernel.start(
      one('node', [worker('a', slow('a', log, promise), { startedWhen }), worker('b', polite('b', log))]),
    );
    await settle();
    expect(log).toEqual(['start a']);
    resolve();
    await started;
    expect(log).toEqual(['start a', 'ready a', 'start b']);
    await kernel.stop();
  });

  test('a start that fails: start() rejects, those before it are stopped, the kernel has ended', async () => {
    const { kernel, log } = lab();
    const spec = worker('b', slow('b', log, Promise.reject(new Error('no disk'))), { startedWhen });
    const started = kernel.start(
      one('node', [worker('a', polite('a', log)), one('inner', [spec]), worker('c', polite('c', log))]),
    );
    await expect(started).rejects.toThrow(/\/node\/inner could not start: .*\/node\/inner\/b could not start: no disk/);
    await expect(started).rejects.toMatchObject({ code: 'SUPERVISION' });
    expect(log).toEqual(['start a', 'start b', 'stop a']);
    expect(await kernel.ended).toMatchObject({ reason: 'gave-up' });
    expect(kernel.tree()).toEqual([]);
  });

  test('one that takes too long has failed', async () => {
    const { kernel, clock, log } = lab();
    const spec = worker('a', slow('a', log, new Promise(() => {})), { startedWhen, startTimeoutMs: 700 });
    const started = kernel.start(one('node', [spec]));
    started.catch(() => {});
    await clock.advanceAsync(699);
    expect(kernel.tree()).toHaveLength(2);
    await clock.advanceAsync(1);
    await expect(started).rejects.toThrow(/had not started after 700 ms/);
    expect(clock.pending).toBe(0);
  });

  test('one that ends before it has started, or whose startedWhen throws, has failed', async () => {
    const brief = setup({}).createMachine({ initial: 'done', states: { done: { type: 'final' } } });
    const first = lab().kernel;
    await expect(first.start(one('node', [worker('a', brief, { startedWhen: () => false })]))).rejects.toThrow(
      /ended before/,
    );
    const second = lab().kernel;
    const broken = () => {
      throw new Error('bad predicate');
    };
    await expect(second.start(one('node', [worker('a', polite('a', []), { startedWhen: broken })]))).rejects.toThrow(
      /bad predicate/,
    );
  });

  test('stop() overtakes a start that hangs', async () => {
    const { kernel, log } = lab();
    const spec = worker('b', slow('b', log, new Promise(() => {})), { startedWhen });
    const started = kernel.start(one('node', [worker('a', polite('a', log)), spec, worker('c', polite('c', log))]));
    started.catch(() => {});
    await settle();
    await kernel.stop();
    await expect(started).rejects.toMatchObject({ code: 'STOPPED' });
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });
});

describe('a stop that meets a start', () => {
  /** Counts as started only because it is told to stop; ends 50 ms later. */
  const late = (log: string[]) =>
    setup({}).createMachine({
      initial: 'starting',
      entry: () => log.push('start late'),
      states: {
        starting: { on: { 'kernel.shutdown': 'ready' } },
        ready: { after: { 50: 'gone' } },
        gone: { type: 'final', entry: () => log.push('stop late') },
      },
    });
  const startedWhen = (snapshot: { value: unknown }) => snapshot.value === 'ready';

  test('at boot: the next sibling is not started any more', async () => {
    const { kernel, clock, log } = lab();
    const started = kernel.start(one('node', [worker('a', late(log), { startedWhen }), worker('b', polite('b', log))]));
    started.catch(() => {});
    await settle();
    const stopped = kernel.stop();
    await clock.advanceAsync(50);
    await stopped;
    await expect(started).rejects.toMatchObject({ code: 'STOPPED' });
    expect(log).toEqual(['start late', 'stop late']);
  });

  test('of a child added at run time: refused as stopped', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(one('node', []));
    const started = kernel.startChild('/node', worker('a', late(log), { startedWhen }));
    await settle();
    const stopped = kernel.stop();
    await clock.advanceAsync(50);
    await stopped;
    expect(await started).toMatchObject({ refusal: { code: 'STOPPED' } });
    expect(log).toEqual(['start late', 'stop late']);
  });
});

describe('restarts', () => {
  test('one-for-one restarts the one alone', async () => {
    const { kernel, log } = lab();
    await kernel.start(
      one(
        'node',
        names.map((id) => worker(id, polite(id, log))),
      ),
    );
    log.length = 0;
    kernel.ref('/node/b').tell({ type: 'crash' });
    await settle();
    expect(log).toEqual(['restart /node/b crash', 'start b']);
    expect(kernel.tree().map((view) => view.restarts)).toEqual([0, 0, 1, 0]);
    await kernel.stop();
  });

  test('rest-for-one stops those after it right to left and starts all left to right, temporary ones excepted', async () => {
    const { kernel, log } = lab();
    const children = ['a', 'b', 'c', 'd'].map((id) =>
      worker(id, polite(id, log), { restart: id === 'c' ? 'temporary' : 'permanent' }),
    );
    await kernel.start(rest('node', children));
    log.length = 0;
    kernel.ref('/node/b').tell({ type: 'crash' });
    await settle();
    expect(log).toEqual(['stop d', 'stop c', 'restart /node/b crash', 'start b', 'restart /node/d sibling', 'start d']);
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/a', '/node/b', '/node/d']);
    expect(kernel.ref('/node/c').tell({ type: 'x' }).ok).toBe(false);
    await kernel.stop();
  });

  test('two siblings that crash in one turn under rest-for-one: the second, restarted already, is not restarted again', async () => {
    const { kernel, log } = lab();
    await kernel.start(
      rest(
        'node',
        names.map((id) => worker(id, polite(id, log))),
        { intensity: 5 },
      ),
    );
    log.length = 0;
    kernel.ref('/node/a').tell({ type: 'crash' });
    kernel.ref('/node/b').tell({ type: 'crash' });
    await settle();
    expect(log).toEqual([
      'stop c',
      'restart /node/a crash',
      'start a',
      'restart /node/b sibling',
      'start b',
      'restart /node/c sibling',
      'start c',
    ]);
    expect(kernel.tree().map((view) => view.restarts)).toEqual([0, 1, 1, 1]);
    await kernel.stop();
  });

  test('transient stays down after a normal end, temporary after any; permanent comes back', async () => {
    const { kernel, log } = lab();
    await kernel.start(
      one(
        'node',
        [
          worker('p', polite('p', log), { restart: 'permanent' }),
          worker('t', polite('t', log), { restart: 'transient' }),
          worker('x', polite('x', log), { restart: 'temporary' }),
        ],
        { intensity: 5 },
      ),
    );
    log.length = 0;
    for (const id of ['p', 't', 'x']) kernel.ref(`/node/${id}`).tell({ type: 'finish' });
    await settle();
    expect(log).toEqual(['restart /node/p normal', 'start p']);
    expect(kernel.ref('/node/t').tell({ type: 'x' })).toMatchObject({ refusal: { code: 'STOPPED' } });
    // Its spec is still there, so it is restarted and not started.
    expect(await kernel.startChild('/node', worker('t', polite('t', log)))).toMatchObject({
      refusal: { code: 'ALREADY_EXISTS', answer: 'already-present' },
    });
    expect(await kernel.restartChild('/node', 't')).toMatchObject({ ok: true, value: { path: '/node/t' } });
    kernel.ref('/node/t').tell({ type: 'crash' });
    await settle();
    expect(log.slice(2)).toEqual(['start t', 'restart /node/t crash', 'start t']);
    await kernel.stop();
  });

  test('what waited in the inbox of the crashed one is handled by the next, but for the message that crashed it', async () => {
    const seen: unknown[] = [];
    const { kernel } = lab();
    const logic = plain((message) => {
      if (message.type === 'crash') throw new Error('crash');
      seen.push(message.n);
    });
    await kernel.start(one('node', [worker('a', logic)]));
    const ref = kernel.ref('/node/a');
    ref.tell({ type: 'n', n: 1 } as { type: string });
    ref.tell({ type: 'crash' });
    ref.tell({ type: 'n', n: 2 } as { type: string });
    await settle();
    expect(seen).toEqual([1, 2]);
    expect(kernel.deadLetters.count).toBe(0);
    await kernel.stop();
  });

  test('too many within the period: the supervisor gives up, its parent restarts it, gives up too, and the kernel ends', async () => {
    const { kernel, log, metrics } = lab();
    const leaf = one('leaf', [worker('a', polite('a', log))], { intensity: 1 });
    await kernel.start(
      one('node', [one('mid', [leaf, worker('b', polite('b', log))], { intensity: 1 })], { intensity: 0 }),
    );
    for (let crash = 0; crash < 4; crash += 1) {
      kernel.ref('/node/mid/leaf/a').tell({ type: 'crash' });
      await settle(12);
    }
    expect(log).toEqual([
      'start a',
      'start b',
      'restart /node/mid/leaf/a crash',
      'start a',
      'restart /node/mid/leaf shutdown',
      'start a',
      'restart /node/mid/leaf/a crash',
      'start a',
      'stop b',
    ]);
    const ending = await kernel.ended;
    expect(ending.reason).toBe('gave-up');
    expect(ending.error).toBeInstanceOf(CaxtonError);
    expect((ending.error as Error).message).toMatch(
      /\/node gave up.*\/node\/mid gave up.*\/node\/mid\/leaf gave up.*a crashed/,
    );
    expect(metrics.read().find((sample) => sample.name === 'caxton_supervisors_gave_up_total')?.value).toBe(4);
    expect(kernel.tree()).toEqual([]);
  });

  test('crashes that are far enough apart never add up', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(one('node', [worker('a', polite('a', log))], { intensity: 1, periodMs: 5_000 }));
    for (let crash = 0; crash < 5; crash += 1) {
      kernel.ref('/node/a').tell({ type: 'crash' });
      await clock.advanceAsync(5_001);
    }
    expect(kernel.tree()[1]?.restarts).toBe(5);
    await kernel.stop();
  });

  test('a restart that fails counts as another crash, until the supervisor gives up', async () => {
    const { kernel, log } = lab();
    let starts = 0;
    const input = () => {
      starts += 1;
      if (starts > 1) throw new Error(`start ${starts} failed`);
    };
    await kernel.start(one('node', [worker('a', polite('a', log), { input })], { intensity: 3 }));
    kernel.ref('/node/a').tell({ type: 'crash' });
    const ending = await kernel.ended;
    expect(starts).toBe(4);
    expect(ending).toMatchObject({ reason: 'gave-up', error: { message: expect.stringMatching(/start 4 failed/) } });
  });

  test('an order to stop is heard between failing restarts, however many are allowed', async () => {
    const { kernel, log } = lab();
    let starts = 0;
    const input = () => {
      starts += 1;
      if (starts > 1) throw new Error('no');
    };
    await kernel.start(one('node', [worker('a', polite('a', log), { input })], { intensity: 1_000, periodMs: 1 }));
    kernel.ref('/node/a').tell({ type: 'crash' });
    await until(() => starts > 3);
    await kernel.stop();
    expect(await kernel.ended).toEqual({ reason: 'stopped' });
  });

  test('an order to stop during a restart that still waits for a sibling’s end: nobody is started any more', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(
      rest('node', [worker('a', polite('a', log)), worker('b', stubborn('b', log), { shutdown: 300 })]),
    );
    kernel.ref('/node/a').tell({ type: 'crash' });
    await settle();
    const stopped = kernel.stop();
    await clock.advanceAsync(300);
    await stopped;
    expect(log).toEqual(['start a', 'killed b']);
  });

  test('a slow restart under one-for-one does not hold up a sibling’s', async () => {
    const { kernel, log } = lab();
    let starts = 0;
    const input = () => ({ hang: ++starts > 1 });
    const hanging = setup({
      types: { context: {} as { hang: boolean }, input: {} as { hang: boolean } },
    }).createMachine({
      context: ({ input }) => input,
      initial: 'starting',
      on: {
        'kernel.shutdown': '.gone',
        crash: {
          actions: () => {
            throw new Error('x');
          },
        },
      },
      states: {
        starting: { always: { guard: ({ context }) => !context.hang, target: 'ready' } },
        ready: {},
        gone: { type: 'final' },
      },
    });
    await kernel.start(
      one(
        'node',
        [
          worker('a', hanging, { input, startedWhen: (snapshot) => snapshot.value === 'ready' }),
          worker('b', polite('b', log)),
        ],
        { intensity: 5 },
      ),
    );
    kernel.ref('/node/a').tell({ type: 'crash' });
    await settle();
    kernel.ref('/node/b').tell({ type: 'crash' });
    await settle();
    expect(log).toEqual(['start b', 'restart /node/a crash', 'restart /node/b crash', 'start b']);
    await kernel.stop();
  });
});

describe('children added while it runs', () => {
  test('start, refuse the same id twice, stop, start again', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [one('agents', [])]));
    const spec = worker('x', polite('x', log));
    const started = await kernel.startChild('/node/agents', spec);
    expect(started).toMatchObject({ ok: true, value: { path: '/node/agents/x' } });
    expect(await kernel.startChild('/node/agents', spec)).toMatchObject({ refusal: { code: 'ALREADY_EXISTS' } });
    expect(await kernel.startChild('/node/nobody', spec)).toMatchObject({ refusal: { code: 'STOPPED' } });
    expect(await kernel.startChild('/node/agents/x', spec)).toMatchObject({ refusal: { code: 'STOPPED' } });
    await kernel.stopChild('/node/agents', 'x');
    await kernel.stopChild('/node/agents', 'x');
    await kernel.stopChild('/nobody', 'x');
    expect(log).toEqual(['start x', 'stop x']);
    expect(kernel.tree()).toHaveLength(2);
    expect(await kernel.startChild('/node/agents', spec)).toMatchObject({ ok: true });
    if (started.ok) expect(started.value.tell({ type: 'hello' }).ok).toBe(true);
    await kernel.stop();
    expect(await kernel.startChild('/node/agents', spec)).toMatchObject({ refusal: { code: 'STOPPED' } });
  });

  test('an id that is no text is nobody’s, and costs nobody anything', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [worker('a', polite('a', log))]));
    const trap = {
      toString(): string {
        throw new Error('a trap');
      },
    };
    for (const id of [Symbol('a'), trap, undefined, 7] as unknown as string[]) {
      for (const act of ['terminateChild', 'restartChild', 'deleteChild'] as const)
        expect(await kernel[act]('/node', id)).toMatchObject({ ok: false, refusal: { answer: 'not-found' } });
      await kernel.stopChild('/node', id);
    }
    expect(kernel.tree().map(({ path, restarts }) => [path, restarts])).toEqual([
      ['/node', 0],
      ['/node/a', 0],
    ]);
    await kernel.stop();
  });

  test('one that cannot start is forgotten and not tried again', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', []));
    const input = () => {
      log.push('try');
      throw new Error('bad input');
    };
    const refused = await kernel.startChild('/node', worker('x', polite('x', log), { input }));
    expect(refused).toMatchObject({
      refusal: { code: 'SUPERVISION', reasons: [expect.stringContaining('bad input')] },
    });
    expect(await kernel.startChild('/node', worker('x', polite('x', log)))).toMatchObject({ ok: true });
    expect(log).toEqual(['try', 'start x']);
    await kernel.stop();
  });

  test('a supervisor that restarts has only the children of its spec again', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [one('inner', [worker('a', polite('a', log))], { intensity: 0 })]));
    await kernel.startChild('/node/inner', worker('x', polite('x', log)));
    const ref = kernel.ref('/node/inner/a');
    ref.tell({ type: 'crash' });
    await settle(12);
    expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/inner', '/node/inner/a']);
    expect(log).toEqual(['start a', 'start x', 'stop x', 'restart /node/inner shutdown', 'start a']);
    // The same ref finds the new place.
    expect(ref.tell({ type: 'hello' }).ok).toBe(true);
    await kernel.stop();
  });

  test('a stop that is under way when its supervisor is cut still resolves', async () => {
    const { kernel, clock, log } = lab();
    await kernel.start(one('node', [one('inner', [worker('a', stubborn('a', log))], { shutdown: 'brutal-kill' })]));
    const childStopped = kernel.stopChild('/node/inner', 'a');
    await settle();
    await kernel.stop();
    await childStopped;
    expect(log).toEqual(['killed a']);
    expect(clock.pending).toBe(0);
  });

  test('2,000 start, crash, restart and stop in short time', async () => {
    const { kernel } = lab();
    let born = 0;
    const logic = setup({ types: { context: {} as { n: number } } }).createMachine({
      context: { n: 0 },
      entry: () => {
        born += 1;
      },
      initial: 'living',
      on: {
        inc: { actions: assign({ n: ({ context }) => context.n + 1 }) },
        crash: {
          actions: () => {
            throw new Error('x');
          },
        },
      },
      states: { living: { on: { 'kernel.shutdown': 'gone' } }, gone: { type: 'final' } },
    });
    await kernel.start(one('node', [], { intensity: 1_000 }));
    const begun = performance.now();
    const ids = Array.from({ length: 2_000 }, (_, n) => `w${n}`);
    await Promise.all(ids.map((id) => kernel.startChild('/node', worker(id, logic))));
    expect(kernel.tree()).toHaveLength(2_001);
    for (const id of ids.slice(0, 1_000)) kernel.ref(`/node/${id}`).tell({ type: 'crash' });
    await until(() => born === 3_000);
    await kernel.stop();
    expect(performance.now() - begun).toBeLessThan(2_500);
  });
});
