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

/** What has passed the check. */
export type Checked<K> = K extends (content: unknown) => content is infer T
  ? T
  : K extends { readonly '~standard': { readonly types?: { readonly output: infer T } | undefined } }
    ? T
    : unknown;

/** The outcome of a check: the content, in the form that the schema gave it, or what is wrong with it. */
export type Judged = { readonly content: unknown } | { readonly problems: string };

const problemCharsMax = 500;

/** Judges content. Never throws: a check that throws, or says anything but true, has refused. */
export function judgeContent(check: Check, content: unknown): Judged {
  try {
    if (typeof check === 'function') return judgedByPredicate(check(content), content);
    return judgedBySchema(check['~standard'].validate(content));
  } catch (error) {
    return { problems: shortened(error instanceof Error ? error.message : 'not of the expected form') };
  }
}

const tooLate = { problems: 'its check answers later, which is not supported' } as const;

function judgedByPredicate(outcome: unknown, content: unknown): Judged {
  if (outcome === true) return { content };
  // A promise is truthy: an `async` predicate would let everything through.
  if (!(outcome instanceof Promise)) return { problems: 'not of the expected form' };
  outcome.catch(() => {});
  return tooLate;
}

function judgedBySchema(outcome: unknown): Judged {
  if (outcome instanceof Promise) {
    outcome.catch(() => {});
    return tooLate;
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
