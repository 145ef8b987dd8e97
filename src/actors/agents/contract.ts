import type { AgentId } from '../../names.ts';
import { type Performative, performatives } from '../../protocols/acl/performative.ts';
import type { Check, Checked } from '../kernel/check.ts';
import type { AgentContext, AskOptions, Draft, ReceivedMessage } from './behaviour.ts';

/**
 * What an agent takes, as types: for each performative the content of the message and of its answer, written as a
 * function. `{ request: (content: { add: number }) => { total: number } }` is an agent that answers requests.
 */
export type Contract = { readonly [P in Performative]?: (content: never) => unknown };

/** An agent about which nothing was said: every performative, any content. */
export type AnyContract = { readonly [P in Performative]: (content: unknown) => unknown };

/** The performatives that a contract names. */
export type PerformativeOf<C extends Contract> = keyof C & Performative;

type ContentOf<C extends Contract, P extends PerformativeOf<C>> = C[P] extends (content: infer Content) => unknown
  ? Content
  : never;

/** The content of the answer. An agent that promises its answer answers with what was promised. */
export type AnswerOf<C extends Contract, P extends PerformativeOf<C>> = C[P] extends (content: never) => infer Answer
  ? Awaited<Answer>
  : never;

/** A message that the contract permits; the receiver is the agent whose ref is used. */
export type MessageFor<C extends Contract, P extends PerformativeOf<C> = PerformativeOf<C>> = Omit<
  Draft,
  'to' | 'performative' | 'content'
> &
  { [K in P]: { readonly performative: K; readonly content: ContentOf<C, K> } }[P];

/** The answer to a message of performative `P`. */
export type AnswerTo<C extends Contract, P extends PerformativeOf<C>> = ReceivedMessage<AnswerOf<C, P>>;

/** An agent, seen by those who write to it. What they send has the name and the rights of the program around the node. */
export interface AgentRef<C extends Contract = AnyContract> {
  readonly id: AgentId;
  /** The agent’s own voice, as its code has it: what is sent with it has the agent’s name and rights. */
  readonly agent: AgentContext;
  /**
   * Sends and does not wait. Throws a CaxtonError when this node refuses it; a later refusal by another node is counted
   * and audited there.
   */
  tell<P extends PerformativeOf<C>>(message: MessageFor<C, P>): void;
  /**
   * Sends and resolves with the answer. Rejects with a CaxtonError: a refusal (UNAUTHORIZED, RATE_LIMIT_EXCEEDED …),
   * TIMED_OUT after `timeoutMs` (default 30,000), CANCELLED by `signal`.
   */
  ask<P extends PerformativeOf<C>>(message: MessageFor<C, P>, options?: AskOptions): Promise<AnswerTo<C, P>>;
}

/** A check for each performative whose content is to be judged before the agent’s code sees it. */
export type Checks = { readonly [P in Performative]?: Check };

/** The contract that checks amount to; what they do not say is the content of the answers. */
export type ContractOf<K extends Checks> = {
  readonly [P in keyof K & Performative]: (content: Checked<K[P]>) => unknown;
};

/** What a handler behind these checks receives: of the performatives that they name, content of the checked form. */
export type CheckedMessage<K extends Checks> =
  | { [P in keyof K & Performative]: ReceivedMessage<Checked<K[P]>> & { readonly performative: P } }[keyof K &
      Performative]
  | (ReceivedMessage & { readonly performative: Exclude<Performative, keyof K> });

/** The performatives that checks name, in the order of the wire. */
export const performativesOf = (checks: Checks): readonly Performative[] =>
  performatives.filter((performative) => checks[performative] !== undefined);
