/**
 * Control characters of C0, C1 and DEL, and those that reorder or hide text. An agent’s words must not move the
 * cursor, change the title or overwrite what the operator reads.
 */
const hidden = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

const escaped = (character: string): string => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;

/** Text from outside, safe to show on one line of a terminal: what cannot be seen is written as `\u001b`. */
export const printable = (text: string): string => text.replace(hidden, escaped);

/** As `printable`, but with its lines and tabs. */
export const printableLines = (text: string): string =>
  text.replace(hidden, (character) => (character === '\n' || character === '\t' ? character : escaped(character)));
