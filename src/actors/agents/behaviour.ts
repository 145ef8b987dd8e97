import type { AnyStateMachine } from 'xstate';
import type { Refusal, Result } from '../../errors.ts';
import type { AgentId } from '../../names.ts';
import type { MessageHeader } from '../../protocols/acl/message.ts';
import type { Performative } from '../../protocols/acl/performative.ts';
import type { AgentPattern } from '../../protocols/authorization/agent-pattern.ts';
import type { Checks } from './contract.ts';

/**
 * What an agent’s own code sees. Two kinds of trusted code exist today: a handler function and an XState chart.
 * Sandboxed kinds get the same contract.
 */

/** A message as an agent receives it: authorised, counted, and its content decoded by `language`. */
export interface ReceivedMessage<Content = unknown> {
  readonly header: MessageHeader;
  readonly id: string;
  readonly performative: Performative;
  readonly sender: AgentId;
  readonly protocol: string;
  readonly conversationId: string;
  /**
   * `json`: the parsed value; `text`: a string; anything else: the bytes. Untrusted in form, and `unknown` until it was
   * checked (`accepts`).
   */
  readonly content: Content;
}

/** An agent’s name as programs write it: `default/echo`. Its parts are checked when it is used. */
export type AgentAddress = AgentId | `${string}/${string}`;

/** A message to be sent; the sender is always the agent itself. */
export interface Draft {
  readonly to: AgentAddress;
  readonly performative: Performative;
  /** Anything JSON can say, a string, or bytes; see `language`. */
  readonly content: unknown;
  /** Default: `bytes` for a Uint8Array, `text` for a string, else `json`. */
  readonly language?: string;
  readonly ontology?: string;
  readonly protocol?: string;
  /** Default: a new conversation. */
  readonly conversationId?: string;
  /** What the answer is to name. `ask` does not look at it: it knows the answer by the message’s id. */
  readonly replyWith?: string;
  readonly inReplyTo?: string;
  /** Milliseconds since 1970. */
  readonly replyBy?: number;
  /** A capability token instead of the agent’s own. */
  readonly token?: string;
  /** Sign the message with the agent’s key; the receiver’s policy may require it. */
  readonly sign?: boolean;
}

/** What an agent hands on of what it may do itself. */
export interface Grant {
  readonly to: AgentAddress;
  /** Default: all that the token grants. */
  readonly actions?: readonly string[];
  /** Receivers for whom it is meant: `default/echo`, `default/*`. Default: as the token. */
  readonly audience?: AgentPattern;
  /** Milliseconds since 1970; default: as the token. */
  readonly notBefore?: number;
  readonly expires?: number;
  /** How many times the other may hand it on; default 0. */
  readonly depth?: number;
  /** A token that was handed to this agent, instead of its own. */
  readonly token?: string;
}

export interface AskOptions {
  /** Milliseconds to wait for the answer; default 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What an agent can do. Everything it sends is authorised like anybody else’s message. */
export interface AgentContext {
  readonly id: AgentId;
  /** Sends and does not wait. The result is the local judgement; a refusal by the far node comes as `onRefused`. */
  tell(draft: Draft): Result<{ readonly id: string; readonly conversationId: string }>;
  /** Sends and waits for the answer (`inReplyTo` of this message). Never rejects: a refusal is a value. */
  ask(draft: Draft, options?: AskOptions): Promise<Result<ReceivedMessage>>;
  /** The agents that offer a service and can be reached now, in a stable order. */
  find(service: string): readonly AgentId[];
  /**
   * Makes a token for another agent of the tenant, no wider than what this one may do, for `token` of its drafts. It is
   * text: how it gets there is up to the agents. UNAUTHORIZED with every reason, where it may not be delegated or would
   * be wider.
   */
  delegate(grant: Grant): Result<string>;
  /** Answers a message in its conversation. */
  reply(
    to: ReceivedMessage,
    answer: { performative: Performative; content: unknown; language?: string },
  ): Result<unknown>;
}

/** Called for each message, one at a time; a returned promise holds the next message back until it settles. */
export type AgentHandler = (message: ReceivedMessage, agent: AgentContext) => void | Promise<void>;

/** What a module of kind `handler` exports. */
export interface HandlerModule {
  readonly handler: AgentHandler;
  /** A message of this agent was refused after `tell` had accepted it. */
  readonly onRefused?: (refusal: Refusal, messageId: string, agent: AgentContext) => void;
}

/**
 * What a module of kind `chart` exports: a machine whose input is `{ agent: AgentContext }` and which hears
 * `acl.<performative>` with `message`, and `acl.refused` with `refusal` and `messageId`.
 */
export interface ChartModule {
  readonly chart: AnyStateMachine;
}

/** What an agent’s chart hears; one member for each performative, so that XState narrows `event` by its name. */
export type ChartAgentEvent =
  | { [P in Performative]: { readonly type: `acl.${P}`; readonly message: ReceivedMessage } }[Performative]
  | { readonly type: 'acl.refused'; readonly refusal: Refusal; readonly messageId: string };

/** What a chart of an agent is given when it starts. */
export interface ChartAgentInput {
  readonly agent: AgentContext;
}

export type Behaviour =
  | ({ readonly kind: 'handler'; readonly accepts?: Checks } & HandlerModule)
  | ({ readonly kind: 'chart'; readonly accepts?: Checks } & ChartModule)
  /** A mailbox of the node’s own: answers to the management API’s messages arrive here. */
  | { readonly kind: 'console' };
