import { open } from 'node:fs/promises';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

const othersMask = 0o077;

/**
 * The bytes of a file that holds a secret. FILE_UNREADABLE when it is missing, unreadable, or open to others: a key
 * that others can read is not a key. The mode is asked of the opened file, so that nobody can swap it in between.
 */
export async function readKeyFile(path: string): Promise<Result<Uint8Array>> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const what =
      code === 'ENOENT' ? 'There is no file' : code === 'EACCES' ? 'This process may not read' : 'Cannot open';
    return refuse('FILE_UNREADABLE', `${what} ${path}.`);
  }
  try {
    const status = await file.stat();
    const { mode, size } = status;
    if (!status.isFile()) return refuse('FILE_UNREADABLE', `${path} is not a file.`);
    if ((mode & othersMask) !== 0)
      return refuse('FILE_UNREADABLE', `${path} is open to others (mode ${(mode & 0o777).toString(8)}): chmod 600 it.`);
    if (size > limits.pemBytesMax) return refuse('FILE_UNREADABLE', `${path} is too long for a key file.`);
    return ok(new Uint8Array(await file.readFile()));
  } finally {
    await file.close();
  }
}
