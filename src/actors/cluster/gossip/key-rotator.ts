import { fromPromise, setup } from 'xstate';
import type { RotationStage } from '../../../protocols/gossip-keys/stage.ts';

/** What the chart needs of `KeyRotation`, which outlives it. */
export interface KeyRotatorWork {
  readonly stage: RotationStage;
  /** The chart lives, and is told of stages from now on. */
  begin(): void;
  /** Makes the key that is planned, keeps it, and proposes it. Idempotent while it is under way; never rejects. */
  make(): Promise<void>;
  /** After how long time alone can change something. */
  nextInMs(): number | undefined;
  tick(): void;
}

export interface KeyRotatorInput {
  readonly rotation: KeyRotatorWork;
}

/** What the chart hears. */
export type KeyRotatorEvent =
  /** The stage is another one, or it lasts another time. */
  { readonly type: 'keys.changed'; readonly stage: RotationStage } | { readonly type: 'kernel.shutdown' };

/** setTimeout’s own bound is 2^31−1 ms; a longer wait becomes several. */
const waitMsMax = 2_000_000_000;

const stages = ['stable', 'proposing', 'distributing', 'switching', 'retiring'] as const;

/** After so long the rules look again, and the wait begins anew. */
const waiting = (stage: RotationStage) => ({
  after: { next: { target: stage, reenter: true, actions: 'tick' as const } },
});

/** What this node is doing about the key of its gossip. Frames and datagrams pass through `KeyRotation`. */
export const keyRotator = setup({
  types: {
    context: {} as KeyRotatorInput,
    input: {} as KeyRotatorInput,
    events: {} as KeyRotatorEvent,
  },
  delays: {
    next: ({ context }) => Math.min(Math.max(1, context.rotation.nextInMs() ?? waitMsMax), waitMsMax),
  },
  guards: {
    goesTo: ({ event }, { stage }: { stage: RotationStage }) => event.type === 'keys.changed' && event.stage === stage,
    isIn: ({ context }, { stage }: { stage: RotationStage }) => context.rotation.stage === stage,
  },
  actors: {
    make: fromPromise<void, KeyRotatorWork>(({ input }) => input.make()),
  },
  actions: {
    begin: ({ context }) => context.rotation.begin(),
    tick: ({ context }) => context.rotation.tick(),
  },
}).createMachine({
  id: 'key-rotator',
  context: ({ input }) => input,
  initial: 'judging',
  on: {
    'keys.changed': stages.map((stage) => ({
      guard: { type: 'goesTo' as const, params: { stage } },
      target: `.${stage}` as const,
      reenter: true,
    })),
    'kernel.shutdown': '.stopped',
  },
  states: {
    // In its first life and in those after a crash it begins where the rules are.
    judging: {
      entry: 'begin',
      always: stages.map((stage) => ({ guard: { type: 'isIn' as const, params: { stage } }, target: stage })),
    },
    stable: waiting('stable'),
    proposing: { invoke: { src: 'make', input: ({ context }) => context.rotation, onDone: 'judging' } },
    distributing: waiting('distributing'),
    switching: waiting('switching'),
    retiring: waiting('retiring'),
    stopped: { type: 'final' },
  },
});
