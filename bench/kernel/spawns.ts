/** What actors cost to start, keep and stop: `spawns.ts handler | chart | xstate`. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type AnyActorRef, createActor, setup } from 'xstate';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import { play } from '../runner/process.ts';
import type { Reading } from '../runner/rounds.ts';
import { plainKernel, supervisor, worker } from './kernels.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const heap = (): number => {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
};

const chart = setup({
  types: { context: {} as { n: number }, events: {} as { type: 'next' } | { type: 'kernel.shutdown' } },
}).createMachine({
  context: { n: 0 },
  initial: 'idle',
  states: { idle: { on: { next: 'busy' } }, busy: { on: { next: 'idle' } }, gone: { type: 'final' } },
  on: { 'kernel.shutdown': '.gone' },
});
const handler = fromHandler(() => () => {});

/** Where the curve is read: children that are there already. */
export const curve = [100, 1_000, 10_000, 50_000] as const;

async function inKernel(what: string, most: number): Promise<Reading> {
  const logic = what === 'chart' ? chart : handler;
  const kernel = plainKernel();
  await kernel.start(supervisor([]));
  const reading: Record<string, number> = {};
  const before = heap();
  let count = 0;
  for (const upTo of curve.filter((point) => point <= most)) {
    const already = count;
    const begin = performance.now();
    for (; count < upTo; count += 1) {
      const started = await kernel.startChild('/node', worker(`w${count}`, logic));
      if (!started.ok) throw new Error(started.refusal.code);
    }
    reading[`us${upTo}`] = ((performance.now() - begin) / (upTo - already)) * 1_000;
  }
  reading.bytes = (heap() - before) / count;
  const begin = performance.now();
  await kernel.stop();
  reading.stopUs = ((performance.now() - begin) / count) * 1_000;
  return reading;
}

/** The same chart as a bare root of XState’s. */
function bare(most: number): Reading {
  const actors: AnyActorRef[] = [];
  const reading: Record<string, number> = {};
  const before = heap();
  for (const upTo of curve.filter((point) => point <= most)) {
    const already = actors.length;
    const begin = performance.now();
    while (actors.length < upTo) actors.push(createActor(chart, { id: `w${actors.length}` }).start());
    reading[`us${upTo}`] = ((performance.now() - begin) / (upTo - already)) * 1_000;
  }
  reading.bytes = (heap() - before) / actors.length;
  const begin = performance.now();
  for (const actor of actors) actor.stop?.();
  reading.stopUs = ((performance.now() - begin) / actors.length) * 1_000;
  return reading;
}

const what = process.argv[2] ?? '';
play({
  round: async ({ most }: { most: number }) => (what === 'xstate' ? bare(most) : await inKernel(what, most)),
});
