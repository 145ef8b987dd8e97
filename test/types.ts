/**
 * Compiled by `npm run types`, never run: what must be a compile error is marked, and a mark without an error fails.
 */
import { z } from 'zod';
import {
  type AgentRef,
  type ChartAgentEvent,
  type ChartAgentInput,
  createNode,
  type Node,
  type NodeConfig,
  setup,
} from '../src/index.ts';

type Counter = {
  request: (content: { add: number }) => { total: number };
  'query-ref': (content: null) => Promise<number>;
  inform: (content: string) => void;
};

export async function aRefKnowsWhatItsAgentTakes(counter: AgentRef<Counter>): Promise<number> {
  counter.tell({ performative: 'inform', content: 'hello' });
  const answer = await counter.ask({ performative: 'request', content: { add: 1 } }, { timeoutMs: 5 });
  const later: number = (await counter.ask({ performative: 'query-ref', content: null })).content;
  // @ts-expect-error the content of a request is an object with a number
  counter.tell({ performative: 'request', content: { add: 'one' } });
  // @ts-expect-error a request has content
  counter.tell({ performative: 'request' });
  // @ts-expect-error the content belongs to another performative
  counter.tell({ performative: 'inform', content: { add: 1 } });
  // @ts-expect-error this agent takes no subscriptions
  counter.tell({ performative: 'subscribe', content: 'hello' });
  // @ts-expect-error there is no such performative
  counter.tell({ performative: 'reqest', content: { add: 1 } });
  // @ts-expect-error the receiver is the agent of the ref
  counter.tell({ performative: 'inform', content: 'hello', to: 'default/other' });
  // @ts-expect-error a misspelt field
  counter.tell({ performative: 'inform', content: 'hello', conversation: 'c' });
  // @ts-expect-error the answer has no such field
  answer.content.sum;
  // @ts-expect-error milliseconds, not a text
  await counter.ask({ performative: 'query-ref', content: null }, { timeoutMs: '5s' });
  return answer.content.total + later;
}

export async function checksTypeTheHandlerAndTheRef(node: Node): Promise<void> {
  const accepts = {
    request: z.object({ add: z.number() }),
    inform: (content: unknown): content is string => !!content,
  };
  const ref = await node.deploy(
    'default/counter',
    (message) => {
      if (message.performative === 'request') {
        const sum: number = message.content.add;
        // @ts-expect-error the schema has no such field
        message.content.sub;
        return void sum;
      }
      if (message.performative === 'inform') return void message.content.toUpperCase();
      // @ts-expect-error what was not checked is unknown
      message.content.add;
    },
    { accepts },
  );
  ref.tell({ performative: 'request', content: { add: 1 } });
  // @ts-expect-error not what the schema takes
  ref.tell({ performative: 'request', content: { add: '1' } });
  // @ts-expect-error not among the checks
  ref.tell({ performative: 'cfp', content: 1 });
}

export async function anAgentWithoutContractTakesAnything(node: Node): Promise<void> {
  const ref = await node.deploy('default/any', (message) => {
    // @ts-expect-error nobody checked it
    message.content.add;
  });
  ref.tell({ performative: 'cfp', content: { anything: true } });
  // @ts-expect-error still a performative of FIPA
  ref.tell({ performative: 'call', content: 1 });
  const answer = await ref.ask({ performative: 'request', content: 1 });
  // @ts-expect-error an answer that nobody promised is unknown
  answer.content.total;
}

export async function namesAndRightsAreTyped(node: Node, config: NodeConfig): Promise<void> {
  // @ts-expect-error an agent has a tenant
  await node.deploy('counter', () => {});
  // @ts-expect-error a list of actions
  await node.deploy('default/counter', () => {}, { actions: 'request agent:default/*' });
  await node.deploy('default/counter', (_, agent) => {
    // @ts-expect-error a receiver has a tenant
    agent.tell({ to: 'echo', performative: 'request', content: 1 });
    // @ts-expect-error refusals are values: the answer may not be there
    void agent.ask({ to: 'default/echo', performative: 'request', content: 1 }).then((answer) => answer.value);
  });
  // @ts-expect-error a key object, not a text
  await createNode(config, { deployer: 'secret' });
}

export const chart = setup({
  types: { events: {} as ChartAgentEvent, input: {} as ChartAgentInput, context: {} as ChartAgentInput },
}).createMachine({
  context: ({ input }) => ({ agent: input.agent }),
  on: {
    'acl.request': {
      actions: ({ context, event }) => {
        context.agent.reply(event.message, { performative: 'inform', content: 1 });
        // @ts-expect-error there is no such performative
        context.agent.reply(event.message, { performative: 'informs', content: 1 });
      },
    },
  },
});
