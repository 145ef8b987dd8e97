import { limits } from '../limits.ts';
import { readText, readTextFile } from './read-text.ts';
import type { Terminal } from './terminal.ts';

/**
 * The content that `--content` stands for: the text itself, `-` for standard input, `@FILE` for a file; `@@` begins a
 * text with one `@`. FILE_UNREADABLE, LIMIT_EXCEEDED, and MALFORMED for bytes that are not UTF-8.
 */
export async function readContent(argument: string, terminal: Terminal): Promise<string> {
  if (argument === '-') return readText(terminal.stdin(), 'Standard input', limits.contentBytesMax);
  if (!argument.startsWith('@')) return argument;
  if (argument.startsWith('@@')) return argument.slice(1);
  return readTextFile(argument.slice(1), terminal.cwd, limits.contentBytesMax);
}
