import { expect, test } from 'vitest';
import { setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Down } from '../../../src/actors/kernel/monitors.ts';
import { limits } from '../../../src/limits.ts';
import { lab, one, settle, until, worker } from './lab.ts';
import { probe } from './probe.ts';

type Order = { readonly type: 'crash' } | { readonly type: 'finish' };

const mortal = fromHandler<Order>((self) => (message) => {
  if (message.type === 'crash') throw new Error('boom');
  self.finish();
});

const alive = (paths: readonly { readonly path: string }[]) => paths.map(({ path }) => path);

async function watching(ids: readonly string[] = ['a', 'b']) {
  const world = lab();
  await world.kernel.start(
    one(
      'node',
      ids.map((id) => worker(id, mortal, { restart: 'temporary' })),
      { intensity: 100 },
    ),
  );
  const watcher = await probe<Down>(world.kernel, '/node', 'watcher');
  const ref = (id: string) => world.kernel.ref<Order>(`/node/${id}`);
  const gone = (id: string) => until(() => !alive(world.kernel.tree()).includes(`/node/${id}`));
  return { ...world, watcher, ref, gone };
}

test.each([
  ['crash', 'crash'],
  ['finish', 'normal'],
  ['stop', 'shutdown'],
] as const)('a monitor fires exactly once: %s', async (how, reason) => {
  const { kernel, watcher, ref } = await watching();
  const set = kernel.monitor(ref('a'), watcher.ref);
  expect(set.ok).toBe(true);
  await watcher.expectNoMessage();
  if (how === 'stop') await kernel.stopChild('/node', 'a');
  else ref('a').tell({ type: how });
  const down = await watcher.expectMessage();
  // A handler that is told to shut down finishes in order, as OTP’s `shutdown` exit.
  expect(down).toMatchObject({ type: 'kernel.down', path: '/node/a' });
  expect(how === 'stop' ? ['normal', 'shutdown'] : [reason]).toContain(down.reason);
  if (how === 'crash') expect(down.error).toEqual(new Error('boom'));
  await kernel.stop();
  await watcher.expectNoMessage();
});

test('a monitor is over one life: the next one is not watched', async () => {
  const { kernel, watcher } = await watching();
  await kernel.startChild('/node', worker('phoenix', mortal, { restart: 'permanent' }));
  const ref = kernel.ref<Order>('/node/phoenix');
  kernel.monitor(ref, watcher.ref);
  ref.tell({ type: 'crash' });
  expect(await watcher.expectMessage()).toMatchObject({ reason: 'crash' });
  await until(() => kernel.tree().some((view) => view.path === '/node/phoenix' && view.incarnation === 2));
  ref.tell({ type: 'crash' });
  await watcher.expectNoMessage();
  await kernel.stop();
});

test('it fires at once when there is nobody', async () => {
  const { kernel, watcher, ref, gone } = await watching();
  ref('a').tell({ type: 'finish' });
  await gone('a');
  for (const path of ['/node/a', '/node/nobody']) {
    kernel.monitor(kernel.ref(path), watcher.ref);
    expect(await watcher.expectMessage()).toMatchObject({ path, reason: 'no-actor' });
  }
  await kernel.stop();
});

test('what was cancelled fires no more; flush takes back what has fired', async () => {
  const { kernel, watcher, ref } = await watching();
  const first = kernel.monitor(ref('a'), watcher.ref);
  if (first.ok) first.value.cancel();
  ref('a').tell({ type: 'crash' });
  await watcher.expectNoMessage();

  const second = kernel.monitor(kernel.ref('/node/nobody'), watcher.ref);
  const third = kernel.monitor(kernel.ref('/node/nobody'), watcher.ref);
  if (second.ok) second.value.cancel({ flush: true });
  if (third.ok) third.value.cancel();
  expect(await watcher.expectMessage()).toMatchObject({ reason: 'no-actor' });
  await watcher.expectNoMessage();
  await kernel.stop();
});

test('a program’s own function hears it too, and not on the stack where it happened', async () => {
  const { kernel, ref } = await watching();
  const downs: string[] = [];
  kernel.monitor(ref('a'), ({ path, reason }) => downs.push(`${path} ${reason}`));
  kernel.monitor(kernel.ref('/node/nobody'), ({ reason }) => downs.push(reason));
  expect(downs).toEqual([]);
  ref('a').tell({ type: 'crash' });
  await settle();
  expect(downs).toEqual(['no-actor', '/node/a crash']);
  await kernel.stop();
});

test('a watch ends with its watcher, and nothing is left behind', async () => {
  const { kernel, watcher, ref, gone } = await watching();
  await kernel.startChild('/node', worker('mourner', mortal, { restart: 'temporary' }));
  for (let n = 0; n < 1_000; n += 1) kernel.monitor(ref('a'), ref('mourner'));
  expect(kernel.monitors).toBe(1_000);
  ref('mourner').tell({ type: 'finish' });
  await gone('mourner');
  expect(kernel.monitors).toBe(0);
  expect(kernel.monitor(ref('a'), ref('mourner'))).toMatchObject({ refusal: { code: 'STOPPED' } });
  kernel.monitor(watcher.ref, watcher.ref);
  await kernel.stopChild('/node', 'watcher');
  expect(kernel.monitors).toBe(0);
  expect(kernel.deadLetters.count).toBe(0);
  await kernel.stop();
});

test('a supervisor cannot watch: it takes no messages', async () => {
  const { kernel, ref } = await watching();
  await kernel.startChild('/node', one('house', []));
  expect(kernel.monitor(ref('a'), kernel.ref('/node/house'))).toMatchObject({ refusal: { code: 'NOT_SUPPORTED' } });
  ref('a').tell({ type: 'crash' });
  await settle();
  expect(kernel.tree().find(({ path }) => path === '/node/house')).toMatchObject({ incarnation: 1 });
  expect(kernel.monitors).toBe(0);
  await kernel.stop();
});

test('each watch over a life fires, also the second of one watcher, and that over one which still starts', async () => {
  const { kernel, watcher, clock } = await watching();
  const late = setup({}).createMachine({ initial: 'here', states: { here: {}, there: {} } });
  const spec = worker('late', late, { startedWhen: (snapshot) => snapshot.matches('there'), startTimeoutMs: 50 });
  const started = kernel.startChild('/node', spec);
  await settle();
  for (const _ of [1, 2]) kernel.monitor(kernel.ref('/node/late'), watcher.ref);
  await watcher.expectNoMessage();
  clock.advance(50);
  expect((await started).ok).toBe(false);
  const downs = await watcher.receiveMessages(2);
  expect(downs.map(({ path, reason }) => `${path} ${reason}`)).toEqual(['/node/late crash', '/node/late crash']);
  await kernel.stop();
});

test('the news of an end overtakes what the ended one said last, unlike in Erlang', async () => {
  const { kernel, watcher } = await watching();
  const speaker = fromHandler((self) => () => {
    watcher.ref.tell({ type: 'last words' } as never);
    self.finish();
  });
  await kernel.startChild('/node', worker('speaker', speaker, { restart: 'temporary' }));
  kernel.monitor(kernel.ref('/node/speaker'), watcher.ref);
  kernel.ref('/node/speaker').tell({ type: 'speak' });
  const heard = await watcher.receiveMessages(2);
  expect(heard.map(({ type }) => type as string)).toEqual(['kernel.down', 'last words']);
  await kernel.stop();
});

test('a watcher holds only so many', async () => {
  const { kernel, watcher, ref } = await watching();
  for (let n = 0; n < limits.monitorsMax; n += 1) kernel.monitor(ref('a'), watcher.ref);
  expect(kernel.monitor(ref('b'), watcher.ref)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
  await kernel.stop();
});

test('linked lives end together, unless one ends normally', async () => {
  const { kernel, ref, gone } = await watching(['a', 'b', 'c', 'd', 'e']);
  expect(kernel.link(ref('a'), ref('b')).ok).toBe(true);
  expect(kernel.link(ref('b'), ref('c')).ok).toBe(true);
  expect(kernel.link(ref('c'), ref('d')).ok).toBe(true);
  expect(kernel.link(ref('d'), ref('e')).ok).toBe(true);
  kernel.unlink(ref('d'), ref('c'));
  ref('a').tell({ type: 'crash' });
  await gone('a');
  await gone('b');
  await gone('c');
  await settle();
  expect(alive(kernel.tree())).toEqual(['/node', '/node/d', '/node/e', '/node/watcher']);
  ref('e').tell({ type: 'finish' });
  await gone('e');
  await settle();
  expect(alive(kernel.tree())).toContain('/node/d');
  expect(kernel.link(ref('d'), ref('a')).ok).toBe(true);
  await gone('d');
  expect(kernel.link(ref('d'), ref('a'))).toMatchObject({ refusal: { code: 'STOPPED' } });
  await kernel.stop();
});

test('links in a circle, twice, and to oneself: all end, once', async () => {
  const { kernel, watcher, ref } = await watching(['a', 'b', 'c', 'd']);
  for (const [mine, other] of ['ab', 'bc', 'ca', 'ab', 'ba', 'cc'])
    expect(kernel.link(ref(mine!), ref(other!)).ok).toBe(true);
  for (const id of ['a', 'b', 'c', 'd']) kernel.monitor(ref(id), watcher.ref);
  ref('b').tell({ type: 'crash' });
  const downs = await watcher.receiveMessages(3);
  expect(downs.map(({ path }) => path).sort()).toEqual(['/node/a', '/node/b', '/node/c']);
  await watcher.expectNoMessage();
  expect(alive(kernel.tree())).toEqual(['/node', '/node/d', '/node/watcher']);
  await kernel.stop();
});

test('a chain of 10,000 links falls without overflowing the stack', async () => {
  const ids = Array.from({ length: 10_000 }, (_, n) => `w${n}`);
  const { kernel, ref } = await watching(ids);
  for (let n = 1; n < ids.length; n += 1) kernel.link(ref(ids[n - 1]!), ref(ids[n]!));
  ref('w0').tell({ type: 'crash' });
  await until(() => kernel.tree().length === 2);
  await kernel.stop();
});
