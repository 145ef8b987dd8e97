import { ok, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { shown } from './text.ts';

/** Where a value sits in its document: keys and indexes from the root. */
export type Path = readonly (string | number)[];

/** What is wrong with one value. `text` says what was expected, and ends without a full stop. */
export interface Problem {
  readonly path: Path;
  readonly text: string;
}

/**
 * Says what a value must look like. Returns the typed value, or `undefined` after it has noted at least one problem.
 * Shapes go on after the first problem, so that a person sees all of them at once.
 */
export type Shape<T> = (value: unknown, path: Path, problems: Problem[]) => T | undefined;

type Shapes = Readonly<Record<string, Shape<unknown>>>;
type Values<S extends Shapes> = { readonly [K in keyof S]: S[K] extends Shape<infer T> ? T : never };

/** Applies a shape. The refusal of `refused` carries one reason for each problem, at most `limits.reasonsMax`. */
export function readShape<T>(shape: Shape<T>, value: unknown, refused: (problems: Problems) => Refusal): Result<T> {
  const problems: Problem[] = [];
  const read = shape(value, [], problems);
  const [first, ...more] = problems;
  if (first) return { ok: false, refusal: refused([first, ...more]) };
  if (read === undefined) throw new Error('a shape refused a value without saying why');
  return ok(read);
}

export type Problems = readonly [Problem, ...Problem[]];

/** The usual refusal: MALFORMED, with the place of each problem. */
export function malformed(what: string): (problems: Problems) => Refusal {
  const sentence = ({ path, text }: Problem) => `${what}${path.length === 0 ? '' : `, ${pathText(path)}`}: ${text}.`;
  return ([first, ...more]) => ({ code: 'MALFORMED', reasons: [sentence(first), ...more.map(sentence)] });
}

/** `policies[0].receiver`. */
export const pathText = (path: Path): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${shown(step)}`)).join('');

/** Notes a problem; a shape returns what this returns. */
export function problem(problems: Problem[], path: Path, text: string): undefined {
  if (problems.length < limits.reasonsMax) problems.push({ path, text });
  return undefined;
}

/** Text of `min` to `max` UTF-16 units without control characters, that `accepts` when given. */
export function text(max: number, accepts?: RegExp, form?: string): Shape<string> {
  return (value, path, problems) => {
    if (typeof value !== 'string') return problem(problems, path, 'expected a text');
    if (value.length > max) return problem(problems, path, `expected at most ${max} characters, found ${value.length}`);
    if (/[\p{Cc}\p{Cs}]/u.test(value)) return problem(problems, path, 'control characters are not allowed');
    if (accepts && !accepts.test(value))
      return problem(problems, path, `expected ${form ?? accepts.source}, found “${shown(value)}”`);
    return value;
  };
}

/** Text of any characters, at most `max` UTF-16 units: for what is only carried on. */
export function anyText(max: number): Shape<string> {
  return (value, path, problems) => {
    if (typeof value !== 'string') return problem(problems, path, 'expected a text');
    return value.length <= max
      ? value
      : problem(problems, path, `expected at most ${max} characters, found ${value.length}`);
  };
}

/** Text that a type guard of the house accepts, such as `isAgentId`. */
export function name<T extends string>(accepts: (text: string) => text is T, form: string): Shape<T> {
  return (value, path, problems) =>
    typeof value === 'string' && accepts(value)
      ? value
      : problem(problems, path, `expected ${form}${typeof value === 'string' ? `, found “${shown(value)}”` : ''}`);
}

/** A whole number from `min` to `max`, both included and both safe integers. */
export function integer(min: number, max: number): Shape<number> {
  return (value, path, problems) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max && !Object.is(value, -0)
      ? value
      : problem(problems, path, `expected a whole number from ${min} to ${max}`);
}

export const boolean: Shape<boolean> = (value, path, problems) =>
  typeof value === 'boolean' ? value : problem(problems, path, 'expected true or false');

/** Milliseconds since 1970 (UTC), up to the end of the year 9999, the last that RFC 3339 can write. */
export const timeMs: Shape<number> = integer(0, 253_402_300_799_999);

/** One of a closed list. */
export function oneOf<const T extends string | number>(...values: readonly T[]): Shape<T> {
  return (value, path, problems) =>
    values.find((known) => known === value) ?? problem(problems, path, `expected ${values.join(' or ')}`);
}

/** A list of `min` to `max` items, no text or number twice. */
export function list<T>(item: Shape<T>, max: number, min = 0): Shape<readonly T[]> {
  return (value, path, problems) => {
    if (!Array.isArray(value)) return problem(problems, path, 'expected a list');
    if (value.length < min || value.length > max)
      return problem(problems, path, `expected ${min} to ${max} items, found ${value.length}`);
    const seen = new Set<unknown>();
    const before = problems.length;
    const items: T[] = [];
    for (const [i, raw] of value.entries()) {
      const read = item(raw, [...path, i], problems);
      if (read === undefined) continue;
      if (typeof raw !== 'object' && seen.has(raw)) problem(problems, [...path, i], 'it is in the list twice');
      seen.add(raw);
      items.push(read);
    }
    return problems.length === before && items.length === value.length ? items : undefined;
  };
}

/** An object with exactly these keys; `optional` ones may be absent, any other key is refused. */
export function object<R extends Shapes, O extends Shapes = Record<never, never>>(
  required: R,
  optional?: O,
): Shape<Values<R> & Partial<Values<O>>> {
  const known = new Map<string, Shape<unknown>>([...Object.entries(required), ...Object.entries(optional ?? {})]);
  return (value, path, problems) => {
    if (!isPlainObject(value)) return problem(problems, path, 'expected an object');
    let complete = true;
    const read: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const shape = known.get(key);
      if (!shape) {
        complete = false;
        problem(problems, [...path, key], `unknown key; known are ${[...known.keys()].join(', ')}`);
        continue;
      }
      const field = shape(value[key], [...path, key], problems);
      if (field === undefined) complete = false;
      else read[key] = field;
    }
    for (const key of Object.keys(required)) {
      if (Object.hasOwn(value, key)) continue;
      complete = false;
      problem(problems, path, `“${key}” is missing`);
    }
    // Every required key was read by its own shape, and nothing else was copied.
    return complete ? (read as Values<R> & Partial<Values<O>>) : undefined;
  };
}

/** An object with free keys, as pairs in the order given; at most `max`. */
export function entries<K, V>(key: Shape<K>, item: Shape<V>, max: number): Shape<readonly (readonly [K, V])[]> {
  return (value, path, problems) => {
    if (!isPlainObject(value)) return problem(problems, path, 'expected an object');
    const keys = Object.keys(value);
    if (keys.length > max) return problem(problems, path, `expected at most ${max} keys, found ${keys.length}`);
    const pairs: (readonly [K, V])[] = [];
    for (const raw of keys) {
      const readKey = key(raw, [...path, raw], problems);
      const readItem = item(value[raw], [...path, raw], problems);
      if (readKey !== undefined && readItem !== undefined) pairs.push([readKey, readItem]);
    }
    return pairs.length === keys.length ? pairs : undefined;
  };
}

/** Reads with `shape`, then with a parser that gives a refusal for people. */
export function parsed<T, U>(shape: Shape<T>, parse: (value: T) => Result<U>): Shape<U> {
  return (value, path, problems) => {
    const read = shape(value, path, problems);
    if (read === undefined) return undefined;
    const result = parse(read);
    if (result.ok) return result.value;
    return problem(problems, path, result.refusal.reasons.join(' ').replace(/\.$/, ''));
  };
}

/** Adds a rule over several fields: `broken` returns what is wrong, or `undefined`. */
export function withRule<T>(shape: Shape<T>, broken: (value: T) => string | undefined): Shape<T> {
  return (value, path, problems) => {
    const read = shape(value, path, problems);
    if (read === undefined) return undefined;
    const wrong = broken(read);
    return wrong === undefined ? read : problem(problems, path, wrong);
  };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
