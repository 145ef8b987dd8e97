import { setup } from 'xstate';
import type { PendingAsks } from './pending-asks.ts';
import type { RouterMode, Routing } from './routing.ts';

export interface MessageRouterInput {
  readonly routing: Routing;
  readonly asks: PendingAsks;
  /** How long asks may still be answered once the node drains. */
  readonly drainMs: number;
  /** Whether the node goes for good. A router that is restarted with a sibling refuses nothing and ends no ask. */
  readonly departs: () => boolean;
}

/** What the router is doing. `Routing` carries the messages and reads the mode that the entry actions set. */
export const messageRouter = setup({
  types: {
    context: {} as MessageRouterInput,
    input: {} as MessageRouterInput,
    events: {} as
      | { type: 'router.degraded' }
      | { type: 'router.recovered' }
      | { type: 'router.settled' }
      | { type: 'kernel.shutdown' },
  },
  delays: { drain: ({ context }) => context.drainMs },
  guards: {
    nothingPending: ({ context }) => context.asks.size === 0,
    departs: ({ context }) => context.departs(),
  },
  actions: {
    setMode: ({ context }, params: { mode: RouterMode }) => {
      context.routing.mode = params.mode;
    },
    endAsks: ({ context }) => context.asks.stop(),
  },
}).createMachine({
  id: 'message-router',
  context: ({ input }) => input,
  initial: 'starting',
  states: {
    starting: { entry: { type: 'setMode', params: { mode: 'starting' } }, always: 'routing' },
    routing: {
      entry: { type: 'setMode', params: { mode: 'routing' } },
      initial: 'normal',
      on: { 'kernel.shutdown': [{ guard: 'departs', target: 'draining' }, { target: 'interrupted' }] },
      states: {
        normal: { on: { 'router.degraded': 'degraded' } },
        // Some members cannot be reached: messages among the reachable go on.
        degraded: { on: { 'router.recovered': 'normal' } },
      },
    },
    draining: {
      entry: { type: 'setMode', params: { mode: 'draining' } },
      always: { guard: 'nothingPending', target: 'stopped' },
      after: { drain: 'stopped' },
      on: { 'router.settled': { guard: 'nothingPending', target: 'stopped' } },
    },
    stopped: { type: 'final', entry: [{ type: 'setMode', params: { mode: 'stopped' } }, 'endAsks'] },
    // Messages go on meanwhile: they do not pass this chart.
    interrupted: { type: 'final' },
  },
});
