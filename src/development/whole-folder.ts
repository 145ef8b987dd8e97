import { lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { systemFault } from '../config/system-fault.ts';
import { CaxtonError } from '../errors.ts';

/** The folder that a name stands for: where a symbolic link leads, since a new one is renamed into its place. */
export const placeOf = (folder: string): Promise<string> => realpath(resolve(folder)).catch(() => resolve(folder));

/**
 * Makes a folder of files that belong together: beside its place, and renamed into it when `fill` has made all of them. A
 * program that dies halfway leaves nothing that looks finished. FILE_UNREADABLE when the folder cannot be had.
 */
export async function makeWholeFolder(root: string, fill: (draft: string) => Promise<void>): Promise<void> {
  const draft = `${root}.new-${process.pid}`;
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(dirname(root), { recursive: true, mode: 0o700 });
    await mkdir(draft, { mode: 0o700 });
    await fill(draft);
    await rename(draft, root);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => {});
    throw folderFault(root, error);
  }
}

/** What is wrong with a place as that of a new folder: one is made where nothing is, or in an empty folder. */
export async function takenBy(root: string): Promise<'files' | 'no folder' | 'dead link' | undefined> {
  const found = await lstat(root).catch(() => undefined);
  if (found?.isSymbolicLink()) return 'dead link';
  if (found && !found.isDirectory()) return 'no folder';
  return found && (await readdir(root)).length > 0 ? 'files' : undefined;
}

/** What the system said of the folder that cannot be had; a bug stays what it is. */
function folderFault(root: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string' || typeof syscall !== 'string') return error;
  const cause = { cause: error };
  return new CaxtonError('FILE_UNREADABLE', `${root} cannot be made: ${systemFault(error)} (${syscall}).`, cause);
}
