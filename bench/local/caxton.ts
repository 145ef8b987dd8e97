/** One Caxton node with its agents in this process: `caxton.ts handler <folder>` or `caxton.ts chart <folder>`. */

import type { AgentCode, ChartAgentEvent, ChartAgentInput } from '../../src/index.ts';
import { assign, setup } from '../../src/index.ts';
import { deployAgent, echo, payload, startNode } from '../caxton.ts';
import { measureCalls, measureTells } from '../runner/calls.ts';
import { play } from '../runner/process.ts';
import { arrivals, type LocalPlan } from './arrivals.ts';

const [, , kind, folder = ''] = process.argv;
const { counted, expect } = arrivals();

const counterChart = setup({
  types: {
    context: {} as ChartAgentInput & { count: number },
    events: {} as ChartAgentEvent,
    input: {} as ChartAgentInput,
  },
}).createMachine({
  context: ({ input }) => ({ agent: input.agent, count: 0 }),
  on: { 'acl.inform': { actions: [assign({ count: ({ context }) => context.count + 1 }), () => counted()] } },
});

const echoChart = setup({
  types: { context: {} as ChartAgentInput, events: {} as ChartAgentEvent, input: {} as ChartAgentInput },
}).createMachine({
  context: ({ input }) => ({ agent: input.agent }),
  on: {
    'acl.request': {
      actions: ({ context, event }) => {
        context.agent.reply(event.message, { performative: 'inform', content: event.message.content });
      },
    },
  },
});

const counter: AgentCode = () => counted();

const node = await startNode(folder, 'node-1');
await deployAgent(node, 'counter', kind === 'chart' ? counterChart : counter);
await deployAgent(node, 'echo', kind === 'chart' ? echoChart : echo);
const sender = await deployAgent(node, 'sender', () => {}, {
  actions: ['inform agent:default/counter', 'request agent:default/echo'],
});

function tell(messages: number): Promise<void> {
  const done = expect(messages);
  for (let message = 0; message < messages; message++) {
    const sent = sender.tell({ to: 'default/counter', performative: 'inform', content: payload });
    if (!sent.ok) throw new Error(`${sent.refusal.code}: ${sent.refusal.reasons.join(' ')}`);
  }
  return done;
}

async function ask(): Promise<void> {
  const answer = await sender.ask({ to: 'default/echo', performative: 'request', content: payload });
  if (!answer.ok) throw new Error(`${answer.refusal.code}: ${answer.refusal.reasons.join(' ')}`);
}

play({
  round: (plan: LocalPlan) => (plan.kind === 'tell' ? measureTells(tell, plan) : measureCalls(ask, plan)),
  stop: () => node.stop(),
});
