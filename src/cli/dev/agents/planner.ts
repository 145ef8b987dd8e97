import { assign, setup } from 'xstate';
import type { AgentContext, ReceivedMessage } from '../../../actors/agents/behaviour.ts';

/**
 * The initiator of a contract net (FIPA SC00029H) as a chart: call for proposals, choose the cheapest bid that came in
 * time, award it, wait for the result, answer whoever asked. One plan at a time; a second request is refused.
 */
interface Bid {
  readonly message: ReceivedMessage;
  readonly cost: number;
}

interface PlannerContext {
  readonly agent: AgentContext;
  readonly request: ReceivedMessage | undefined;
  readonly conversationId: string;
  readonly expected: number;
  readonly bids: readonly Bid[];
  readonly declined: number;
}

type Acl<P extends string> = { type: `acl.${P}`; message: ReceivedMessage };
type PlannerEvent =
  | Acl<'request'>
  | Acl<'propose'>
  | Acl<'refuse'>
  | Acl<'inform'>
  | Acl<'failure'>
  | { type: 'acl.refused'; messageId: string };

const protocol = 'fipa-contract-net';
const workerService = 'factoring';

const costOf = (message: ReceivedMessage): number => {
  const content = message.content;
  const cost = typeof content === 'object' && content !== null && 'cost' in content ? content.cost : undefined;
  return typeof cost === 'number' && Number.isFinite(cost) ? cost : Number.POSITIVE_INFINITY;
};

const cheapest = (bids: readonly Bid[]): Bid | undefined =>
  bids.reduce<Bid | undefined>((best, bid) => (best && best.cost <= bid.cost ? best : bid), undefined);

export const chart = setup({
  types: {
    context: {} as PlannerContext,
    events: {} as PlannerEvent,
    input: {} as { agent: AgentContext },
  },
  delays: { bidding: 2_000, working: 10_000 },
  guards: {
    everyoneAnswered: ({ context }) => context.bids.length + context.declined >= context.expected,
    hasBid: ({ context }) => context.bids.length > 0,
    ofThisPlan: ({ context, event }) => 'message' in event && event.message.conversationId === context.conversationId,
  },
  actions: {
    callForProposals: assign(({ context, event }) => {
      const request = (event as Acl<'request'>).message;
      const workers = context.agent.find(workerService);
      let expected = 0;
      for (const to of workers) {
        const call = {
          to,
          performative: 'cfp',
          content: request.content,
          protocol,
          conversationId: request.id,
        } as const;
        if (context.agent.tell(call).ok) expected++;
      }
      return { request, conversationId: request.id, expected, bids: [], declined: 0 };
    }),
    noteBid: assign({
      bids: ({ context, event }) => {
        const { message } = event as Acl<'propose'>;
        return [...context.bids, { message, cost: costOf(message) }];
      },
    }),
    noteDeclined: assign({ declined: ({ context }) => context.declined + 1 }),
    award: ({ context }) => {
      const best = cheapest(context.bids);
      for (const bid of context.bids)
        context.agent.reply(bid.message, {
          performative: bid === best ? 'accept-proposal' : 'reject-proposal',
          content: bid === best ? context.request!.content : { reason: 'Another bid was cheaper.' },
        });
    },
    answer: ({ context, event }) => {
      const { message } = event as Acl<'inform'>;
      const { sender, content } = message;
      context.agent.reply(context.request!, {
        performative: 'inform',
        content: { doneBy: sender, cost: cheapest(context.bids)?.cost, bids: context.bids.length, result: content },
      });
    },
    fail: ({ context }, params: { reason: string }) => {
      context.agent.reply(context.request!, { performative: 'failure', content: { reason: params.reason } });
    },
    busy: ({ context, event }) => {
      const { message } = event as Acl<'request'>;
      context.agent.reply(message, {
        performative: 'refuse',
        content: { reason: 'Another plan is being carried out.' },
      });
    },
  },
}).createMachine({
  id: 'planner',
  context: ({ input }) => ({
    agent: input.agent,
    request: undefined,
    conversationId: '',
    expected: 0,
    bids: [],
    declined: 0,
  }),
  initial: 'idle',
  states: {
    idle: { on: { 'acl.request': { target: 'bidding', actions: 'callForProposals' } } },
    bidding: {
      on: {
        'acl.propose': { guard: 'ofThisPlan', actions: 'noteBid' },
        'acl.refuse': { guard: 'ofThisPlan', actions: 'noteDeclined' },
        'acl.refused': { actions: 'noteDeclined' },
        'acl.request': { actions: 'busy' },
      },
      always: [{ guard: { type: 'everyoneAnswered' }, target: 'choosing' }],
      after: { bidding: 'choosing' },
    },
    choosing: {
      always: [
        { guard: 'hasBid', target: 'working', actions: 'award' },
        { target: 'idle', actions: { type: 'fail', params: { reason: 'Nobody made a bid.' } } },
      ],
    },
    working: {
      on: {
        'acl.inform': { guard: 'ofThisPlan', target: 'idle', actions: 'answer' },
        'acl.failure': {
          guard: 'ofThisPlan',
          target: 'idle',
          actions: { type: 'fail', params: { reason: 'The worker failed.' } },
        },
        'acl.request': { actions: 'busy' },
      },
      after: {
        working: {
          target: 'idle',
          actions: { type: 'fail', params: { reason: 'The worker did not finish in time.' } },
        },
      },
    },
  },
});
