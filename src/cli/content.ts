import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { CaxtonError } from '../errors.ts';
import { limits } from '../limits.ts';
import type { Terminal } from './terminal.ts';

/**
 * The content that `--content` stands for: the text itself, `-` for standard input, `@FILE` for a file; `@@` begins a
 * text with one `@`. FILE_UNREADABLE, LIMIT_EXCEEDED, and MALFORMED for bytes that are not UTF-8.
 */
export async function readContent(argument: string, terminal: Terminal): Promise<string> {
  if (argument === '-') return decode(await readAll(terminal.stdin(), 'Standard input'), 'Standard input');
  if (!argument.startsWith('@')) return argument;
  if (argument.startsWith('@@')) return argument.slice(1);
  const path = argument.slice(1);
  // As a stream, since what it names may be a pipe of the shell, or a device that never ends.
  return decode(await readAll(createReadStream(resolve(terminal.cwd, path)), path), path);
}

const readFaults: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'this user may not read it',
};

async function readAll(stream: AsyncIterable<Uint8Array>, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > limits.contentBytesMax) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CaxtonError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CaxtonError('FILE_UNREADABLE', `${what} cannot be read: ${readFaults[code ?? ''] ?? code ?? message}.`);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (): CaxtonError =>
  new CaxtonError('LIMIT_EXCEEDED', `The content is larger than ${limits.contentBytesMax} bytes.`);

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CaxtonError('MALFORMED', `${what} is not UTF-8 text.`);
  }
}
