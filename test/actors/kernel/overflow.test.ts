import { expect, test } from 'vitest';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Overflow, Ref } from '../../../src/actors/kernel/ref.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, settle, until, worker } from './lab.ts';
import { manualSlices } from './probe.ts';

interface Numbered {
  readonly type: 'n';
  readonly n: number;
}

/** An actor with room for three messages, and what it has seen. */
async function small(overflow: Overflow) {
  const seen: unknown[] = [];
  const world = lab();
  const logic = fromHandler<Numbered>(() => (message) => {
    if (message.n < 0) throw new Error('crash');
    seen.push(message.n);
  });
  await world.kernel.start(
    one('node', [worker('a', logic, { inboxMessagesMax: 3, overflow, restart: 'transient' })], { intensity: 10 }),
  );
  return { ...world, seen, ref: world.kernel.ref<Numbered>('/node/a') };
}

const n = (value: number): Numbered => ({ type: 'n', n: value });

test('by default the sender is refused and gets its message back', async () => {
  const { kernel, ref, seen } = await small('refuse');
  const results = [1, 2, 3, 4].map((value) => ref.tell(n(value)));
  expect(results[3]).toEqual({
    ok: false,
    refusal: { code: 'INBOX_FULL', reasons: ['The inbox of /node/a is full.'], message: n(4) },
  });
  // Nobody waits in an inbox that refuses.
  expect(await ref.send(n(5))).toMatchObject({ refusal: { code: 'INBOX_FULL', message: n(5) } });
  await settle();
  expect(seen).toEqual([1, 2, 3]);
  expect(kernel.deadLetters.count).toBe(0);
  await kernel.stop();
});

test.each([
  ['drop-oldest', [3, 4, 5], [1, 2]],
  ['drop-newest', [1, 2, 3], [4, 5]],
] as const)('%s takes every message and loses user messages only', async (overflow, kept, lost) => {
  const { kernel, metrics, ref, seen } = await small(overflow);
  ref.tell(n(100), 'control');
  ref.tell(n(200), 'supervision');
  expect([1, 2, 3, 4, 5].map((value) => ref.tell(n(value)).ok)).toEqual([true, true, true, true, true]);
  expect(ref.tell(n(300), 'control').ok).toBe(true);
  await settle();
  expect(seen).toEqual([100, 300, 200, ...kept]);
  expect(kernel.deadLetters.recent().map(({ message, reason }) => [(message as Numbered).n, reason])).toEqual(
    lost.map((value) => [value, 'dropped']),
  );
  expect(metrics.read()).toContainEqual({ name: 'caxton_inbox_full_total', kind: 'counter', labels: {}, value: 2 });
  await kernel.stop();
});

test('with backpressure senders wait their turn, in order; tell is still refused', async () => {
  const { kernel, ref, seen } = await small('wait');
  const sent = [1, 2, 3, 4, 5, 6, 7, 8].map((value) => ref.send(n(value)));
  expect(ref.tell(n(9))).toMatchObject({ refusal: { code: 'INBOX_FULL' } });
  expect(await Promise.all(sent)).toEqual(sent.map(() => ({ ok: true, value: undefined })));
  await until(() => seen.length === 8);
  expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect((await ref.send(n(9))).ok).toBe(true);
  await kernel.stop();
});

test('a sender that waits can give up, and leaves nothing behind', async () => {
  const { kernel, ref, seen } = await small('wait');
  const giveUp = new AbortController();
  const first = [1, 2, 3].map((value) => ref.send(n(value)));
  const fourth = ref.send(n(4), { signal: giveUp.signal });
  const fifth = ref.send(n(5));
  giveUp.abort();
  expect(await fourth).toMatchObject({ refusal: { code: 'CANCELLED', message: n(4) } });
  expect(await ref.send(n(6), { signal: giveUp.signal })).toMatchObject({ refusal: { code: 'CANCELLED' } });
  await Promise.all([...first, fifth]);
  await until(() => seen.length === 4);
  expect(seen).toEqual([1, 2, 3, 5]);
  await kernel.stop();
});

test('a signal that is aborted already sends nothing, though there is room, and leaves no dead letter', async () => {
  const { kernel, ref, seen } = await small('wait');
  const signal = AbortSignal.abort();
  const cancelled = (message: object) => ({ ok: false, refusal: { code: 'CANCELLED', message } });
  expect(await ref.send(n(1), { signal })).toMatchObject(cancelled(n(1)));
  const nobody = kernel.ref<ReturnType<typeof n>>('/node/nobody');
  expect(await nobody.send(n(2), { signal })).toMatchObject(cancelled(n(2)));
  const answers: unknown[] = [];
  const asker = fromHandler<{ readonly replyTo: Ref<object> }>(() => async ({ replyTo }) => {
    answers.push(await replyTo.send(n(3), { signal }), await replyTo.send(n(4)));
  });
  await kernel.startChild('/node', worker('asker', asker));
  expect(await kernel.ask(kernel.ref<{ readonly replyTo: Ref<object> }>('/node/asker'), {})).toMatchObject({
    value: n(4),
  });
  await until(() => answers.length === 2);
  expect(answers[0]).toMatchObject(cancelled(n(3)));
  await settle();
  expect([seen, kernel.deadLetters.count]).toEqual([[], 0]);
  await kernel.stop();
});

test('no more than so many wait', async () => {
  const { kernel, ref, seen } = await small('wait');
  const sent = Array.from({ length: 3 + limits.inboxWaitersMax }, (_, value) => ref.send(n(value)));
  expect(await ref.send(n(-7))).toMatchObject({ refusal: { code: 'INBOX_FULL', message: n(-7) } });
  await Promise.all(sent);
  await until(() => seen.length === sent.length);
  await kernel.stop();
});

test('who waits is let in by the next life after a crash', async () => {
  const { kernel, ref, seen, log } = await small('wait');
  const sent = [-1, 2, 3, 4, 5].map((value) => ref.send(n(value)));
  await Promise.all(sent);
  await until(() => seen.length === 4);
  expect(log).toEqual(['restart /node/a crash']);
  await kernel.stop();
});

test('who waits when the actor goes for good is let go with STOPPED, and the message is a dead letter', async () => {
  const slices = manualSlices();
  const { kernel } = lab({ defer: slices.defer });
  const started = kernel.start(one('node', []));
  const logic = fromHandler<Numbered>(() => () => {});
  const spec = worker('a', logic, { inboxMessagesMax: 3, overflow: 'wait', shutdown: 'brutal-kill' });
  const child = started.then(() => kernel.startChild('/node', spec));
  await until(() => !slices.step() && kernel.tree().length === 2);
  await child;
  const ref = kernel.ref<Numbered>('/node/a');
  const outcomes: string[] = [];
  for (let value = 0; value < 6; value += 1)
    void ref.send(n(value)).then((outcome) => outcomes.push(outcome.ok ? 'taken' : outcome.refusal.code));
  const stopped = kernel.stopChild('/node', 'a');
  await settle();
  expect(outcomes).toEqual(['taken', 'taken', 'taken']);
  slices.drain();
  await stopped;
  expect(outcomes.slice(3)).toEqual(['STOPPED', 'STOPPED', 'STOPPED']);
  // All six: three in the inbox and three in front of it.
  expect(kernel.deadLetters.byReason().get('stopped')).toBe(6);
  expect(await ref.send(n(1))).toMatchObject({ refusal: { code: 'STOPPED', message: n(1) } });
});

test('two actors that wait for room with each other do not stand still', async () => {
  const { kernel } = lab();
  let handled = 0;
  const flooding = (other: string) =>
    fromHandler<Numbered>(() => async ({ n: left }) => {
      handled += 1;
      if (left === 0) return;
      await kernel.ref<Numbered>(other).send(n(left - 1));
      await kernel.ref<Numbered>(other).send(n(left - 1));
    });
  await kernel.start(
    one('node', [
      worker('a', flooding('/node/b'), { inboxMessagesMax: 1, overflow: 'wait' }),
      worker('b', flooding('/node/a'), { inboxMessagesMax: 1, overflow: 'wait' }),
    ]),
  );
  kernel.ref<Numbered>('/node/a').tell(n(8));
  await until(() => handled === 2 ** 9 - 1);
  await kernel.stop();
});
