import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { systemFault } from '../config/system-fault.ts';
import { CaxtonError } from '../errors.ts';
import type { Terminal } from './terminal.ts';

/**
 * The text of a file that the command line names, at most `bytesMax` of it. FILE_UNREADABLE, LIMIT_EXCEEDED, and
 * MALFORMED for bytes that are not UTF-8.
 */
export const readTextFile = (path: string, cwd: string, bytesMax: number): Promise<string> =>
  // As a stream, since what it names may be a pipe of the shell, or a device that never ends.
  readText(createReadStream(resolve(cwd, path)), path, bytesMax);

/** The text of a file that the command line names, or of standard input where it says `-`. Refusals as of `readTextFile`. */
export const readTextOrInput = (word: string, { stdin, cwd }: Terminal, bytesMax: number): Promise<string> =>
  word === '-' ? readText(stdin(), 'standard input', bytesMax) : readTextFile(word, cwd, bytesMax);

/** A stream to its end, as text; `what` names it in messages. Refusals as of `readTextFile`. */
export async function readText(stream: AsyncIterable<Uint8Array>, what: string, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new CaxtonError('LIMIT_EXCEEDED', `${what} is larger than ${bytesMax} bytes.`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CaxtonError) throw error;
    throw new CaxtonError('FILE_UNREADABLE', `${what} cannot be read: ${systemFault(error)}.`, { cause: error });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new CaxtonError('MALFORMED', `${what} is not UTF-8 text.`);
  }
}
