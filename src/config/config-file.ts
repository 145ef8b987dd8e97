import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { openFault } from './key-file.ts';

/** Whoever writes into a pipe of the shell (`<(…)`) has this long. */
const pipeMsMax = 2_000;

const anybodyWrites = 0o002;

/**
 * The text of a configuration file: a regular file, or a pipe of the shell. FILE_UNREADABLE when it cannot be opened, is
 * a folder or a device, can be written by anybody, or is a pipe that does not end in time; CONFIG_INVALID when it is over
 * `limits.configBytesMax` or no UTF-8 text.
 */
export async function readConfigFile(path: string): Promise<Result<string>> {
  try {
    // Without waiting: opening a named pipe would otherwise last until somebody writes into it.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(fd).isFIFO()) return textOf(path, await readPipe(fd));
    try {
      const status = fstatSync(fd);
      if (!status.isFile()) return refuse('FILE_UNREADABLE', `${path} is neither a file nor a pipe.`);
      if ((status.mode & anybodyWrites) !== 0)
        return refuse(
          'FILE_UNREADABLE',
          `${path} can be written by anybody, who would decide over this node: chmod o-w it.`,
        );
      return status.size > limits.configBytesMax ? tooLong(path) : textOf(path, readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return refuse('FILE_UNREADABLE', openFault(path, error));
  }
}

const tooLong = (path: string): ReturnType<typeof refuse> =>
  refuse('CONFIG_INVALID', `${path} is over ${limits.configBytesMax} bytes; no configuration is that long.`);

function textOf(path: string, bytes: Uint8Array | undefined): Result<string> {
  if (bytes === undefined)
    return refuse('FILE_UNREADABLE', `${path} is a pipe that did not end within ${pipeMsMax / 1_000} s.`);
  if (bytes.length > limits.configBytesMax) return tooLong(path);
  try {
    // In UTF-16 half of it would be zero bytes, which UTF-8 has too and no text does.
    if (!bytes.includes(0)) return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // Said below.
  }
  return refuse('CONFIG_INVALID', `${path} is not UTF-8 text.`);
}

/** What is written until the pipe’s end or the limit is passed; undefined when no end comes. Closes `fd`. */
function readPipe(fd: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    // A socket waits for bytes without a thread: a read of a file that never returns would keep the process alive.
    const pipe = new Socket({ fd, readable: true, writable: false });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const settle = (act: () => void) => {
      clearTimeout(timer);
      pipe.destroy();
      act();
    };
    const whole = () => settle(() => resolve(Buffer.concat(chunks)));
    const timer = setTimeout(() => settle(() => resolve(undefined)), pipeMsMax);
    pipe.on('data', (chunk: Uint8Array) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > limits.configBytesMax) whole();
    });
    pipe.on('end', whole);
    pipe.on('error', (error) => settle(() => reject(error)));
  });
}
