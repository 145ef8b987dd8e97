import { type FileHandle, open } from 'node:fs/promises';
import { CaxtonError } from '../../errors.ts';

/** Never over another file: what comes out of a log is evidence. */
export async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw new CaxtonError('ALREADY_EXISTS', `${path} exists already; it is left as it is.`);
    throw new CaxtonError('FILE_UNREADABLE', `${path} cannot be made: ${code}.`, { cause: error });
  }
}
