/** Colours and weight, or nothing at all. */
export interface Style {
  strong(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
}

const plain = (text: string): string => text;
const code =
  (on: number, off: number) =>
  (text: string): string =>
    `\u001b[${on}m${text}\u001b[${off}m`;

/** Only on a terminal that knows them, and never with NO_COLOR (https://no-color.org: set and not empty). */
export const hasColours = (isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean =>
  isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';

/** The style for a terminal, or for what is none. */
export function styleFor(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): Style {
  return hasColours(isTerminal, env)
    ? { strong: code(1, 22), dim: code(2, 22), good: code(32, 39), warn: code(33, 39), bad: code(31, 39) }
    : { strong: plain, dim: plain, good: plain, warn: plain, bad: plain };
}
