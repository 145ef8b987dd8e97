import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

const othersMask = 0o077;

const openFaults: Readonly<Record<string, string>> = {
  ENOENT: 'is not there',
  EACCES: 'may not be read by this process',
  EPERM: 'may not be read by this process',
  ELOOP: 'is a symbolic link that leads to itself',
  ENOTDIR: 'is not there: a part of its path is no folder',
  EISDIR: 'is a folder, not a file',
  ENXIO: 'is a socket, not a file',
  ENAMETOOLONG: 'has too long a name',
};

/** Why a file could not be opened or read, as a sentence that names it. */
export function openFault(path: string, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return `${path} ${openFaults[code ?? ''] ?? `cannot be read (${code ?? message})`}.`;
}

/**
 * The bytes of a file that holds a secret. FILE_UNREADABLE when it is missing, unreadable, no regular file, empty, too
 * long, or open to others: a key that others can read is not a key. The mode is asked of the opened file, so that
 * nobody can swap it in between.
 */
export async function readKeyFile(path: string): Promise<Result<Uint8Array>> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    // Without waiting: opening a named pipe would otherwise last until somebody writes into it.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return refuse('FILE_UNREADABLE', openFault(path, error));
  }
  try {
    const status = await file.stat();
    const { mode, size } = status;
    if (status.isDirectory()) return refuse('FILE_UNREADABLE', `${path} is a folder, not a file.`);
    if (!status.isFile()) return refuse('FILE_UNREADABLE', `${path} is a pipe or a device, not a file.`);
    if ((mode & othersMask) !== 0)
      return refuse('FILE_UNREADABLE', `${path} is open to others (mode ${(mode & 0o777).toString(8)}): chmod 600 it.`);
    if (size === 0) return refuse('FILE_UNREADABLE', `${path} is empty.`);
    if (size > limits.pemBytesMax) return refuse('FILE_UNREADABLE', `${path} is too long for a key file.`);
    return ok(new Uint8Array(await file.readFile()));
  } catch (error) {
    return refuse('FILE_UNREADABLE', openFault(path, error));
  } finally {
    await file.close();
  }
}
