import { fromPromise, setup } from 'xstate';
import type { PartitionMode } from '../../../protocols/swim/partition.ts';
import type { Gossip } from './gossip.ts';

export interface GossipMemberInput {
  readonly gossip: Gossip;
  /** How long a leave claim is given to spread before the socket closes. */
  readonly leaveMs: number;
  /**
   * Whether this node goes for good: only then does it tell the others that it leaves. A member that is restarted with a
   * sibling goes on with what it knows, and nobody else needs to notice.
   */
  readonly departs: () => boolean;
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

const toldToStop = [
  { guard: 'departs' as const, target: '#gossip-member.leaving' as const },
  { target: '#gossip-member.interrupted' as const },
];

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
    departs: ({ context }) => context.departs(),
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
      on: { 'gossip.joined': 'active', 'kernel.shutdown': toldToStop },
    },
    active: {
      initial: 'judging',
      on: {
        'gossip.partition': [
          { guard: 'toMajority', target: '.majority' },
          { guard: 'toMinority', target: '.minority' },
          { guard: 'toIsolated', target: '.isolated' },
        ],
        'kernel.shutdown': toldToStop,
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
    // Its next life opens the socket anew.
    interrupted: { type: 'final' },
  },
});
