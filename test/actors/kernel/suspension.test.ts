import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { fromCallback, fromPromise, raise, setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { chargeStrayThrows } from '../../../src/actors/kernel/stray.ts';
import { Suspensions } from '../../../src/actors/kernel/suspensions.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, settle, until, worker } from './lab.ts';

const noting = (name: string, log: string[]) =>
  fromHandler((self) => (message) => {
    if (message.type === 'crash') throw new Error('crashed');
    log.push(`${name} ${message.type}`);
    if (message.type === 'finish') self.finish();
  });

const tell = (kernel: ReturnType<typeof lab>['kernel'], path: string, type: string, lane?: 'control' | 'supervision') =>
  kernel.ref<Message>(path).tell({ type }, lane);

const suspended = (kernel: ReturnType<typeof lab>['kernel']) =>
  kernel
    .tree()
    .filter((actor) => actor.suspended)
    .map(({ path }) => path);

describe('a suspended subtree', () => {
  test('takes no user messages until it is resumed, then all of them in order; neighbours go on', async () => {
    const { kernel, log } = lab();
    await kernel.start(
      one('node', [
        one('part', [worker('a', noting('a', log)), worker('b', noting('b', log))]),
        worker('c', noting('c', log)),
      ]),
    );
    expect(kernel.suspend('/node/part')).toEqual({ ok: true, value: undefined });
    for (const path of ['/node/part/a', '/node/part/b', '/node/c']) tell(kernel, path, '1');
    tell(kernel, '/node/part/a', '2');
    await settle();
    expect(log).toEqual(['c 1']);
    expect(suspended(kernel)).toEqual(['/node/part', '/node/part/a', '/node/part/b']);
    expect(kernel.tree().find(({ path }) => path === '/node/part/a')?.waiting).toBe(2);
    expect(kernel.suspensions()).toEqual(['/node/part']);

    expect(kernel.resume('/node/part').ok).toBe(true);
    // Nobody runs on the stack of whoever resumes.
    expect(log).toEqual(['c 1']);
    await settle();
    expect(log).toEqual(['c 1', 'a 1', 'a 2', 'b 1']);
    expect(suspended(kernel)).toEqual([]);
    expect(kernel.suspensions()).toEqual([]);
    await kernel.stop();
  });

  test('hears the upper lanes all the same, and does not spin for what waits', async () => {
    const rounds: (() => void)[] = [];
    const { kernel, log } = lab({ defer: (slice) => rounds.push(slice) });
    const drain = async () => {
      let ran = 0;
      for (let slice = rounds.shift(); slice !== undefined && ran < 50; slice = rounds.shift()) {
        slice();
        ran += 1;
        await settle(1);
      }
      return ran;
    };
    await kernel.start(one('node', [worker('a', noting('a', log))]));
    await drain();
    kernel.suspend('/node/a');
    tell(kernel, '/node/a', 'user');
    tell(kernel, '/node/a', 'watch', 'supervision');
    tell(kernel, '/node/a', 'urgent', 'control');
    expect(await drain()).toBeLessThan(5);
    expect(log).toEqual(['a urgent', 'a watch']);
    const stopping = kernel.stop();
    await drain();
    await stopping;
  });

  test('an inbox that fills meanwhile overflows as its spec says', async () => {
    const { kernel, log } = lab();
    const over = { inboxMessagesMax: 2 };
    await kernel.start(
      one('node', [
        worker('a', noting('a', log), over),
        worker('b', noting('b', log), { ...over, overflow: 'drop-oldest' }),
        worker('c', noting('c', log), { ...over, overflow: 'drop-newest' }),
        worker('d', noting('d', log), { ...over, overflow: 'wait' }),
      ]),
    );
    kernel.suspend('/node');
    for (const id of ['a', 'b', 'c']) for (const type of ['1', '2']) tell(kernel, `/node/${id}`, type);
    expect(tell(kernel, '/node/a', '3')).toMatchObject({ ok: false, refusal: { code: 'INBOX_FULL' } });
    expect(tell(kernel, '/node/b', '3').ok).toBe(true);
    expect(tell(kernel, '/node/c', '3').ok).toBe(true);
    const sent = ['1', '2', '3'].map((type) => kernel.ref<Message>('/node/d').send({ type }));
    let through = 0;
    for (const each of sent) void each.then(() => (through += 1));
    await settle();
    expect(through).toBe(2);
    kernel.resume('/node');
    await Promise.all(sent);
    await settle();
    expect(log.sort()).toEqual(['a 1', 'a 2', 'b 2', 'b 3', 'c 1', 'c 2', 'd 1', 'd 2', 'd 3']);
    await kernel.stop();
  });

  test('is shut down in order, with the delays that its charts need for it; what waited becomes dead letters', async () => {
    const { kernel, clock, log } = lab();
    const slow = setup({}).createMachine({
      initial: 'living',
      states: {
        living: { on: { 'kernel.shutdown': 'ending', poke: { actions: () => log.push('poked') } } },
        ending: { entry: () => log.push('ending'), after: { 100: 'gone' } },
        gone: { entry: () => log.push('gone'), type: 'final' },
      },
    });
    await kernel.start(one('node', [worker('a', slow, { shutdown: 'infinity' })]));
    kernel.suspend('/node');
    tell(kernel, '/node/a', 'poke');
    const stopped = kernel.stop();
    await clock.advanceAsync(100);
    await stopped;
    expect(log).toEqual(['ending', 'gone']);
    expect(kernel.deadLetters.byReason().get('stopped')).toBe(1);
  });

  test('an ask waits until its time is over, or until the answer after the resume', async () => {
    const { kernel, clock } = lab();
    type Question = Message & { replyTo: { tell(answer: string): unknown } };
    const answers = fromHandler<Question>(() => (message) => message.replyTo.tell('yes'));
    await kernel.start(one('node', [worker('a', answers)]));
    const ref = kernel.ref<Question>('/node/a');
    kernel.suspend('/node/a');
    const late = kernel.ask(ref, { type: 'q' } as never, { timeoutMs: 500 });
    await clock.advanceAsync(500);
    expect(await late).toMatchObject({ ok: false, refusal: { code: 'TIMED_OUT' } });
    const soon = kernel.ask(ref, { type: 'q' } as never, { timeoutMs: 500 });
    await clock.advanceAsync(400);
    kernel.resume('/node/a');
    expect(await soon).toEqual({ ok: true, value: 'yes' });
    await kernel.stop();
  });
});

describe('lives and suspension', () => {
  test('a crash restarts, and the new life is suspended, as is what a restarted supervisor brings back', async () => {
    const { kernel, log } = lab();
    await kernel.start(
      one('node', [one('part', [worker('a', noting('a', log)), worker('b', noting('b', log))], { intensity: 5 })], {
        intensity: 5,
      }),
    );
    kernel.suspend('/node/part/a');
    tell(kernel, '/node/part/a', '1');
    tell(kernel, '/node/part/a', 'crash', 'control');
    await settle();
    expect(kernel.tree().find(({ path }) => path === '/node/part/a')).toMatchObject({
      incarnation: 2,
      suspended: true,
    });
    expect(kernel.kill('/node/part')).toBe(true);
    await settle();
    expect(kernel.tree().find(({ path }) => path === '/node/part')?.incarnation).toBe(2);
    expect(suspended(kernel)).toEqual(['/node/part/a']);
    tell(kernel, '/node/part/a', '2');
    tell(kernel, '/node/part/b', '2');
    await settle();
    expect(log.filter((line) => !line.startsWith('restart'))).toEqual(['b 2']);
    kernel.resume('/node/part/a');
    await settle();
    expect(log.filter((line) => !line.startsWith('restart'))).toEqual(['b 2', 'a 2']);
    await kernel.stop();
  });

  test('a stray throw of a suspended actor is its crash', async () => {
    const { kernel } = lab();
    const source = new EventEmitter();
    const undo = chargeStrayThrows(kernel, source as never);
    let throwLater = () => {};
    const logic = fromHandler(() => () => {
      throwLater = AsyncResource.bind(() => source.emit('uncaughtException', new Error('out of turn')));
    });
    await kernel.start(one('node', [worker('a', logic)], { intensity: 5 }));
    tell(kernel, '/node/a', 'go');
    await settle();
    kernel.suspend('/node');
    throwLater();
    await settle();
    expect(kernel.tree()[1]).toMatchObject({ incarnation: 2, suspended: true });
    undo();
    await kernel.stop();
  });

  test('children that are started later begin, and are suspended', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [one('part', [])]));
    kernel.suspend('/node/part');
    const started = await kernel.startChild('/node/part', one('deep', [worker('a', noting('a', log))]));
    expect(started.ok).toBe(true);
    tell(kernel, '/node/part/deep/a', '1');
    await settle();
    expect(suspended(kernel)).toEqual(['/node/part', '/node/part/deep', '/node/part/deep/a']);
    expect(log).toEqual([]);
    kernel.resume('/node/part');
    await settle();
    expect(log).toEqual(['a 1']);
    await kernel.stop();
  });

  test('one that needs its own delay to start, starts', async () => {
    const { kernel, clock, log } = lab();
    const slow = setup({}).createMachine({
      initial: 'coming',
      states: {
        coming: { after: { 50: 'here' } },
        here: { after: { 50: 'late' } },
        late: { entry: () => log.push('late') },
      },
    });
    await kernel.start(one('node', []));
    kernel.suspend('/node');
    const starting = kernel.startChild(
      '/node',
      worker('a', slow, { startedWhen: (now) => now.matches('here'), shutdown: 'brutal-kill' }),
    );
    await clock.advanceAsync(50);
    expect((await starting).ok).toBe(true);
    await clock.advanceAsync(500);
    expect(log).toEqual([]);
    kernel.resume('/node');
    await settle();
    expect(log).toEqual(['late']);
    await kernel.stop();
  });

  test('an order goes with the spec: another child of that name is not suspended', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [one('part', [])]));
    await kernel.startChild('/node/part', worker('a', noting('old', log)));
    kernel.suspend('/node/part/a');
    await kernel.stopChild('/node/part', 'a');
    expect(kernel.suspensions()).toEqual([]);
    await kernel.startChild('/node/part', worker('a', noting('new', log)));
    tell(kernel, '/node/part/a', '1');
    await settle();
    expect(log).toEqual(['new 1']);

    // A crash above wakes nobody: whoever is added again after it is suspended again.
    kernel.suspend('/node/part/a');
    kernel.kill('/node/part');
    await until(() => kernel.tree().some(({ path, incarnation }) => path === '/node/part' && incarnation === 2));
    await kernel.startChild('/node/part', worker('a', noting('newer', log)));
    tell(kernel, '/node/part/a', '2');
    await settle();
    expect(log.filter((line) => line.startsWith('newer'))).toEqual([]);
    await kernel.stopChild('/node', 'part');
    expect(kernel.suspensions()).toEqual([]);
    await kernel.stop();
  });

  test('a child that is terminated and restarted by order is as suspended as before', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [worker('a', noting('a', log))]));
    kernel.suspend('/node/a');
    await kernel.terminateChild('/node', 'a');
    await kernel.restartChild('/node', 'a');
    tell(kernel, '/node/a', '1');
    await settle();
    expect(log).toEqual([]);
    kernel.resume('/node/a');
    await settle();
    expect(log).toEqual(['a 1']);
    await kernel.stop();
  });
});

describe('orders', () => {
  test('compose: the resume of a part wakes nobody while the whole is suspended', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [one('part', [worker('a', noting('a', log))])]));
    kernel.suspend('/node');
    kernel.suspend('/node/part');
    tell(kernel, '/node/part/a', '1');
    kernel.resume('/node/part');
    await settle();
    expect(log).toEqual([]);
    kernel.suspend('/node/part');
    kernel.resume('/node');
    await settle();
    expect(log).toEqual([]);
    expect(suspended(kernel)).toEqual(['/node/part', '/node/part/a']);
    kernel.resume('/node/part');
    await settle();
    expect(log).toEqual(['a 1']);
    await kernel.stop();
  });

  test('given twice count once, and can be taken back when none was given', async () => {
    const { kernel, log } = lab();
    await kernel.start(one('node', [worker('a', noting('a', log))]));
    expect(kernel.resume('/node/a').ok).toBe(true);
    kernel.suspend('/node/a');
    kernel.suspend('/node/a');
    kernel.resume('/node/a');
    tell(kernel, '/node/a', '1');
    await settle();
    expect(log).toEqual(['a 1']);
    await kernel.stop();
  });

  test('about no place are refused', async () => {
    const { kernel } = lab();
    expect(kernel.suspend('/node')).toMatchObject({ ok: false, refusal: { code: 'NOT_FOUND' } });
    await kernel.start(one('node', []));
    for (const path of ['', '/', '/node/nobody', 'node', '/node/', 'elsewhere!/node', '/other'])
      for (const act of ['suspend', 'resume'] as const)
        expect(kernel[act](path), path).toMatchObject({ ok: false, refusal: { code: 'NOT_FOUND' } });
    await kernel.stop();
  });

  test('are bounded', () => {
    const orders = new Suspensions();
    for (let at = 0; at < limits.suspensionsMax; at += 1) expect(orders.add(`/a/${at}`)).toBe(true);
    expect(orders.add('/b')).toBe(false);
    expect(orders.add('/a/0')).toBe(true);
    expect(orders.delete('/a/0')).toBe(true);
    expect(orders.add('/b')).toBe(true);
  });

  test('cover whole names only, whatever orders there are', () => {
    const path = fc
      .array(fc.constantFrom('a', 'ab', 'b'), { minLength: 1, maxLength: 4 })
      .map((ids) => `/${ids.join('/')}`);
    fc.assert(
      fc.property(fc.array(path, { maxLength: 5 }), path, path, (given, forgotten, asked) => {
        const orders = new Suspensions();
        for (const each of given) orders.add(each);
        const at = (below: string, above: string) => `${below}/`.startsWith(`${above}/`);
        expect(orders.cover(asked)).toBe(given.some((each) => at(asked, each)));
        orders.forget(forgotten);
        expect(orders.cover(asked)).toBe(given.some((each) => at(asked, each) && !at(each, forgotten)));
      }),
    );
  });
});

describe('a suspended chart', () => {
  test('has its delays wait, in the order in which they fell due; time goes on', async () => {
    const { kernel, clock, log } = lab();
    const chart = setup({}).createMachine({
      type: 'parallel',
      states: {
        one: { initial: 'a', states: { a: { after: { 200: 'b' } }, b: { entry: () => log.push('one') } } },
        two: { initial: 'a', states: { a: { after: { 100: 'b' } }, b: { entry: () => log.push('two') } } },
        three: { initial: 'a', states: { a: { after: { 900: 'b' } }, b: { entry: () => log.push('three') } } },
      },
    });
    await kernel.start(one('node', [worker('a', chart, { shutdown: 'brutal-kill' })]));
    kernel.suspend('/node/a');
    await clock.advanceAsync(500);
    expect(log).toEqual([]);
    kernel.resume('/node/a');
    await settle();
    expect(log).toEqual(['two', 'one']);
    await clock.advanceAsync(399);
    expect(log).toEqual(['two', 'one']);
    await clock.advanceAsync(1);
    expect(log).toEqual(['two', 'one', 'three']);
    await kernel.stop();
  });

  test('has results of what it invoked wait, which come before messages; a cancelled delay never fires', async () => {
    const { kernel, clock, log } = lab();
    const { promise, resolve } = Promise.withResolvers<string>();
    let sendBack: (event: Message) => void = () => {};
    const chart = setup({
      actors: {
        asked: fromPromise(() => promise),
        caller: fromCallback<Message>((self) => {
          sendBack = self.sendBack;
        }),
      },
    }).createMachine({
      initial: 'a',
      invoke: { src: 'caller' },
      on: { '*': { actions: ({ event }) => log.push(event.type) } },
      states: {
        a: {
          invoke: { src: 'asked', id: 'asked', onDone: { actions: ({ event }) => log.push(`answer ${event.output}`) } },
          after: { 100: { actions: () => log.push('never') } },
          on: { leave: 'b' },
        },
        b: {},
      },
    });
    await kernel.start(one('node', [worker('a', chart, { shutdown: 'brutal-kill' })]));
    kernel.suspend('/node/a');
    tell(kernel, '/node/a', 'told');
    sendBack({ type: 'called' });
    resolve('42');
    await settle();
    expect(log).toEqual([]);
    kernel.resume('/node/a');
    await settle();
    expect(log).toEqual(['called', 'answer 42', 'told']);

    kernel.suspend('/node/a');
    await clock.advanceAsync(200);
    tell(kernel, '/node/a', 'leave', 'control');
    await settle();
    expect(kernel.tree()[1]?.state).toBe('b');
    kernel.resume('/node/a');
    await settle();
    expect(log).toEqual(['called', 'answer 42', 'told']);
    await kernel.stop();
  });

  test('has nothing happen of what waits for a part of it, or for itself, that is over meanwhile', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const result = Promise.withResolvers<string>();
    const slow = fromPromise(() => result.promise);
    const logic = setup({ actors: { slow } }).createMachine({
      initial: 'asking',
      on: { 'kernel.shutdown': '.leaving', end: '.gone', more: {} },
      states: {
        asking: { invoke: { src: 'slow' }, entry: ['end', 'more'].map((type) => raise({ type }, { delay: 10 })) },
        leaving: { after: { 20: 'gone' } },
        gone: { type: 'final' },
      },
    });
    const { kernel, clock } = lab();
    await kernel.start(one('node', [worker('a', logic), worker('b', logic, { restart: 'transient' })]));
    kernel.suspend('/node');
    await clock.advanceAsync(10);
    result.resolve('late');
    await settle();
    kernel.resume('/node');
    kernel.suspend('/node/a');
    await settle();
    const stopped = kernel.stop();
    await clock.advanceAsync(20);
    await stopped;
    expect(warned.mock.calls).toEqual([]);
    warned.mockRestore();
  });

  test('suspended again before it has gone on stays as it is', async () => {
    const { kernel, clock, log } = lab();
    const chart = setup({}).createMachine({
      initial: 'a',
      states: { a: { after: { 10: 'b' } }, b: { entry: () => log.push('b') } },
    });
    await kernel.start(one('node', [worker('a', chart, { shutdown: 'brutal-kill' })]));
    kernel.suspend('/node/a');
    await clock.advanceAsync(50);
    kernel.resume('/node/a');
    kernel.suspend('/node/a');
    await settle();
    expect(log).toEqual([]);
    kernel.resume('/node');
    await settle();
    expect(log).toEqual([]);
    kernel.resume('/node/a');
    await settle();
    expect(log).toEqual(['b']);
    await kernel.stop();
  });

  test('does what a control message asks of it and of its children, at once', async () => {
    const { kernel, log } = lab();
    const child = setup({}).createMachine({ on: { ping: { actions: () => log.push('child heard') } } });
    const chart = setup({ actors: { child } }).createMachine({
      invoke: { src: 'child', id: 'child' },
      on: { ping: { actions: ({ self }) => self.getSnapshot().children.child?.send({ type: 'ping' }) } },
    });
    await kernel.start(one('node', [worker('a', chart, { shutdown: 'brutal-kill' })]));
    kernel.suspend('/node/a');
    tell(kernel, '/node/a', 'ping', 'control');
    await settle();
    expect(log).toEqual(['child heard']);
    await kernel.stop();
  });
});
