/** A thousand crashes and restarts beside ten thousand siblings: `restarts.ts handler | chart`. */
import { setup } from 'xstate';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import { play } from '../runner/process.ts';
import { plainKernel, supervisor, worker } from './kernels.ts';

const boom = (): never => {
  throw new Error('boom');
};

let lives = 0;
const handler = fromHandler(() => {
  lives += 1;
  return boom;
});
const chart = setup({}).createMachine({
  entry: () => {
    lives += 1;
  },
  on: { crash: { actions: boom }, 'kernel.shutdown': '.gone' },
  initial: 'here',
  states: { here: {}, gone: { type: 'final' } },
});

const crashes = 1_000;
const siblings = 10_000;
const kernel = plainKernel();
const logic = process.argv[2] === 'chart' ? chart : handler;
const child = (n: number) => worker(`w${n}`, logic);
// Each round is a period of its own: one more crash than it has would end the tree.
await kernel.start(
  supervisor(
    Array.from({ length: siblings }, (_, n) => child(n)),
    { intensity: crashes, periodMs: 1 },
  ),
);
const refs = Array.from({ length: crashes }, (_, n) => kernel.ref(`/node/w${n}`));

async function round(): Promise<{ ms: number }> {
  const begin = performance.now();
  const until = lives + crashes;
  for (const ref of refs) ref.tell({ type: 'crash' });
  while (lives < until) await new Promise((resolve) => setImmediate(resolve));
  const ms = performance.now() - begin;
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { ms };
}

play({ round, stop: () => kernel.stop() });
