import { expect, test } from 'vitest';
import { assign, sendTo, setup } from 'xstate';
import type { Asked } from '../../../src/actors/kernel/asks.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import { sendTarget } from '../../../src/actors/kernel/xstate-bridge.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, settle, until, worker } from './lab.ts';
import { probe } from './probe.ts';

type Add = Asked<{ readonly type: 'add'; readonly a: number; readonly b: number }, number>;

const adder = fromHandler<Add>(
  () =>
    ({ a, b, replyTo }) =>
      replyTo.tell(a + b),
);

test('an answer comes back to its question, many at once', async () => {
  const { kernel, clock } = lab();
  await kernel.start(one('node', [worker('adder', adder)]));
  const ref = kernel.ref<Add>('/node/adder');
  const answers = await Promise.all([1, 2, 3].map((a) => kernel.ask(ref, { type: 'add', a, b: 10 })));
  expect(answers).toEqual([11, 12, 13].map((value) => ({ ok: true, value })));
  // No timer is left behind.
  await settle();
  expect(clock.pending).toBe(0);
  await kernel.stop();
});

test('a chart answers with sendTo', async () => {
  const { kernel } = lab();
  const counter = setup({
    types: { context: {} as { n: number }, events: {} as Asked<{ type: 'next' }, { type: 'n'; n: number }> },
  }).createMachine({
    context: { n: 0 },
    on: {
      next: {
        actions: [
          assign({ n: ({ context }) => context.n + 1 }),
          sendTo(
            ({ event }) => sendTarget(event.replyTo),
            ({ context }) => ({ type: 'n', n: context.n }),
          ),
        ],
      },
    },
  });
  await kernel.start(one('node', [worker('counter', counter, { shutdown: 'brutal-kill' })]));
  const ref = kernel.ref<Asked<{ type: 'next' }, { type: 'n'; n: number }>>('/node/counter');
  expect(await kernel.ask(ref, { type: 'next' })).toEqual({ ok: true, value: { type: 'n', n: 1 } });
  expect(await kernel.ask(ref, { type: 'next' })).toEqual({ ok: true, value: { type: 'n', n: 2 } });
  await kernel.stop();
});

test('no answer in time is TIMED_OUT, each by its own clock; a late answer is dropped and counted', async () => {
  const { kernel, clock } = lab();
  await kernel.start(one('node', []));
  const silent = await probe<Add>(kernel, '/node', 'silent');
  const outcomes: [number, unknown][] = [];
  for (const timeoutMs of [30, 10, 20, 10])
    void kernel
      .ask(silent.ref, { type: 'add', a: timeoutMs, b: 0 }, { timeoutMs })
      .then((outcome) => outcomes.push([timeoutMs, outcome]));
  const first = await silent.expectMessage();
  await clock.advanceAsync(9);
  expect(outcomes).toEqual([]);
  await clock.advanceAsync(11);
  expect(outcomes.map(([ms]) => ms)).toEqual([10, 10, 20]);
  expect(outcomes[0]![1]).toMatchObject({ refusal: { code: 'TIMED_OUT' } });
  expect(first.replyTo.tell(1).ok).toBe(true);
  expect(first.replyTo.tell(2)).toMatchObject({ refusal: { code: 'STOPPED', message: 2 } });
  await settle();
  expect(outcomes.at(-1)).toEqual([30, { ok: true, value: 1 }]);
  const second = await silent.expectMessage();
  second.replyTo.tell(3);
  expect(kernel.deadLetters.byReason().get('late reply')).toBe(2);
  await settle();
  expect(clock.pending).toBe(0);
  await kernel.stop();
});

test('one list of equal timeouts keeps its time over many questions', async () => {
  const { kernel, clock } = lab();
  await kernel.start(one('node', []));
  const silent = await probe<Add>(kernel, '/node', 'silent');
  const gone: number[] = [];
  for (let n = 0; n < 10; n += 1) {
    void kernel.ask(silent.ref, { type: 'add', a: n, b: 0 }, { timeoutMs: 100 }).then(() => gone.push(clock.now()));
    await clock.advanceAsync(7);
  }
  const begin = clock.now() - 70;
  await clock.advanceAsync(200);
  expect(gone.map((at) => at - begin)).toEqual(Array.from({ length: 10 }, (_, n) => 100 + 7 * n));
  await kernel.stop();
});

test('a question can be cancelled, before and after it was asked', async () => {
  const { kernel, clock } = lab();
  await kernel.start(one('node', []));
  const silent = await probe<Add>(kernel, '/node', 'silent');
  const stop = new AbortController();
  const asked = kernel.ask(silent.ref, { type: 'add', a: 1, b: 2 }, { signal: stop.signal });
  stop.abort();
  expect(await asked).toMatchObject({ refusal: { code: 'CANCELLED' } });
  (await silent.expectMessage()).replyTo.tell(3);
  expect(kernel.deadLetters.byReason().get('late reply')).toBe(1);
  expect(await kernel.ask(silent.ref, { type: 'add', a: 1, b: 2 }, { signal: stop.signal })).toMatchObject({
    refusal: { code: 'CANCELLED' },
  });
  await silent.expectNoMessage();
  await settle();
  expect(clock.pending).toBe(0);
  await kernel.stop();
});

test('only the first answer counts; a signal that comes after it changes nothing', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const adder = await probe<Add>(kernel, '/node', 'adder');
  const stop = new AbortController();
  const asked = kernel.ask(adder.ref, { type: 'add', a: 1, b: 2 }, { signal: stop.signal });
  const { replyTo } = await adder.expectMessage();
  expect(replyTo.tell(3).ok).toBe(true);
  expect(replyTo.tell(4)).toMatchObject({ refusal: { code: 'STOPPED', message: 4 } });
  expect(kernel.deadLetters.recent()).toMatchObject([{ message: 4, reason: 'late reply' }]);
  stop.abort();
  expect(await asked).toEqual({ ok: true, value: 3 });
  // Its address is no path: who was not asked cannot answer.
  expect(kernel.ref(replyTo.path).tell({ type: 'forged' })).toMatchObject({ refusal: { code: 'STOPPED' } });
  await kernel.stop();
});

test('a question keeps its place among the messages of its sender', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const adder = await probe<Add>(kernel, '/node', 'adder');
  const say = (a: number) => adder.ref.tell({ type: 'add', a } as never);
  say(1);
  void kernel.ask(adder.ref, { type: 'add', a: 2, b: 0 });
  say(3);
  expect((await adder.receiveMessages(3)).map(({ a }) => a)).toEqual([1, 2, 3]);
  await kernel.stop();
});

test('what cannot be asked is refused at once and gives the message back', async () => {
  const { kernel, clock } = lab();
  await kernel.start(one('node', [worker('adder', adder, { inboxMessagesMax: 1 })]));
  const question = { type: 'add', a: 1, b: 2 } as const;
  const nobody = await kernel.ask(kernel.ref<Add>('/node/nobody'), question);
  expect(nobody).toMatchObject({ refusal: { code: 'STOPPED', message: question } });
  const ref = kernel.ref<Add>('/node/adder');
  const [good, full] = [kernel.ask(ref, question), kernel.ask(ref, question)];
  expect(await full).toMatchObject({ refusal: { code: 'INBOX_FULL' } });
  expect((await good).ok).toBe(true);
  for (const timeoutMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, limits.askMsMax + 1])
    expect(await kernel.ask(ref, question, { timeoutMs })).toMatchObject({
      refusal: { code: 'LIMIT_EXCEEDED', message: question },
    });
  const signal = AbortSignal.abort();
  expect(await kernel.ask(ref, question, { signal })).toMatchObject({
    refusal: { code: 'CANCELLED', message: question },
  });
  await settle();
  expect(clock.pending).toBe(0);
  await kernel.stop();
});

test('an asker hears at once when its question is lost with the receiver’s inbox', async () => {
  const { kernel } = lab();
  const blocked = fromHandler(({ onShutdown }) => {
    onShutdown(() => {});
    return () => {};
  });
  await kernel.start(one('node', [worker('a', blocked, { shutdown: 'brutal-kill' })]));
  const asked = kernel.ask(kernel.ref<Add>('/node/a'), { type: 'add', a: 1, b: 2 });
  await kernel.stopChild('/node', 'a');
  expect(await asked).toMatchObject({ refusal: { code: 'STOPPED' } });
  await kernel.stop();
});

test('a question that an inbox drops ends at once, one that crashed its reader at its timeout', async () => {
  const { kernel, clock } = lab();
  const fragile = fromHandler(() => () => {
    throw new Error('boom');
  });
  await kernel.start(one('node', [worker('a', fragile, { inboxMessagesMax: 1, overflow: 'drop-oldest' })]));
  const ref = kernel.ref<Add>('/node/a');
  const [dropped, read] = [1, 2].map((a) => kernel.ask(ref, { type: 'add', a, b: 0 }, { timeoutMs: 300 }));
  expect(await dropped).toMatchObject({ refusal: { code: 'INBOX_FULL' } });
  await until(() => kernel.tree().some(({ incarnation }) => incarnation === 2));
  let ended = false;
  void read!.then(() => {
    ended = true;
  });
  await clock.advanceAsync(299);
  expect(ended).toBe(false);
  await clock.advanceAsync(2);
  expect(await read).toMatchObject({ refusal: { code: 'TIMED_OUT' } });
  await kernel.stop();
});

test('questions under way are bounded', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const logic = fromHandler(() => () => {});
  await kernel.startChild('/node', worker('deep', logic, { inboxMessagesMax: 1_000_000 }));
  const ref = kernel.ref<Add>('/node/deep');
  const stop = new AbortController();
  const ask = () => kernel.ask(ref, { type: 'add', a: 1, b: 1 }, { timeoutMs: 1_000 });
  const asked = Array.from({ length: limits.pendingAsksMax }, ask);
  expect(await ask()).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
  stop.abort();
  await kernel.stopChild('/node', 'deep');
  await Promise.all(asked);
  await kernel.stop();
});

test('an answer for an asker whose life has ended is dropped and counted', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', []));
  const slow = await probe<Add>(kernel, '/node', 'slow');
  const outcomes: unknown[] = [];
  const asker = fromHandler((self) => () => {
    void kernel.ask(slow.ref, { type: 'add', a: 1, b: 2 }).then((outcome) => outcomes.push(outcome));
    self.finish();
  });
  await kernel.startChild('/node', worker('asker', asker, { restart: 'temporary' }));
  kernel.ref('/node/asker').tell({ type: 'go' });
  const question = await slow.expectMessage();
  await until(() => kernel.tree().every(({ path }) => path !== '/node/asker'));
  expect(question.replyTo.tell(3).ok).toBe(false);
  expect(kernel.deadLetters.recent().at(-1)).toMatchObject({ path: '/node/asker?answer', reason: 'asker gone' });
  await settle();
  expect(outcomes).toMatchObject([{ refusal: { code: 'STOPPED' } }]);
  await kernel.stop();
});
