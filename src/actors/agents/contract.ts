import type { AgentId } from '../../names.ts';
import { type Performative, performatives } from '../../protocols/acl/performative.ts';
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

/**
 * What says whether content is of a form: a type predicate (`(content): content is Order => …`), or any schema with the
 * interface of Standard Schema 1 (zod, valibot, arktype …) that answers at once.
 */
export type Check = ((content: unknown) => boolean) | StandardSchema<unknown>;

/** The part of Standard Schema 1 (standardschema.dev) that is used here. */
export interface StandardSchema<T> {
  readonly '~standard': {
    readonly version: 1;
    readonly validate: (value: unknown) => unknown;
    readonly types?: { readonly output: T } | undefined;
  };
}

/** A check for each performative whose content is to be judged before the agent’s code sees it. */
export type Checks = { readonly [P in Performative]?: Check };

type Checked<K> = K extends (content: unknown) => content is infer T
  ? T
  : K extends { readonly '~standard': { readonly types?: { readonly output: infer T } | undefined } }
    ? T
    : unknown;

/** The contract that checks amount to; what they do not say is the content of the answers. */
export type ContractOf<K extends Checks> = {
  readonly [P in keyof K & Performative]: (content: Checked<K[P]>) => unknown;
};

/** What a handler behind these checks receives: of the performatives that they name, content of the checked form. */
export type CheckedMessage<K extends Checks> =
  | { [P in keyof K & Performative]: ReceivedMessage<Checked<K[P]>> & { readonly performative: P } }[keyof K &
      Performative]
  | (ReceivedMessage & { readonly performative: Exclude<Performative, keyof K> });

/** The outcome of a check: the content, in the form that the schema gave it, or what is wrong with it. */
export type Judged = { readonly content: unknown } | { readonly problems: string };

const problemCharsMax = 500;

/** Judges content. Never throws: a check that throws has refused. */
export function judgeContent(check: Check, content: unknown): Judged {
  try {
    if (typeof check === 'function') return check(content) ? { content } : { problems: 'not of the expected form' };
    return judgedBySchema(check['~standard'].validate(content));
  } catch (error) {
    return { problems: shortened(error instanceof Error ? error.message : 'not of the expected form') };
  }
}

function judgedBySchema(outcome: unknown): Judged {
  if (outcome instanceof Promise) {
    outcome.catch(() => {});
    return { problems: 'its schema answers later, which is not supported' };
  }
  const { issues, value } = outcome as { issues?: readonly Issue[]; value?: unknown };
  if (issues === undefined) return { content: value };
  return { problems: shortened(issues.slice(0, 5).map(issueText).join('; ') || 'not of the expected form') };
}

interface Issue {
  readonly message?: unknown;
  readonly path?: readonly unknown[];
}

function issueText({ message, path }: Issue): string {
  const where = (path ?? [])
    .map((part) => String(typeof part === 'object' && part !== null && 'key' in part ? part.key : part))
    .join('.');
  return where === '' ? String(message) : `${where}: ${String(message)}`;
}

const shortened = (text: string): string =>
  text.length <= problemCharsMax ? text : `${text.slice(0, problemCharsMax)}…`;

/** The performatives that checks name, in the order of the wire. */
export const performativesOf = (checks: Checks): readonly Performative[] =>
  performatives.filter((performative) => checks[performative] !== undefined);
