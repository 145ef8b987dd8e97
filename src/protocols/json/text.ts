import { ok, type Result, refuse } from '../../errors.ts';

/** How much a text may hold before anybody looks at it. */
export interface TextBounds {
  /** UTF-16 units; UTF-8 never has fewer bytes than that, so a bound in bytes serves as well. */
  readonly charsMax: number;
  /** Levels of objects and arrays. */
  readonly depthMax: number;
}

const forbiddenKeys: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * JSON (RFC 8259), stricter than `JSON.parse`: size and depth are bounded before parsing, a key may come only once in
 * its object, and keys that reach an object’s prototype are refused. Two readers can therefore never see two values.
 *
 * Takes text that was UTF-8; returns plain data of unknown shape. MALFORMED or LIMIT_EXCEEDED.
 */
export function parseJson(text: string, bounds: TextBounds): Result<unknown> {
  if (text.length > bounds.charsMax)
    return refuse('LIMIT_EXCEEDED', `The document has ${text.length} characters; at most ${bounds.charsMax} are read.`);
  const scanned = scan(text, bounds.depthMax);
  if (!scanned.ok) return scanned;
  try {
    return ok(JSON.parse(text));
  } catch {
    return refuse('MALFORMED', 'The document is not JSON.');
  }
}

/**
 * Looks at strings and brackets only. Whether the text is JSON at all is `JSON.parse`’s business; in a text that is,
 * a string before a colon is a key of the innermost open object.
 */
function scan(text: string, depthMax: number): Result<void> {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') {
      if (open.length === depthMax)
        return refuse('LIMIT_EXCEEDED', `The document is nested deeper than ${depthMax} levels.`);
      open.push(char === '{' ? new Set() : undefined);
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const end = endOfString(text, at);
      if (end === -1) return refuse('MALFORMED', 'The document is not JSON: a string has no end.');
      if (isBeforeColon(text, end)) {
        const refused = takeKey(text.slice(at, end), open.at(-1));
        if (refused) return refused;
      }
      at = end - 1;
    }
  }
  return ok(undefined);
}

function takeKey(quoted: string, keys: Set<string> | undefined): ReturnType<typeof refuse> | undefined {
  const key = unquote(quoted);
  if (key === undefined || !keys) return refuse('MALFORMED', 'The document is not JSON: a key is out of place.');
  if (forbiddenKeys.has(key)) return refuse('MALFORMED', `The key “${key}” is not allowed.`);
  if (keys.has(key)) return refuse('MALFORMED', `The key “${shown(key)}” comes twice in one object.`);
  keys.add(key);
  return undefined;
}

/** The index after the closing quote, or -1. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at];
    if (char === '"') return at + 1;
    if (char === '\\') at++;
  }
  return -1;
}

function isBeforeColon(text: string, from: number): boolean {
  let at = from;
  while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++;
  return text[at] === ':';
}

/** Escapes are resolved, or `"a"` and `"\u0061"` would pass as two keys. */
function unquote(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    return undefined;
  }
}

const shownCharsMax = 64;

/** A foreign text as it may appear in a reason: short, on one line. */
export function shown(text: string): string {
  const oneLine = text.replace(/[\p{Cc}\p{Cs}]/gu, '\uFFFD');
  return oneLine.length > shownCharsMax ? `${oneLine.slice(0, shownCharsMax)}…` : oneLine;
}
