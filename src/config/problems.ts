import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { limits } from '../limits.ts';
import { nearest } from './nearest.ts';

/** A YAML text with the line of every path in it. */
export interface YamlText {
  readonly value: unknown;
  /** What is not YAML at all; the value is undefined then. */
  readonly faults: readonly YamlFault[];
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

export interface YamlFault {
  readonly line?: number;
  readonly text: string;
}

/** One slip of the pen makes a parser complain about all that follows: the first few are the ones to read. */
const faultsShownMax = 4;

/** The faults of a file as sentences, `file:line: what.`, the first of each line; of many the first few. */
export function faultTexts(yaml: YamlText, file: string): string[] {
  const first = new Map<number | undefined, YamlFault>();
  for (const fault of yaml.faults) if (!first.has(fault.line)) first.set(fault.line, fault);
  const texts = [...first].map(([line, { text }]) => `${file}${line === undefined ? '' : `:${line}`}: ${text}.`);
  return shortened(texts, faultsShownMax);
}

/** At most `max` sentences; past it the last says how many more there are. */
function shortened(texts: readonly string[], max: number): string[] {
  if (texts.length <= max) return [...texts];
  return [...texts.slice(0, max - 1), `There are ${texts.length - max + 1} more after these.`];
}

/** Reads one YAML 1.2 document. Aliases are refused: a few lines of them expand into gigabytes. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false });
    const faults = [...document.errors, ...document.warnings].map(
      (error): YamlFault => ({ line: lines.linePos(error.pos[0]).line, text: yamlFault(error) }),
    );
    visit(document, {
      Alias: (_, { range }) =>
        void faults.push({ line: lines.linePos(range?.[0] ?? 0).line, text: 'aliases (*name) are not read here' }),
    });
    return {
      value: faults.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 }),
      faults,
      lineOf: (path) => lineOf(document, lines, path),
    };
  } catch (error) {
    // The parser follows nested brackets by recursion, so a hostile depth ends its stack.
    const why = error instanceof RangeError ? 'it is nested too deep' : String(error);
    return { value: undefined, faults: [{ text: `it cannot be read as YAML: ${why}` }], lineOf: () => undefined };
  }
}

/** What the parser says in its own terms, or in a programmer’s. */
const plainWords: readonly (readonly [RegExp, string])[] = [
  [/call stack|Stack overflow/, 'it is nested too deep'],
  [/multiple documents/, 'one document was expected, and a second one begins here'],
  [/^Implicit (map )?keys? /, 'a key and its value are written “key: value”, on one line'],
  [/^Nested mappings/, 'there is a second “: ” on this line; put the value in quotes'],
  [/^Unresolved tag/, 'tags (!name) are not read here'],
];

/** The parser’s message without the place and the picture that it adds. */
function yamlFault({ message }: { readonly message: string }): string {
  const clause = (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');
  return plainWords.find(([form]) => form.test(clause))?.[1] ?? clause;
}

/** The line of the deepest part of the path that is in the text; of a key where there is one, not of what it holds. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  let inner: unknown = document.contents;
  let found: unknown;
  for (const step of path) {
    if (isMap(inner)) {
      const pair = inner.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
      if (!pair) break;
      [found, inner] = [pair.key, pair.value];
    } else if (isSeq(inner) && inner.items[Number(step)] !== undefined) {
      inner = inner.items[Number(step)];
      found = inner;
    } else break;
  }
  return isNode(found) && found.range ? lines.linePos(found.range[0]).line : undefined;
}

/** The schema’s issues as sentences with file, line and path, unknown keys with the nearest known name. */
export function problemTexts(
  issues: readonly z.core.$ZodIssue[],
  file: string,
  yaml: YamlText,
  keysAt: (path: readonly PropertyKey[]) => readonly string[],
): string[] {
  const place = (path: readonly PropertyKey[]) => {
    const line = yaml.lineOf(path);
    const name = path.map((key) => shownKey(String(key))).join('.');
    return `${file}${line === undefined ? '' : `:${line}`}:${name === '' ? '' : ` ${name}:`}`;
  };
  const texts = issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys')
      return [`${place(issue.path)} ${wrongValueText(issue, valueAt(yaml.value, issue.path), keysAt(issue.path))}.`];
    return issue.keys.map((key) => {
      const known = keysAt(issue.path);
      const near = nearest(key, known);
      const hint = near === undefined ? `known are ${known.join(', ')}.` : `did you mean ${near}?`;
      return `${place([...issue.path, key])} there is no such key; ${hint}`;
    });
  });
  return shortened([...new Set(texts)], limits.reasonsMax);
}

const keyCharsMax = 60;
const shownKey = (key: string): string => (key.length > keyCharsMax ? `${key.slice(0, keyCharsMax)}…` : key);

function wrongValueText(issue: z.core.$ZodIssue, found: unknown, known: readonly string[]): string {
  const block = issue.code === 'invalid_type' && issue.expected === 'object';
  const expected = block ? `expected a block with the keys ${known.join(', ')}` : issue.message;
  if (found === undefined) return issue.code === 'invalid_type' ? `is missing; ${expected}` : expected;
  return expected.includes('found') ? expected : `${expected}, found ${shownValue(found)}`;
}

const valueCharsMax = 40;

function shownValue(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a block';
  const text = String(value);
  const short = text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)}…` : text;
  return typeof value === 'string' ? `the text “${short}”` : short;
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
