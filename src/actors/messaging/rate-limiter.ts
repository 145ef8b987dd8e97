import { setup } from 'xstate';
import { limits } from '../../limits.ts';
import type { Rate } from '../../protocols/authorization/rate.ts';
import { RateTable, type Spending } from '../../protocols/authorization/rate-table.ts';
import type { Clock } from '../kernel/ports.ts';
import type { Ref } from '../kernel/ref.ts';

export type LimiterMode = 'enforcing' | 'shadow' | 'saturated';

/**
 * The budget of each sender at each receiver. The table is bounded and refuses newcomers when it is full, so a flood
 * of forged senders cannot push out the honest ones; the chart shows which of the two is the case.
 */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #table = new RateTable();
  mode: LimiterMode = 'enforcing';
  /** Called when the table fills up or has room again. */
  onOccupancy: (full: boolean) => void = () => {};
  #wasFull = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get full(): boolean {
    return this.#table.size >= limits.rateLimitKeysMax;
  }

  spend(key: string, rate: Rate): Spending {
    const spent = this.#table.spend(key, rate, this.#clock.monotonic());
    const { full } = this;
    if (full !== this.#wasFull) {
      this.#wasFull = full;
      this.onOccupancy(full);
    }
    return this.mode === 'shadow' ? { allowed: true, retryAfterMs: 0 } : spent;
  }
}

/** What the limiter is doing. The path of a message reads `mode`; only changes of it pass here. */
export const rateLimiterChart = setup({
  types: {
    context: {} as { limiter: RateLimiter },
    input: {} as { limiter: RateLimiter; notify: (event: { type: 'limiter.full' | 'limiter.room' }) => void },
    events: {} as
      | { type: 'limiter.full' }
      | { type: 'limiter.room' }
      | { type: 'limiter.shadow' }
      | { type: 'limiter.enforce' }
      | { type: 'kernel.shutdown' },
  },
  // The table fills and empties while nobody listens: during `shadow`, or while the chart is restarted.
  guards: { full: ({ context }) => context.limiter.full },
  actions: {
    setMode: ({ context }, params: { mode: LimiterMode }) => {
      context.limiter.mode = params.mode;
    },
  },
}).createMachine({
  id: 'rate-limiter',
  context: ({ input }) => {
    input.limiter.onOccupancy = (full) => input.notify({ type: full ? 'limiter.full' : 'limiter.room' });
    return { limiter: input.limiter };
  },
  initial: 'enforcing',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    enforcing: {
      entry: { type: 'setMode', params: { mode: 'enforcing' } },
      always: { guard: 'full', target: 'saturated' },
      on: { 'limiter.full': 'saturated', 'limiter.shadow': 'shadow' },
    },
    // Counts and reports, refuses nobody: to try a limit before it bites.
    shadow: { entry: { type: 'setMode', params: { mode: 'shadow' } }, on: { 'limiter.enforce': 'enforcing' } },
    saturated: {
      entry: { type: 'setMode', params: { mode: 'saturated' } },
      on: { 'limiter.room': 'enforcing', 'limiter.shadow': 'shadow' },
    },
    stopped: { type: 'final' },
  },
});

/** The chart’s input in a tree: what the limiter notices reaches the chart’s own inbox. */
export const rateLimiterInput =
  (limiter: RateLimiter) =>
  ({ self }: { self: Ref }) => ({
    limiter,
    notify: (event: { type: 'limiter.full' | 'limiter.room' }) => void self.tell(event, 'control'),
  });
