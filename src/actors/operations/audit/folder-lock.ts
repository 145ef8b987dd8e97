import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CaxtonError } from '../../../errors.ts';

/** A process that is just ending may still hold the lock for a moment. */
const waitMs = 1_000;
const busy = 5;
/** A lock that nobody holds on to would end when its object is collected. */
const held = new Set<DatabaseSync>();

/**
 * Keeps the folder of an audit log for this process until the returned function is called or the process ends, however
 * it ends: two writers would cut off each other’s records. The lock is SQLite’s, which Node has and the system drops
 * with its holder; the file holds nothing. ALREADY_EXISTS, FILE_UNREADABLE.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'writer.lock');
  let db: DatabaseSync | undefined;
  try {
    const file = openSync(
      path,
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      0o600,
    );
    fchmodSync(file, 0o600);
    closeSync(file);
    db = new DatabaseSync(path, { timeout: waitMs });
    // Never committed: nothing is written, and the lock stays.
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    const { errcode, message } = error as { errcode?: number; message: string };
    throw (errcode ?? 0) % 256 === busy
      ? new CaxtonError('ALREADY_EXISTS', [
          `Another process writes the audit log in ${folder}: is this node running already?`,
          'Stop it first, or give each node a security.audit.log_path of its own.',
        ])
      : new CaxtonError('FILE_UNREADABLE', `The audit folder ${folder} cannot be used: ${message}.`, { cause: error });
  }
  const lock = db;
  held.add(lock);
  return () => {
    if (held.delete(lock)) lock.close();
  };
}
