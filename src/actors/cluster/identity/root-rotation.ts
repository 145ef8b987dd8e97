import { assign, fromPromise, setup } from 'xstate';
import {
  type Missing,
  type NextRoot,
  nextRotationStep,
  type RotationState,
  type RotationStep,
} from '../../../protocols/notice/root-rotation.ts';
import type { RootsBody } from '../../../protocols/notice/roots.ts';

/** A bundle that is to be signed and put in force. */
export type BundleStep = Extract<RotationStep, { readonly body: RootsBody }>;

/** What whoever drives a rotation sees of the cluster, verified. */
export interface RotationSurvey {
  readonly state: RotationState;
  /** Whether a CA node can sign under the newest root of the bundle. */
  readonly canIssue: boolean;
  /** Whom the next step would leave behind for a reason that members do not sign, such as an API’s old certificate. */
  readonly alsoMissing: readonly Missing[];
}

/** What a rotation needs of the world. Each step may be done again: what is done already is found done. */
export interface RotationWork {
  /** Reads and verifies what is in force and what members have acknowledged. */
  survey(): Promise<RotationSurvey>;
  /** The next root with its cross-signature, made now or found; durable when it resolves. Undefined: none is wanted. */
  prepare(): Promise<NextRoot | undefined>;
  /** Signs the bundle with the next generation and puts it in force. */
  publish(step: BundleStep, generation: number): Promise<void>;
  /** The old root is dropped: what lies about for the rotation is tidied. */
  finish(survey: RotationSurvey): Promise<void>;
  /** For people: called whenever something is waited for. */
  waiting(missing: readonly Missing[], survey: RotationSurvey): void;
  /** Milliseconds on a clock that never jumps. */
  monotonic(): number;
}

export interface RootRotationInput {
  readonly work: RotationWork;
  /** Goes on without those who are still missing when they have had their time. */
  readonly force: boolean;
  /** How long members have after each bundle, and how often they are looked at. */
  readonly waitMs: number;
  readonly pauseMs: number;
}

export type RotationOutcome =
  | { readonly type: 'done' | 'conflict' }
  | { readonly type: 'stuck'; readonly missing: readonly Missing[] }
  | { readonly type: 'failed'; readonly error: unknown };

interface RotationContext extends RootRotationInput {
  /** When the last bundle was published here, or this began. */
  readonly since: number;
  readonly survey: RotationSurvey | undefined;
  readonly next: NextRoot | undefined;
  readonly prepared: boolean;
  readonly missing: readonly Missing[];
  readonly outcome: RotationOutcome | undefined;
}

const isOverdue = ({ work, since, waitMs }: RotationContext): boolean => work.monotonic() - since >= waitMs;

/**
 * The step that is due by what was seen last; a bundle that would leave somebody behind only by force, and not before
 * everybody had the time to follow.
 */
function stepOf(context: RotationContext): RotationStep {
  const { state, canIssue, alsoMissing } = context.survey!;
  const { next } = context;
  const force = context.force && isOverdue(context);
  const step = nextRotationStep(state, next, force);
  const missing = [...alsoMissing, ...(step.type === 'issue' && !canIssue ? [noCa] : [])];
  if (missing.length === 0) return step;
  if (step.type === 'wait') return { type: 'wait', missing: [...step.missing, ...missing] };
  // Without a CA nobody gets a certificate, whatever is forced.
  const isStopped = step.type === 'issue' ? !canIssue : step.type === 'drop' && !force;
  return isStopped ? { type: 'wait', missing } : step;
}

const noCa: Missing = {
  nodeId: 'ca' as Missing['nodeId'],
  reason: 'no CA node that answers has a CA under the next root: see docs/operations/root-rotation.md',
};

/**
 * Drives a rotation of the cluster’s root from wherever it is to its end, for whoever holds the authority’s key: `caxton
 * security rotate-ca`. All that it goes by is in the documents and in what members have signed, so it can be stopped at any
 * moment and started anew.
 */
export const rootRotation = setup({
  types: {
    context: {} as RotationContext,
    input: {} as RootRotationInput,
    output: {} as RotationOutcome,
  },
  delays: { pause: ({ context }) => context.pauseMs },
  guards: {
    unprepared: ({ context }) => context.survey?.state.bundle.roots.length === 1 && !context.prepared,
    bundleDue: ({ context }) => 'body' in stepOf(context),
    waits: ({ context }) => stepOf(context).type === 'wait',
    conflicts: ({ context }) => stepOf(context).type === 'conflict',
    overdue: ({ context }) => isOverdue(context),
  },
  actors: {
    survey: fromPromise<RotationSurvey, RotationWork>(({ input }) => input.survey()),
    prepare: fromPromise<NextRoot | undefined, RotationWork>(({ input }) => input.prepare()),
    publish: fromPromise<void, RotationContext>(({ input }) =>
      input.work.publish(stepOf(input) as BundleStep, input.survey!.state.generation + 1),
    ),
    finish: fromPromise<void, RotationContext>(({ input }) => input.work.finish(input.survey!)),
  },
  actions: {
    see: assign(({ context }, params: { survey: RotationSurvey }) => ({
      survey: params.survey,
      // One that was under way is ended, and no other begun after it.
      prepared: context.prepared || params.survey.state.bundle.roots.length > 1,
    })),
    hold: assign((_, params: { next: NextRoot | undefined }) => ({ next: params.next, prepared: true })),
    fail: assign((_, params: { error: unknown }) => ({ outcome: { type: 'failed', error: params.error } })),
    miss: assign(({ context }) => {
      const step = stepOf(context);
      return { missing: step.type === 'wait' ? step.missing : [] };
    }),
    tellWaiting: ({ context }) => context.work.waiting(context.missing, context.survey!),
    beginWait: assign(({ context }) => ({ since: context.work.monotonic() })),
    giveUp: assign(({ context }) => ({ outcome: { type: 'stuck', missing: context.missing } })),
    conflict: assign({ outcome: { type: 'conflict' } }),
    succeed: assign({ outcome: { type: 'done' } }),
  },
}).createMachine({
  id: 'root-rotation',
  context: ({ input }) => ({
    ...input,
    since: input.work.monotonic(),
    survey: undefined,
    next: undefined,
    prepared: false,
    missing: [],
    outcome: undefined,
  }),
  output: ({ context }) => context.outcome ?? { type: 'done' },
  initial: 'surveying',
  states: {
    surveying: {
      invoke: {
        src: 'survey',
        input: ({ context }) => context.work,
        onDone: {
          target: 'deciding',
          actions: { type: 'see', params: ({ event }) => ({ survey: event.output }) },
        },
        onError: { target: 'ended', actions: { type: 'fail', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    preparing: {
      invoke: {
        src: 'prepare',
        input: ({ context }) => context.work,
        onDone: { target: 'deciding', actions: { type: 'hold', params: ({ event }) => ({ next: event.output }) } },
        onError: { target: 'ended', actions: { type: 'fail', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    deciding: {
      always: [
        { guard: 'unprepared', target: 'preparing' },
        { guard: 'bundleDue', target: 'publishing' },
        { guard: 'waits', target: 'waiting' },
        { guard: 'conflicts', target: 'ended', actions: 'conflict' },
        { target: 'finishing' },
      ],
    },
    publishing: {
      invoke: {
        src: 'publish',
        input: ({ context }) => context,
        onDone: { target: 'surveying', actions: 'beginWait' },
        onError: { target: 'ended', actions: { type: 'fail', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    waiting: {
      entry: ['miss', 'tellWaiting'],
      always: { guard: 'overdue', target: 'ended', actions: 'giveUp' },
      after: { pause: 'surveying' },
    },
    finishing: {
      invoke: {
        src: 'finish',
        input: ({ context }) => context,
        onDone: { target: 'ended', actions: 'succeed' },
        onError: { target: 'ended', actions: { type: 'fail', params: ({ event }) => ({ error: event.error }) } },
      },
    },
    ended: { type: 'final' },
  },
});
