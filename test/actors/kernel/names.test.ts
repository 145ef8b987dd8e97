import { expect, test } from 'vitest';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import { lab, one, until, worker } from './lab.ts';

const mortal = fromHandler((self) => () => self.finish());
const fragile = fromHandler(() => () => {
  throw new Error('boom');
});

async function people() {
  const { kernel } = lab();
  const children = ['a', 'b', 'c'].map((id) => worker(id, mortal, { restart: 'temporary' }));
  await kernel.start(one('node', children));
  const end = async (id: string): Promise<void> => {
    kernel.ref(`/node/${id}`).tell({ type: 'end' });
    await until(() => kernel.tree().every(({ path }) => path !== `/node/${id}`));
  };
  return { kernel, a: kernel.ref('/node/a'), b: kernel.ref('/node/b'), c: kernel.ref('/node/c'), end };
}

test('a name is one life’s, until it is given back or the life ends', async () => {
  const { kernel, a, b, end } = await people();
  const { names } = kernel;
  expect(names.whereis('clerk')).toBeUndefined();
  expect(names.register('clerk', a).ok).toBe(true);
  expect(names.whereis('clerk')?.path).toBe('/node/a');
  expect(names.register('clerk', b)).toMatchObject({ refusal: { code: 'ALREADY_EXISTS' } });
  names.unregister('clerk');
  names.unregister('clerk');
  expect(names.register('clerk', b).ok).toBe(true);
  await end('a');
  expect(names.whereis('clerk')?.path).toBe('/node/b');
  await end('b');
  expect(names.whereis('clerk')).toBeUndefined();
  expect(names.register('clerk', b)).toMatchObject({ refusal: { code: 'STOPPED' } });
  expect(names.register('No Name', a)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  await kernel.stop();
});

test('a restart is another life: it has no name and is in no group until it is given them again', async () => {
  const { kernel } = lab();
  await kernel.start(one('node', [worker('phoenix', fragile)]));
  const phoenix = kernel.ref('/node/phoenix');
  expect(kernel.names.register('clerk', phoenix).ok).toBe(true);
  expect(kernel.groups.join('workers', phoenix).ok).toBe(true);
  phoenix.tell({ type: 'crash' });
  await until(() => kernel.tree().some(({ path, incarnation }) => path === phoenix.path && incarnation === 2));
  expect(kernel.names.whereis('clerk')).toBeUndefined();
  expect(kernel.groups.members('workers')).toEqual([]);
  expect(kernel.names.register('clerk', phoenix).ok).toBe(true);
  await kernel.stop();
});

test('a group has its members in the order of joining, each once, until they leave or end', async () => {
  const { kernel, a, b, c, end } = await people();
  const { groups } = kernel;
  const members = () => groups.members('workers').map(({ path }) => path);
  for (const ref of [a, b, c, a]) expect(groups.join('workers', ref).ok).toBe(true);
  expect(members()).toEqual(['/node/a', '/node/b', '/node/c']);
  groups.leave('workers', b);
  groups.leave('workers', b);
  groups.leave('others', b);
  expect(members()).toEqual(['/node/a', '/node/c']);
  await end('a');
  expect(members()).toEqual(['/node/c']);
  expect(groups.join('workers', a)).toMatchObject({ refusal: { code: 'STOPPED' } });
  expect(groups.join('two words', b)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  await kernel.stop();
  expect(members()).toEqual([]);
});
