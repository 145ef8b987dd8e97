import { type Document, isNode, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';

/** A YAML text with the line of every path in it. */
export interface YamlText {
  readonly value: unknown;
  /** What is not YAML at all, with lines. */
  readonly faults: readonly string[];
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/** Reads one YAML 1.2 document. Aliases are refused: a few lines of them expand into gigabytes. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, merge: false });
    const faults = [...document.errors, ...document.warnings].map(
      (error) => `line ${lines.linePos(error.pos[0]).line}: ${error.message.split('\n')[0] ?? error.code}`,
    );
    visit(document, {
      Alias: (_, { range }) =>
        void faults.push(`line ${lines.linePos(range?.[0] ?? 0).line}: aliases (*name) are not read here`),
    });
    return {
      value: faults.length > 0 ? undefined : document.toJS({ maxAliasCount: 0 }),
      faults,
      lineOf: (path) => lineOf(document, lines, path),
    };
  } catch (error) {
    // The parser follows nested brackets by recursion, so a hostile depth ends its stack.
    const why = error instanceof RangeError ? 'it is nested too deep' : String(error);
    return { value: undefined, faults: [`it cannot be read as YAML: ${why}`], lineOf: () => undefined };
  }
}

/** The line of the deepest part of the path that is in the text. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let depth = path.length; depth > 0; depth--) {
    const found: unknown = document.getIn(path.slice(0, depth), true);
    if (isNode(found) && found.range) return lines.linePos(found.range[0]).line;
  }
  return undefined;
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

const distanceMax = 3;

/** The known name that a typing mistake most likely meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = distanceMax + 1;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein’s distance with one row. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
