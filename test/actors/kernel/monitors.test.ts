import { expect, test } from 'vitest';
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

test('a chain of 10,000 links falls without overflowing the stack', async () => {
  const ids = Array.from({ length: 10_000 }, (_, n) => `w${n}`);
  const { kernel, ref } = await watching(ids);
  for (let n = 1; n < ids.length; n += 1) kernel.link(ref(ids[n - 1]!), ref(ids[n]!));
  ref('w0').tell({ type: 'crash' });
  await until(() => kernel.tree().length === 2);
  await kernel.stop();
});
