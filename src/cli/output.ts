import { type CaxtonError, errorCodes } from '../errors.ts';
import { printable } from '../protocols/printable.ts';
import { styleFor } from './style.ts';
import type { Terminal } from './terminal.ts';

/** Characters that JSON leaves as they are and a terminal may obey or hide. */
const unescaped = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** One JSON object and a line break; indented for people on a terminal. */
export function writeJson(terminal: Terminal, value: object): void {
  const text = JSON.stringify(value, undefined, terminal.outIsTerminal ? 2 : undefined);
  terminal.out(`${escapeRest(text)}\n`);
}

/** One JSON object on one line. */
export function writeJsonLine(terminal: Terminal, value: object): void {
  terminal.out(`${escapeRest(JSON.stringify(value))}\n`);
}

const escapeRest = (json: string): string =>
  json.replace(unescaped, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** A refusal on stderr: readable, or as problem+json. */
export function writeError(terminal: Terminal, error: CaxtonError, json: boolean): void {
  const { code, reasons, mend, retryAfterMs } = error;
  if (json) {
    const problem = {
      type: `urn:caxton:error:${code}`,
      title: errorCodes[code].cause,
      code,
      detail: reasons.join(' '),
      reasons,
      mend,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
    terminal.err(`${escapeRest(JSON.stringify(problem))}\n`);
    return;
  }
  const { bad, dim } = styleFor(terminal.errIsTerminal, terminal.env);
  const [first = '', ...more] = reasons.map(printable);
  const wait = retryAfterMs === undefined ? '' : ` Try again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  const lines = [`${bad(`${code}:`)} ${first}`, ...more.map((reason) => `  · ${reason}`), dim(`${mend}${wait}`)];
  terminal.err(`${lines.join('\n')}\n`);
}

/** `2026-01-31 12:00:00` of an RFC 3339 time; other text as it is. */
export const shortTime = (time: string): string =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(time) ? time.slice(0, 19).replace('T', ' ') : time;
