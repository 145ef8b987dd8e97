import type { AnyActorRef } from 'xstate';
import type { Refusal } from '../../errors.ts';
import type { AgentId } from '../../names.ts';
import type { Ref } from '../kernel/ref.ts';
import type { AgentContext, Behaviour, ReceivedMessage } from './behaviour.ts';
import type { AgentMode } from './lifecycle.ts';

export type CellEvent =
  | { readonly type: 'agent.message'; readonly message: ReceivedMessage }
  | { readonly type: 'agent.refused'; readonly refusal: Refusal; readonly messageId: string }
  /** The promise that the handler returned for a message has settled. */
  | { readonly type: 'agent.settled'; readonly of: ReceivedMessage }
  | { readonly type: 'agent.failed'; readonly of: ReceivedMessage; readonly error: unknown }
  /** Everything that was in the inbox when it was told to stop has been taken out. */
  | { readonly type: 'agent.rest' }
  /** A new life finds messages that the one before had taken out of the inbox. */
  | { readonly type: 'agent.waiting' }
  | { readonly type: 'agent.suspend' | 'agent.resume' | 'agent.compromised' | 'kernel.shutdown' | 'xstate.stop' }
  | { readonly type: 'xstate.error.actor.chart'; readonly error: unknown }
  | { readonly type: 'xstate.done.actor.chart' };

export interface CellInput {
  readonly seat: Seat;
  readonly behaviour: Behaviour;
  readonly context: AgentContext;
  readonly self: Ref<CellEvent>;
  readonly host: CellHost;
}

/** The same for all cells of a host. */
export interface CellHost {
  /** Milliseconds, monotonic. */
  readonly monotonic: () => number;
  /** Hears of each change of the mode. */
  readonly onMode: (agent: AgentId, mode: AgentMode) => void;
  /** Whether an order to suspend keeps back what is in the inbox of this place; one that comes after a stop does not. */
  readonly keptBack: (path: string) => boolean;
  /** The address of an agent’s actor. */
  readonly refOf: (agent: AgentId) => Ref<CellEvent>;
}

/** What outlives an incarnation of the cell, and what the router may read without asking the actor. */
export interface Seat {
  mode: AgentMode;
  /** Messages taken out of the inbox that wait for the handler, oldest first; absent until one had to wait. */
  queue: ReceivedMessage[] | undefined;
  /** What the agent answered last, for good: who has had that answer is told of no failure as well. */
  answered?: ReceivedMessage | undefined;
  /** When the agent crashed of late, monotonic milliseconds, newest last; absent: not. */
  crashes: number[] | undefined;
}

/** What a cell lives in. */
export interface CellSurround {
  /** The parent of the agent’s chart; absent where no chart is. */
  readonly actor?: AnyActorRef;
  readonly stopChild?: (child: AnyActorRef) => void;
  /** Hears of each change of the mode. */
  became(mode: AgentMode): void;
  /** The cell has stopped. */
  finish(): void;
}
