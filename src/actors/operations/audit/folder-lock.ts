import { chmodSync, lstatSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CaxtonError } from '../../../errors.ts';

/** A process that is just ending may still hold the lock for a moment. */
const waitMs = 1_000;
const busy = 5;
/** What this process holds, by the folder’s real path. A lock that nobody holds on to would end when it is collected. */
const held = new Map<string, DatabaseSync>();

/**
 * Keeps the folder of an audit log for this process until the returned function is called or the process ends, however
 * it ends: two writers would cut off each other’s records. The lock is SQLite’s, which Node has and the system drops
 * with its holder; the file holds nothing. ALREADY_EXISTS, FILE_UNREADABLE.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'writer.lock');
  let place: string;
  let db: DatabaseSync | undefined;
  try {
    place = realpathSync(folder);
    if (held.has(place)) throw taken('This', folder);
    checkPlace(path);
    db = new DatabaseSync(path, { timeout: waitMs });
    // SQLite makes it as the umask says.
    if ((lstatSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    // Never committed: nothing is written, and the lock stays.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (error instanceof CaxtonError) throw error;
    const { errcode, message } = error as { errcode?: number; message: string };
    throw (errcode ?? 0) % 256 === busy
      ? taken('Another', folder)
      : new CaxtonError('FILE_UNREADABLE', `The audit folder ${folder} cannot be used: ${message}.`, { cause: error });
  }
  const lock = db;
  held.set(place, lock);
  return () => {
    if (held.get(place) !== lock) return;
    held.delete(place);
    lock.close();
  };
}

/**
 * What stands in the file’s place must be a file. Nothing here opens it beside SQLite: the lock is one of POSIX (fcntl),
 * and a process that closes any descriptor of a file gives up all its locks of that file (POSIX.1-2017, fcntl), those that
 * another of its threads has taken meanwhile among them.
 */
function checkPlace(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found && !found.isFile()) throw new Error(`${path} is no file`);
}

const taken = (who: 'This' | 'Another', folder: string): CaxtonError =>
  new CaxtonError('ALREADY_EXISTS', [
    `${who} process writes the audit log in ${folder}: is this node running already?`,
    'Stop it first, or give each node a security.audit.log_path of its own.',
  ]);
