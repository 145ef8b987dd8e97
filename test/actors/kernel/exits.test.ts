import { expect, test } from 'vitest';
import { ActorExit } from '../../../src/actors/kernel/actor-exit.ts';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { TapEvent } from '../../../src/actors/kernel/ports.ts';
import { lab, one, settle, until, worker } from './lab.ts';

type Way = 'finish' | 'exit normal' | 'exit shutdown' | 'throw' | 'reject' | 'kill' | 'order';

/** Ends as it is told to, and says what it was asked and what it cleaned up. */
const mortal = (log: string[]) =>
  fromHandler<{ readonly type: Way }>((self) => {
    self.onShutdown(() => {
      log.push('asked');
      self.finish();
    });
    self.onEnd(() => log.push('cleaned up'));
    return ({ type }) => {
      if (type === 'finish') self.finish();
      if (type === 'exit normal') throw new ActorExit('normal');
      if (type === 'exit shutdown') throw new ActorExit('shutdown', 'enough');
      if (type === 'throw') throw new Error('boom');
      return type === 'reject' ? Promise.reject(new Error('boom')) : undefined;
    };
  });

const idle = fromHandler(() => () => {});

/** Restarted: which of permanent, transient and temporary are. An order to shut down is for good. */
const ways = [
  ['finish', 'normal', ['permanent'], 'lives on'],
  ['exit normal', 'normal', ['permanent'], 'lives on'],
  ['exit shutdown', 'shutdown', ['permanent'], 'shuts down'],
  ['order', 'shutdown', [], 'shuts down'],
  ['throw', 'crash', ['permanent', 'transient'], 'crashes'],
  ['reject', 'crash', ['permanent', 'transient'], 'crashes'],
  ['kill', 'killed', ['permanent', 'transient'], 'crashes'],
] as const satisfies readonly (readonly [Way, ...unknown[]])[];

test.each(ways)(
  '%s ends a life with %s; restarted are %j; a linked life %s',
  async (way, reason, restarted, linked) => {
    const events: TapEvent[] = [];
    const log: string[] = [];
    const { kernel } = lab({ tap: () => (event) => events.push(event) });
    const types = ['permanent', 'transient', 'temporary'] as const;
    const workers = types.map((restart) => worker(restart, mortal(log), { restart }));
    const mate = worker('mate', idle, { restart: 'temporary' });
    await kernel.start(one('node', [...workers, mate], { intensity: 10 }));
    const downs: string[] = [];
    for (const id of types) {
      const ref = kernel.ref<{ readonly type: Way }>(`/node/${id}`);
      kernel.monitor(ref, (down) => downs.push(down.reason));
      if (id === 'temporary') kernel.link(ref, kernel.ref('/node/mate'));
      if (way === 'kill') kernel.kill(ref.path);
      else if (way === 'order') await kernel.terminateChild('/node', id);
      else ref.tell({ type: way });
    }
    await until(() => downs.length === 3);
    for (let round = 0; round < 5; round += 1) await settle();
    expect(downs).toEqual([reason, reason, reason]);
    const again = kernel.tree().filter(({ incarnation }) => incarnation === 2);
    expect(again.map(({ path }) => path.slice('/node/'.length))).toEqual(restarted);
    // A kill asks nobody, and the end is cleaned up after, however it came.
    const asked = way === 'order' ? ['asked', 'cleaned up'] : ['cleaned up'];
    expect(log).toEqual([...asked, ...asked, ...asked]);
    const end = events.find(({ type, path }) => path === '/node/mate' && /crashed|stopped/.test(type));
    const shown = { 'lives on': undefined, 'shuts down': { reason: 'shutdown' }, crashes: { type: 'actor.crashed' } };
    if (shown[linked] === undefined) expect(end).toBeUndefined();
    else expect(end).toMatchObject(shown[linked]);
    await kernel.stop();
  },
);
