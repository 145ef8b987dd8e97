import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { backoffMs, linkBackoff } from '../../../protocols/link/backoff.ts';
import type { Address, LinkChannel } from '../../kernel/ports.ts';
import type { Ref } from '../../kernel/ref.ts';
import type { WorkerSpec } from '../../kernel/spec.ts';
import type { LinkSession } from './link-session.ts';
import type { LinkEnd } from './link-session-options.ts';

/** Whom to dial; without a node id whoever answers there is judged by certificate and cluster alone. */
export interface DialTarget {
  readonly address: Address;
  readonly nodeId?: NodeId;
}

/** What a peer-connection needs of `Links`. */
export interface PeerConnectionWork {
  /** The actor runs. After a crash its next life says so again. */
  occupy(): void;
  /** The target’s present address: it may have moved since. */
  dial(target: DialTarget, signal: AbortSignal): Promise<LinkChannel>;
  /** Judges the certificate and begins the greeting; the end is reported through `notify`. */
  begin(
    channel: LinkChannel,
    target: DialTarget | undefined,
    notify: (event: PeerConnectionEvent) => void,
  ): LinkSession | undefined;
  /** The dial failed: counted, and told when it was a refusal. */
  dialFailed(target: DialTarget, error: unknown): void;
  /** Whether this target should still be dialled. */
  wanted(target: DialTarget): boolean;
  /** Whether the last attempt ended because this node or the peer is revoked, by either side’s word. */
  isRevoked(): boolean;
  random(): number;
  /** The actor was told to stop: takes leave of the peer. */
  leave(): void;
  /** The actor is over, in whatever way: nothing of the connection may stay open. */
  release(): void;
  /** The connection is over for good. */
  gone(): void;
}

export type PeerConnectionEvent =
  | { readonly type: 'link.ready' }
  | { readonly type: 'link.congested' }
  | { readonly type: 'link.flowing' }
  | { readonly type: 'link.closed'; readonly end: LinkEnd }
  | { readonly type: 'kernel.shutdown' };

export interface PeerConnectionInput {
  readonly work: PeerConnectionWork;
  readonly notify: (event: PeerConnectionEvent) => void;
  /** The dialer has a target, the acceptor a channel. */
  readonly target?: DialTarget;
  readonly channel?: LinkChannel;
}

interface PeerConnectionContext {
  readonly work: PeerConnectionWork;
  readonly notify: (event: PeerConnectionEvent) => void;
  readonly target: DialTarget | undefined;
  readonly channel: LinkChannel | undefined;
  readonly session: LinkSession | undefined;
  readonly attempt: number;
}

/**
 * The peer is this node: dialling again would change nothing. A duplicate is no reason to end: when two links of one
 * pair cross, each end may have kept the one that the other closed, so after its pause a dialer looks again.
 */
const isFinal = ({ reason }: LinkEnd): boolean => reason === 'self';

const closedTransitions = [
  { guard: 'endsHere' as const, target: '#peer-connection.closed' as const },
  { target: '#peer-connection.backing-off' as const },
];

/** One connection to a peer, from the first byte to the last. Frames pass by it in `LinkSession`. */
export const peerConnection = setup({
  types: {
    context: {} as PeerConnectionContext,
    input: {} as PeerConnectionInput,
    events: {} as PeerConnectionEvent,
  },
  delays: {
    backoff: ({ context }) =>
      context.work.isRevoked() ? limits.revokedRedialMs : backoffMs(context.attempt, context.work.random()),
    /** A link that comes up and is lost at once, again and again, must not be dialled in a loop. */
    held: linkBackoff.maxMs,
  },
  guards: {
    accepted: ({ context }) => context.channel !== undefined,
    refused: ({ context }) => context.session === undefined,
    mayRetry: ({ context }) => context.target !== undefined && context.work.wanted(context.target),
    endsHere: ({ context, event }) =>
      event.type === 'link.closed' && (context.target === undefined || isFinal(event.end)),
  },
  actors: {
    /** A chart that crashes or is killed runs no exit actions, but its actors are stopped: the channel ends here. */
    occupancy: fromCallback<{ type: string }, PeerConnectionWork>(({ input }) => {
      input.occupy();
      return () => input.release();
    }),
    dial: fromPromise<LinkChannel, { work: PeerConnectionWork; target: DialTarget }>(({ input, signal }) =>
      input.work.dial(input.target, signal),
    ),
  },
  actions: {
    keepChannel: assign((_, params: { channel: LinkChannel }) => ({ channel: params.channel })),
    begin: assign(({ context }) => ({
      session: context.work.begin(context.channel!, context.target, context.notify),
    })),
    forgetChannel: assign({ channel: undefined, session: undefined }),
    countAttempt: assign({ attempt: ({ context }) => context.attempt + 1 }),
    resetAttempts: assign({ attempt: 0 }),
    reportDial: ({ context }, params: { error: unknown }) => context.work.dialFailed(context.target!, params.error),
    leave: ({ context }) => context.work.leave(),
    gone: ({ context }) => context.work.gone(),
  },
}).createMachine({
  id: 'peer-connection',
  context: ({ input: { work, notify, target, channel } }) => ({
    work,
    notify,
    target,
    channel,
    session: undefined,
    attempt: 0,
  }),
  initial: 'choosing',
  invoke: { src: 'occupancy', input: ({ context }) => context.work },
  on: { 'kernel.shutdown': { target: '.closed', actions: 'leave' } },
  states: {
    choosing: { always: [{ guard: 'accepted', target: 'accepting' }, { target: 'dialing' }] },
    accepting: { always: 'verifying' },
    dialing: {
      invoke: {
        src: 'dial',
        input: ({ context }) => ({ work: context.work, target: context.target! }),
        onDone: {
          target: 'verifying',
          actions: { type: 'keepChannel', params: ({ event }) => ({ channel: event.output }) },
        },
        onError: {
          target: 'backing-off',
          actions: { type: 'reportDial', params: ({ event }) => ({ error: event.error }) },
        },
      },
    },
    verifying: {
      entry: 'begin',
      always: [{ guard: 'refused', target: 'backing-off' }, { target: 'greeting' }],
    },
    greeting: { on: { 'link.ready': 'ready', 'link.closed': closedTransitions } },
    ready: {
      after: { held: { actions: 'resetAttempts' } },
      on: { 'link.closed': closedTransitions },
      initial: 'flowing',
      states: {
        flowing: { on: { 'link.congested': 'congested' } },
        congested: { on: { 'link.flowing': 'flowing' } },
      },
    },
    'backing-off': {
      entry: ['forgetChannel', 'countAttempt'],
      always: { guard: ({ context }) => context.target === undefined, target: 'closed' },
      after: { backoff: [{ guard: 'mayRetry', target: 'dialing' }, { target: 'closed' }] },
    },
    closed: { type: 'final', entry: 'gone' },
  },
});

/** The refusal inside a failed dial, if it was one. */
export const dialRefusal = (error: unknown): CaxtonError | undefined =>
  error instanceof CaxtonError && error.code !== 'UNREACHABLE' ? error : undefined;

/** How a connection stands in the tree; a dialer is transient, an accepted one temporary. */
export const peerConnectionSpec = (
  id: string,
  restart: 'temporary' | 'transient',
  work: PeerConnectionWork,
  what: Pick<PeerConnectionInput, 'target' | 'channel'>,
): WorkerSpec => ({
  kind: 'worker',
  id,
  logic: peerConnection,
  restart,
  shutdown: 2_000,
  input: ({ self }: { self: Ref<PeerConnectionEvent> }): PeerConnectionInput => ({
    work,
    notify: (event) => void self.tell(event, 'control'),
    ...what,
  }),
});
