import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { type AnyActorLogic, fromCallback, setup } from 'xstate';
import { fromHandler } from '../../../src/actors/kernel/handler.ts';
import type { Kernel } from '../../../src/actors/kernel/kernel.ts';
import type { ChildSpec } from '../../../src/actors/kernel/spec.ts';
import { lab, one, settle, stubborn, until, worker } from './lab.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const heap = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

/** Everything that a life can hold: a timer, an invoked actor, a name, a group, a link, monitors, a question. */
const busy = setup({ actors: { ticking: fromCallback(() => () => {}) } }).createMachine({
  initial: 'on',
  states: {
    on: { invoke: { src: 'ticking' }, after: { 1000000: 'off' } },
    off: {},
    gone: { type: 'final' },
  },
  on: {
    'kernel.shutdown': '.gone',
    crash: {
      actions: () => {
        throw new Error('crash');
      },
    },
  },
}) as AnyActorLogic;

async function live(kernel: Kernel, spec: ChildSpec): Promise<void> {
  const started = await kernel.startChild('/node', spec);
  if (!started.ok) throw new Error(started.refusal.reasons[0]);
  const ref = started.value as never;
  kernel.names.register(spec.id, ref);
  kernel.groups.join('all', ref);
  kernel.link(ref, kernel.ref<never>('/node/friend'));
  kernel.monitor(ref, () => {});
  kernel.monitor(kernel.ref<never>('/node/friend'), ref);
  void kernel.ask(ref, {} as never, { timeoutMs: 50, signal: new AbortController().signal });
}

test('lives that come and go leave nothing behind: no memory, timer, listener, monitor, name or link', async () => {
  const { kernel, clock, metrics } = lab();
  const ended = fromHandler(({ onEnd }) => {
    onEnd(() => {});
    return () => {};
  });
  const friend = fromHandler(() => () => {});
  await kernel.start(one('node', [worker('friend', friend, { restart: 'transient' })], { intensity: 1_000 }));
  const logic = [busy, ended];
  const round = async (lives: number): Promise<void> => {
    for (let n = 0; n < lives; n += 1) {
      const id = `w${n % 50}`;
      await live(kernel, worker(id, logic[n % 2]!, { restart: 'temporary' }));
      // Otherwise the friend would end with it.
      kernel.unlink(kernel.ref<never>(`/node/${id}`), kernel.ref<never>('/node/friend'));
      if (n % 4 === 3) kernel.kill(`/node/${id}`);
      await kernel.stopChild('/node', id);
      if (n % 500 === 0) await clock.advanceAsync(60);
    }
    await clock.advanceAsync(60);
  };
  const listeners = (): number => process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  await round(1_000);
  const [before, heard] = [heap(), listeners()];
  await round(4_000);
  // 250 bytes a life; the heap itself breathes by a few hundred kilobytes.
  expect(heap() - before).toBeLessThan(1_000_000);
  expect(listeners()).toBe(heard);
  expect(kernel.tree().map((view) => view.path)).toEqual(['/node', '/node/friend']);
  expect(clock.pending).toBe(0);
  expect(kernel.monitors).toBe(0);
  expect(kernel.groups.members('all')).toEqual([]);
  expect(kernel.names.whereis('w1')).toBeUndefined();
  expect(kernel.countChildren('/node')).toMatchObject({ value: { specs: 1, active: 1 } });
  expect(metrics.read().length).toBeLessThan(20);
  await kernel.stop();
});

test('an actor that crashes again and again keeps nothing of the lives before', async () => {
  const { kernel, clock } = lab();
  const errors: WeakRef<Error>[] = [];
  const logic = fromHandler(() => () => {
    const error = Object.assign(new Error('crash'), { bytes: new Uint8Array(10_000) });
    errors.push(new WeakRef(error));
    throw error;
  });
  await kernel.start(one('node', [worker('a', logic)], { intensity: 3, periodMs: 10 }));
  for (let n = 0; n < 2_000; n += 1) {
    kernel.ref('/node/a').tell({ type: 'go' });
    await until(() => kernel.tree()[1]?.incarnation === n + 2);
    clock.advance(6);
  }
  await settle();
  collect();
  // The last one’s error may still be held by its place.
  expect(errors.filter((error) => error.deref() !== undefined).length).toBeLessThan(5);
  await kernel.stop();
});

test('a supervisor of 100,000 children starts, restarts and stops them, and kills them, without a stack or a long pause', async () => {
  const { kernel } = lab();
  const idle = fromHandler(() => (message: { type: string }) => {
    if (message.type === 'crash') throw new Error('crash');
  });
  const children = Array.from({ length: 100_000 }, (_, n) => worker(`w${n}`, idle));
  await kernel.start(
    one('node', [
      one('crowd', children, { intensity: 1_000, restart: 'transient' }),
      one('all', children.slice(0, 20_000), { strategy: 'one-for-all', intensity: 3 }),
    ]),
  );
  for (let n = 0; n < 1_000; n += 1) kernel.ref(`/node/crowd/w${n * 7}`).tell({ type: 'crash' });
  kernel.ref('/node/all/w10000').tell({ type: 'crash' });
  await until(() => {
    const restarted = kernel.whichChildren('/node/all');
    return restarted.ok && restarted.value.every(({ status }) => status === 'running');
  });
  await until(
    () => kernel.tree().filter(({ path, restarts }) => path.startsWith('/node/c') && restarts === 1).length === 1_000,
  );
  expect(kernel.kill('/node/crowd')).toBe(true);
  await until(() => kernel.tree().every(({ path, restarts }) => !path.startsWith('/node/crowd/') || restarts === 0));
  expect(kernel.countChildren('/node/crowd')).toMatchObject({ value: { specs: 100_000 } });
  await kernel.stop();
}, 60_000);

test('a storm of restarts climbs to the top and ends there, each supervisor with its own count', async () => {
  const { kernel, clock, metrics } = lab();
  const bottom = one('b', [worker('s', stubborn('s', []))], { intensity: 5 });
  await kernel.start(one('node', [one('a', [bottom], { intensity: 5 })], { intensity: 2 }));
  let kills = 0;
  while (kernel.tree().length > 0) {
    await until(() => kernel.kill('/node/a/b/s') || kernel.tree().length === 0);
    kills += 1;
  }
  expect(await kernel.ended).toMatchObject({ reason: 'gave-up' });
  // Six in the lowest, six times in the one above it, three times at the top; the last look found nobody.
  expect(kills - 1).toBe(6 * 6 * 3);
  expect(metrics.read()).toContainEqual(
    expect.objectContaining({ name: 'caxton_supervisors_gave_up_total', value: 6 * 3 + 3 + 1 }),
  );
  expect(clock.pending).toBe(0);
});
