import { expect, it } from 'vitest';
import { MemoryStore } from '../../src/testing/memory-store.ts';

it('a crash keeps every write that was answered and none that was not, and ends whoever uses the store', async () => {
  const store = new MemoryStore();
  await store.put('c', 'answered', Uint8Array.of(1));
  const waiting = store.put('c', 'waiting', Uint8Array.of(2));
  const after = store.crash();
  await expect(waiting).rejects.toMatchObject({ code: 'STOPPED' });
  await expect(store.get('c', 'answered')).rejects.toMatchObject({ code: 'STOPPED' });
  expect(await after.entries('c')).toEqual([['answered', Uint8Array.of(1)]]);
  await after.put('c', 'answered', Uint8Array.of(3));
  expect(() => after.reopen()).toThrow(expect.objectContaining({ code: 'ALREADY_EXISTS' }));
  await after.close();
  expect(await after.reopen().get('c', 'answered')).toEqual(Uint8Array.of(3));
});

it('a fault refuses all that came together with a write, and nothing of it is there', async () => {
  const store = new MemoryStore();
  await store.put('c', 'before', Uint8Array.of(1));
  store.fault = new Error('ENOSPC');
  const batch = [store.put('c', 'a', Uint8Array.of(1)), store.get('c', 'before'), store.delete('c', 'before')];
  expect((await Promise.allSettled(batch)).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect((await store.entries('c')).map(([key]) => key)).toEqual(['before']);
  store.fault = undefined;
  await store.put('c', 'after', Uint8Array.of(1));
});
