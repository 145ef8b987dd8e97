/** A bare XState actor: the chart that Caxton’s counter runs, and nothing around it. */
import { assign, createActor, setup } from 'xstate';
import { payload } from '../caxton.ts';
import { measureTells } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { arrivals } from './arrivals.ts';

const { counted, expect } = arrivals();

const actor = createActor(
  setup({
    types: { context: {} as { count: number }, events: {} as { type: 'acl.inform'; message: { content: Uint8Array } } },
  }).createMachine({
    context: { count: 0 },
    on: { 'acl.inform': { actions: [assign({ count: ({ context }) => context.count + 1 }), () => counted()] } },
  }),
);
actor.start();

function tell(messages: number): Promise<void> {
  const done = expect(messages);
  for (let message = 0; message < messages; message++)
    actor.send({ type: 'acl.inform', message: { content: new Uint8Array(payload) } });
  return done;
}

play({ round: (plan: { messages: number; ms: number }) => measureTells(tell, plan) });
