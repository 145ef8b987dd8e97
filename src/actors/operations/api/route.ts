import type { z } from 'zod';
import type { Result } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Wanted } from '../../../protocols/access/access.ts';
import type { Permission } from '../../../protocols/access/permission.ts';
import type { Caller, NodeControl } from '../control.ts';
import type { Arrival } from './admission.ts';
import type { Permit } from './permit.ts';

/** One request, admitted and with every part checked. */
export interface Call<P, Q, B> {
  readonly control: NodeControl;
  readonly caller: Caller;
  /** Undefined where nobody was asked who they are. */
  readonly permit: Permit | undefined;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

export interface ApiRoute<P = unknown, Q = unknown, B = unknown, R = unknown> {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Such as `/api/v1/agents/:tenant/:name`. */
  readonly url: string;
  readonly access: Arrival['access'];
  /** What the caller must be permitted; of a list one of them, and the handler asks for the right one. */
  readonly needs: Permission | readonly Permission[] | 'nothing';
  /** On what; default `cluster`. `handler`: the handler asks, since it depends on what it finds. */
  readonly on?: Wanted | 'handler' | ((parts: { readonly params: P; readonly body: B }) => Wanted);
  /** It is answered though its key has stopped to count meanwhile: it may be what did that. */
  readonly outlivesKey?: true;
  /** A part without a schema must be absent or empty. */
  readonly params?: z.ZodType<P>;
  readonly query?: z.ZodType<Q>;
  readonly body?: z.ZodType<B>;
  readonly response: z.ZodType<R>;
  /** Of a good answer; default 200. */
  status?(value: R): number;
  handle(call: Call<P, Q, B>): Result<R> | Promise<Result<R>>;
}

/** Checks that a route’s handler fits its schemas, then forgets their types, so that routes go into one list. */
export const route = <P = unknown, Q = unknown, B = unknown, R = unknown>(definition: ApiRoute<P, Q, B, R>): ApiRoute =>
  definition as unknown as ApiRoute;

/** The permissions of which a caller must have one for the route to be worth a look at the rest of the request. */
export const neededBy = ({ needs }: ApiRoute): readonly Permission[] =>
  needs === 'nothing' ? [] : typeof needs === 'string' ? [needs] : needs;

/** What is judged once every part of the request is checked; undefined when the handler judges, or nobody. */
export function judgedOf(
  { needs, on = 'cluster' }: ApiRoute,
  parts: { readonly params: unknown; readonly body: unknown },
): { readonly permission: Permission; readonly on: Wanted } | undefined {
  if (needs === 'nothing' || typeof needs !== 'string' || on === 'handler') return undefined;
  return { permission: needs, on: typeof on === 'function' ? on(parts) : on };
}

/** A request whose parts do not have the form that the route asks for. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
  readonly reasons: readonly [string, ...string[]];

  constructor(reasons: readonly [string, ...string[]]) {
    super(reasons.join(' '));
    this.reasons = reasons;
  }
}

/** fastify’s validator for a zod schema: the parsed value, or every reason with the path to the field. */
export function zodValidator({ schema, httpPart }: { readonly schema: z.ZodType; readonly httpPart?: string }) {
  return (data: unknown): { value: unknown } | { error: InvalidRequest } => {
    const parsed = schema.safeParse(data);
    if (parsed.success) return { value: parsed.data };
    const [first = 'The request is malformed.', ...more] = parsed.error.issues
      .slice(0, limits.reasonsMax)
      .map((issue) => `${[httpPart ?? 'request', ...issue.path].join('.')}: ${sentence(issue.message)}`);
    return { error: new InvalidRequest([first, ...more]) };
  };
}

/** fastify’s serializer for a zod schema. An answer that does not fit its schema is a bug and throws. */
export const zodSerializer =
  ({ schema }: { readonly schema: z.ZodType }) =>
  (data: unknown): string =>
    JSON.stringify(schema.parse(data));

const sentenceCharsMax = 300;
const sentence = (text: string): string =>
  text.length > sentenceCharsMax ? `${text.slice(0, sentenceCharsMax)}…` : text.endsWith('.') ? text : `${text}.`;
