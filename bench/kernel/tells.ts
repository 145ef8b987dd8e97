/** One-way messages within one process: `tells.ts handler | tapped | chart | xstate | queue`. */
import { assign, createActor, setup } from 'xstate';
import { fromHandler } from '../../src/actors/kernel/handler.ts';
import { arrivals } from '../local/arrivals.ts';
import { measureTells } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { plainKernel, supervisor, worker } from './kernels.ts';

interface Numbered {
  readonly type: 'n';
  readonly n: number;
}

const { counted, expect } = arrivals();

const chart = setup({
  types: { context: {} as { sum: number }, events: {} as Numbered },
}).createMachine({
  context: { sum: 0 },
  on: { n: { actions: [assign({ sum: ({ context, event }) => context.sum + event.n }), counted] } },
});

async function toKernel(what: string): Promise<(messages: number) => Promise<void>> {
  const logic = what === 'chart' ? chart : fromHandler<Numbered>(() => counted);
  const tap = what === 'tapped' ? () => () => {} : () => undefined;
  const kernel = plainKernel({ tap });
  await kernel.start(supervisor([worker('a', logic, { shutdown: 'brutal-kill' })]));
  const ref = kernel.ref<Numbered>('/node/a');
  return (messages) => {
    const done = expect(messages);
    for (let n = 0; n < messages; n += 1) {
      const told = ref.tell({ type: 'n', n });
      if (!told.ok) throw new Error(told.refusal.code);
    }
    return done;
  };
}

/** XState’s own actor: the same chart, on the sender’s stack. */
function toActor(): (messages: number) => Promise<void> {
  const actor = createActor(chart).start();
  return (messages) => {
    const done = expect(messages);
    for (let n = 0; n < messages; n += 1) actor.send({ type: 'n', n });
    return done;
  };
}

/** The least that a queue can do: an array that is filled, and emptied in the next turn of the event loop. */
function toQueue(): (messages: number) => Promise<void> {
  const queue: Numbered[] = [];
  const handle: (message: Numbered) => void = counted;
  const drain = (): void => {
    for (const message of queue) handle(message);
    queue.length = 0;
  };
  return (messages) => {
    const done = expect(messages);
    for (let n = 0; n < messages; n += 1) {
      if (queue.length === 0) setImmediate(drain);
      queue.push({ type: 'n', n });
    }
    return done;
  };
}

const what = process.argv[2] ?? '';
const tell = what === 'xstate' ? toActor() : what === 'queue' ? toQueue() : await toKernel(what);

play({ round: (plan: { messages: number; ms: number }) => measureTells(tell, plan) });
