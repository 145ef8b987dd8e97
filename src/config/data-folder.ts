import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ok, type Result, refuse } from '../errors.ts';
import { systemFault } from './system-fault.ts';

const othersWrite = 0o002;
/** Without the sticky bit, whoever may write into a folder may put another file in the place of ours. */
const othersReplace = 0o1002;

/**
 * Whether this process can keep files in a folder, or could make it; nothing is made here. FILE_UNREADABLE when the
 * folder, or what it would stand in, is no folder, may not be written, or may be
 * written by anybody.
 */
export async function checkDataFolder(path: string): Promise<Result<void>> {
  for (let place = path; ; place = dirname(place)) {
    const found = await stat(place).catch((error: NodeJS.ErrnoException) => error);
    if (found instanceof Error) {
      // ENOTDIR: something above is a file, and the next round finds it.
      if ((found.code === 'ENOENT' || found.code === 'ENOTDIR') && place !== dirname(place)) continue;
      return refuse('FILE_UNREADABLE', `${path} cannot be used: ${place}: ${systemFault(found)}.`);
    }
    const where = place === path ? '' : ` cannot be made: ${place}`;
    if (!found.isDirectory()) return refuse('FILE_UNREADABLE', `${path}${where} is not a folder.`);
    if (place === path && (found.mode & othersReplace) === othersWrite)
      return refuse('FILE_UNREADABLE', `${path} can be written by anybody: chmod o-w it, or name a folder below it.`);
    const may = await access(place, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    );
    return may ? ok(undefined) : refuse('FILE_UNREADABLE', `${path}${where} may not be written by this process.`);
  }
}
