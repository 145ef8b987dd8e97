import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { assign, setup } from 'xstate';
import type { Message } from '../../../src/actors/kernel/ref.ts';
import { openNodeStore } from '../../../src/actors/operations/node-store.ts';
import { lab, one, settle, worker } from './lab.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caxton-charts-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An order that is reminded of when nobody pays: the use that persistence is for. */
const order = setup({
  types: { context: {} as { items: string[] }, events: {} as { type: 'add'; item: string } | { type: 'pay' } },
}).createMachine({
  context: { items: [] },
  initial: 'open',
  states: {
    open: {
      after: { 3600000: 'reminded' },
      on: {
        add: { actions: assign({ items: ({ context, event }) => [...context.items, event.item] }) },
        pay: 'paid',
      },
    },
    reminded: { on: { pay: 'paid' } },
    paid: {},
  },
});

/** The kernel of one process, with its own connection to the file. */
async function processOf(file: string, nowMs?: number) {
  const store = await openNodeStore(file);
  const room = lab();
  if (nowMs !== undefined) room.clock.jump(nowMs - room.clock.now());
  const orders = {
    ...worker('order', order, { shutdown: 'brutal-kill', persistence: { version: 1, store } }),
  };
  await room.kernel.start(one('node', [orders]));
  return { ...room, store, ref: room.kernel.ref<Message>('/node/order') };
}

test('through the node’s state database: an order survives its process, and is reminded of when it is due', async () => {
  const file = join(folder, 'state.db');
  const first = await processOf(file);
  first.ref.tell({ type: 'add', item: 'tea' } as Message);
  await first.clock.advanceAsync(1_000_000);
  await first.kernel.stop();
  await first.store.close();

  const second = await processOf(file, first.clock.now() + 1_000_000);
  expect(second.kernel.tree()[1]?.state).toBe('open');
  await second.clock.advanceAsync(1_599_999);
  expect(second.kernel.tree()[1]?.state).toBe('open');
  await second.clock.advanceAsync(1);
  expect(second.kernel.tree()[1]?.state).toBe('reminded');
  expect(await second.kernel.save('/node/order')).toEqual({ ok: true, value: undefined });
  // The process ends without a word.
  await second.store.close();

  const third = await processOf(file, second.clock.now());
  expect(third.kernel.tree()[1]?.state).toBe('reminded');
  third.ref.tell({ type: 'pay' });
  await settle();
  await third.kernel.stop();
  await third.store.close();
  await second.kernel.stop();
});

test('a store that is closed under a chart is told, and costs the actor nothing', async () => {
  const file = join(folder, 'state.db');
  const room = await processOf(file);
  await room.store.close();
  room.ref.tell({ type: 'pay' });
  await settle();
  expect(await room.kernel.save('/node/order')).toMatchObject({ ok: false, refusal: { code: 'STOPPED' } });
  expect(room.kernel.tree()[1]).toMatchObject({ incarnation: 1, state: 'paid' });
  await room.kernel.stop();
});
