import { fromPromise, setup } from 'xstate';
import type { PartitionMode } from '../../protocols/swim/partition.ts';
import type { Gossip } from './gossip.ts';

export interface GossipMemberInput {
  readonly gossip: Gossip;
  /** How long a leave claim is given to spread before the socket closes. */
  readonly leaveMs: number;
}

/** What the chart hears. */
export type GossipMemberEvent =
  | { readonly type: 'gossip.joined' }
  | { readonly type: 'gossip.left' }
  | { readonly type: 'gossip.partition'; readonly mode: PartitionMode }
  | { readonly type: 'kernel.shutdown' };

const isMode =
  (mode: PartitionMode) =>
  ({ event }: { event: GossipMemberEvent }) =>
    event.type === 'gossip.partition' && event.mode === mode;

/** What this node is as a member. Datagrams and claims pass through `Gossip`, which reads nothing of this chart. */
export const gossipMember = setup({
  types: {
    context: {} as GossipMemberInput,
    input: {} as GossipMemberInput,
    events: {} as GossipMemberEvent,
  },
  delays: { leaving: ({ context }) => context.leaveMs },
  guards: {
    hasNoSeeds: ({ context }) => context.gossip.seeds.length === 0,
    toMajority: isMode('majority'),
    toMinority: isMode('minority'),
    toIsolated: isMode('isolated'),
    isMajority: ({ context }) => context.gossip.partition() === 'majority',
    isMinority: ({ context }) => context.gossip.partition() === 'minority',
  },
  actors: {
    open: fromPromise<void, Gossip>(({ input }) => input.open()),
    close: fromPromise<void, Gossip>(({ input }) => input.close()),
  },
  actions: {
    join: ({ context }) => context.gossip.join(),
    leave: ({ context }) => context.gossip.leave(),
  },
}).createMachine({
  id: 'gossip-member',
  context: ({ input }) => input,
  initial: 'offline',
  states: {
    offline: {
      invoke: { src: 'open', input: ({ context }) => context.gossip, onDone: 'joining' },
      on: { 'kernel.shutdown': 'left' },
    },
    joining: {
      entry: 'join',
      always: { guard: 'hasNoSeeds', target: 'active' },
      on: { 'gossip.joined': 'active', 'kernel.shutdown': 'leaving' },
    },
    active: {
      initial: 'judging',
      on: {
        'gossip.partition': [
          { guard: 'toMajority', target: '.majority' },
          { guard: 'toMinority', target: '.minority' },
          { guard: 'toIsolated', target: '.isolated' },
        ],
        'kernel.shutdown': 'leaving',
      },
      states: {
        judging: {
          always: [
            { guard: 'isMajority', target: 'majority' },
            { guard: 'isMinority', target: 'minority' },
            { target: 'isolated' },
          ],
        },
        majority: {},
        minority: {},
        isolated: {},
      },
    },
    leaving: { entry: 'leave', after: { leaving: 'closing' }, on: { 'gossip.left': 'closing' } },
    closing: { invoke: { src: 'close', input: ({ context }) => context.gossip, onDone: 'left', onError: 'left' } },
    left: { type: 'final' },
  },
});
