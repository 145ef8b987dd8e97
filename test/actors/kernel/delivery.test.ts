import { expect, test } from 'vitest';
import { fromTransition, sendTo, setup } from 'xstate';
import type { TapEvent } from '../../../src/actors/kernel/ports.ts';
import type { Ref } from '../../../src/actors/kernel/ref.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, plain, polite, settle, until, worker } from './lab.ts';

interface Numbered {
  readonly type: 'n';
  readonly n: number;
}

test('a message never runs the receiver on the sender’s stack, and messages of one sender keep their order', async () => {
  const seen: unknown[] = [];
  const { kernel } = lab();
  await kernel.start(
    one('node', [
      worker(
        'a',
        plain((message) => seen.push(message.n)),
      ),
    ]),
  );
  const ref = kernel.ref<Numbered>('/node/a');
  for (let n = 0; n < 1_000; n += 1) expect(ref.tell({ type: 'n', n }).ok).toBe(true);
  expect(seen).toEqual([]);
  await until(() => seen.length === 1_000);
  expect(seen).toEqual(Array.from({ length: 1_000 }, (_, n) => n));
  await kernel.stop();
});

test('control overtakes supervision overtakes user', async () => {
  const seen: string[] = [];
  const { kernel } = lab();
  await kernel.start(
    one('node', [
      worker(
        'a',
        plain((message) => seen.push(message.type)),
      ),
    ]),
  );
  const ref = kernel.ref('/node/a');
  ref.tell({ type: 'user' });
  ref.tell({ type: 'supervision' }, 'supervision');
  ref.tell({ type: 'control' }, 'control');
  await settle();
  expect(seen).toEqual(['control', 'supervision', 'user']);
  await kernel.stop();
});

test('a full inbox refuses the sender, who keeps the message; control still gets through', async () => {
  const seen: string[] = [];
  const { kernel, metrics } = lab();
  await kernel.start(
    one('node', [
      worker(
        'a',
        plain((message) => seen.push(message.type)),
        { inboxMessagesMax: 3 },
      ),
    ]),
  );
  const ref = kernel.ref('/node/a');
  const results = [1, 2, 3, 4].map(() => ref.tell({ type: 'x' }));
  expect(results.map((result) => result.ok)).toEqual([true, true, true, false]);
  expect(results[3]).toMatchObject({ refusal: { code: 'INBOX_FULL' } });
  expect(ref.tell({ type: 'c' }, 'control').ok).toBe(true);
  expect(kernel.deadLetters.count).toBe(0);
  expect(metrics.read()).toContainEqual({ name: 'caxton_inbox_full_total', kind: 'counter', labels: {}, value: 1 });
  await settle();
  expect(seen).toEqual(['c', 'x', 'x', 'x']);
  await kernel.stop();
});

test('what nobody can take is a dead letter: before the start, at an unknown path, after the stop', async () => {
  const { kernel, clock } = lab();
  const ref = kernel.ref('/node/a');
  expect(ref.tell({ type: 'early' })).toMatchObject({ refusal: { code: 'STOPPED' } });
  await kernel.start(one('node', [worker('a', polite('a', []))]));
  expect(ref.tell({ type: 'good' }).ok).toBe(true);
  expect(kernel.ref('/node/nobody').tell({ type: 'lost' })).toMatchObject({ refusal: { code: 'STOPPED' } });
  await kernel.stop();
  expect(ref.tell({ type: 'late' })).toMatchObject({ refusal: { code: 'STOPPED' } });
  expect(kernel.deadLetters.count).toBe(3);
  expect(kernel.deadLetters.recent().map(({ message, path }) => [(message as { type: string }).type, path])).toEqual([
    ['early', '/node/a'],
    ['lost', '/node/nobody'],
    ['late', '/node/a'],
  ]);
  expect(kernel.deadLetters.recent()[0]?.at).toBe(clock.now());
});

test('messages that still wait when their actor goes for good become dead letters', async () => {
  const { kernel } = lab();
  await kernel.start(
    one('node', [
      worker(
        'a',
        plain(() => {}),
        { shutdown: 'brutal-kill', restart: 'temporary' },
      ),
    ]),
  );
  const ref = kernel.ref('/node/a');
  const stopped = kernel.stopChild('/node', 'a');
  await Promise.resolve();
  await Promise.resolve();
  for (let n = 0; n < 5; n += 1) ref.tell({ type: 'x' });
  await stopped;
  expect(kernel.deadLetters.count).toBe(5);
  await kernel.stop();
});

test('events that XState gives meaning to, and things that are no messages, are refused', async () => {
  const { kernel, log } = lab();
  await kernel.start(one('node', [worker('a', polite('a', log))]));
  const ref = kernel.ref<unknown>('/node/a');
  for (const message of [{ type: 'xstate.stop' }, { type: 'xstate.error.actor.b' }, null, undefined, 'text', 7]) {
    expect(ref.tell(message)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  }
  expect(kernel.ref('/node').tell({ type: 'kernel.child-ended' })).toMatchObject({
    refusal: { code: 'NOT_SUPPORTED' },
  });
  await settle();
  expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/a']);
  await kernel.stop();
});

test('a chart’s sendTo goes into the inbox: a chain of 5,000 actors reaches its end', async () => {
  const length = 5_000;
  let arrived = 0;
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const link = setup({
    types: {
      context: {} as { next: Ref | undefined },
      events: {} as { type: 'go' },
      input: {} as { next: Ref | undefined },
    },
  }).createMachine({
    context: ({ input }) => ({ next: input.next }),
    on: {
      go: [
        {
          guard: ({ context }) => context.next !== undefined,
          actions: sendTo(({ context }) => sendTarget(context.next!), { type: 'go' }),
        },
        {
          actions: () => {
            arrived += 1;
          },
        },
      ],
    },
  });
  for (let n = 0; n < length; n += 1) {
    const input = { next: n === 0 ? undefined : kernel.ref(`/node/w${n - 1}`) };
    const started = await kernel.startChild('/node', worker(`w${n}`, link, { input, shutdown: 'brutal-kill' }));
    expect(started.ok).toBe(true);
  }
  kernel.ref(`/node/w${length - 1}`).tell({ type: 'go' });
  await until(() => arrived === 1);
  await kernel.stop();
});

test('what sendTo cannot deliver is a dead letter, since a chart gets no answer', async () => {
  const { kernel } = lab();
  await kernel.start(
    one('node', [
      worker(
        'a',
        plain(() => {}),
        { inboxMessagesMax: 1 },
      ),
    ]),
  );
  const target = kernel.ref('/node/a');
  const talker = setup({ types: { events: {} as { type: 'go' } } }).createMachine({
    on: { go: { actions: [1, 2, 3].map((n) => sendTo(sendTarget(target), { type: 'n', n })) } },
  });
  await kernel.startChild('/node', worker('b', talker));
  kernel.ref('/node/b').tell({ type: 'go' });
  await settle();
  expect(kernel.deadLetters.recent().map(({ message, reason }) => [(message as { n: number }).n, reason])).toEqual([
    [2, 'inbox full'],
    [3, 'inbox full'],
  ]);
  const tell = () => ({ ok: true, value: undefined }) as const;
  expect(() => sendTarget({ path: '/x', tell, send: () => Promise.resolve(tell()) })).toThrow(/not a ref/);
});

test('a hot pair of actors starves neither timers nor a third actor', async () => {
  const { kernel } = lab();
  let rounds = 0;
  let others = 0;
  const pong = (to: string) =>
    plain(() => {
      rounds += 1;
      kernel.ref(to).tell({ type: 'ball' });
    });
  await kernel.start(
    one('node', [
      worker('ping', pong('/node/pong'), { shutdown: 'brutal-kill' }),
      worker('pong', pong('/node/ping'), { shutdown: 'brutal-kill' }),
      worker(
        'third',
        plain(() => {
          others += 1;
        }),
        { shutdown: 'brutal-kill' },
      ),
    ]),
  );
  kernel.ref('/node/ping').tell({ type: 'ball' });
  // The clock of this kernel stands still, so only the count ends a slice.
  await until(() => rounds > 10);
  kernel.ref('/node/third').tell({ type: 'x' });
  const before = rounds;
  await until(() => others === 1);
  expect(rounds - before).toBeLessThanOrEqual(2 * limits.sliceTurnsMax);
  await kernel.stop();
});

test('one actor with a full inbox gives way to its neighbour after its budget', async () => {
  const order: string[] = [];
  const { kernel } = lab();
  await kernel.start(
    one(
      'node',
      ['a', 'b'].map((id) =>
        worker(
          id,
          plain(() => {
            order.push(id);
          }),
          { shutdown: 'brutal-kill' },
        ),
      ),
    ),
  );
  for (const id of ['a', 'b']) for (let n = 0; n < 100; n += 1) kernel.ref(`/node/${id}`).tell({ type: 'x' });
  await until(() => order.length === 200);
  const runs = order
    .join('')
    .match(/a+|b+/g)
    ?.map((run) => run.length);
  expect(runs).toEqual([
    limits.turnMessagesMax,
    limits.turnMessagesMax,
    100 - limits.turnMessagesMax,
    100 - limits.turnMessagesMax,
  ]);
  await kernel.stop();
});

test('an actor learns its own ref when its input is a function; other input passes unchanged', async () => {
  const inputs: unknown[] = [];
  const noting = fromTransition(
    (state: unknown) => state,
    ({ input }: { input: unknown }) => inputs.push(input),
  );
  const { kernel } = lab();
  const given = { answer: 42 };
  await kernel.start(
    one('node', [
      worker('a', noting, { input: ({ self }: { self: Ref }) => ({ me: self.path }), shutdown: 'brutal-kill' }),
      worker('b', noting, { input: given, shutdown: 'brutal-kill' }),
    ]),
  );
  expect(inputs).toEqual([{ me: '/node/a' }, given]);
  expect(inputs[1]).toBe(given);
  await kernel.stop();
});

test('the tap sees starts, messages, transitions, crashes and stops; one that throws harms nobody', async () => {
  const events: TapEvent[] = [];
  const { kernel, log } = lab({
    tap: () => (event) => {
      events.push(event);
      throw new Error('the watcher broke');
    },
  });
  await kernel.start(one('node', [worker('a', polite('a', log))]));
  kernel.ref('/node/a').tell({ type: 'crash' });
  await settle();
  await kernel.stop();
  expect(events.map((event) => `${event.type} ${event.path}`)).toEqual([
    'actor.transition /node/a',
    'actor.started /node/a',
    'actor.started /node',
    'actor.message /node/a',
    'actor.crashed /node/a',
    'actor.restarted /node/a',
    'actor.transition /node/a',
    'actor.started /node/a',
    'actor.message /node/a',
    'actor.transition /node/a',
    'actor.stopped /node/a',
    'actor.stopped /node',
  ]);
  expect(events.filter((event) => event.type === 'actor.started').map((event) => event.incarnation)).toEqual([1, 1, 2]);
});
