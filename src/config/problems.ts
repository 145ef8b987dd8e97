import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
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

/** The faults of a file as sentences: `file:line: what.` */
export const faultTexts = (yaml: YamlText, file: string): string[] =>
  yaml.faults.map(({ line, text }) => `${file}${line === undefined ? '' : `:${line}`}: ${text}.`);

/** Reads one YAML 1.2 document. Aliases are refused: a few lines of them expand into gigabytes. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false });
    const faults = [...document.errors, ...document.warnings].map(
      (error): YamlFault => ({ line: lines.linePos(error.pos[0]).line, text: firstClause(error.message) }),
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

/** The parser’s own message without the place and the picture that it adds. */
const firstClause = (message: string): string =>
  (message.split('\n')[0] ?? message).replace(/ at line \d+, column \d+:?$/, '');

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
    return `${file}${line === undefined ? '' : `:${line}`}: ${path.map(String).join('.')}`;
  };
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      const missing = issue.code === 'invalid_type' && valueAt(yaml.value, issue.path) === undefined;
      return [`${place(issue.path)}: ${missing ? `is missing; ${issue.message}` : issue.message}.`];
    }
    return issue.keys.map((key) => {
      const near = nearest(key, keysAt(issue.path));
      return `${place([...issue.path, key])}: there is no such key${near === undefined ? '' : `; did you mean ${near}?`}`;
    });
  });
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
