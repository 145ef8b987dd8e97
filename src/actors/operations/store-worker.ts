import { closeSync, constants, fchmodSync, openSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, type Refusal, refuse } from '../../errors.ts';
import type { StoreAnswer, StorePost, StoreRequest } from './node-store.ts';

/** The thread of the state database: opens it, then answers what `node-store.ts` asks. */

const formatVersion = 1;
/** A process that is just ending may still hold the lock for a moment. */
const lockWaitMs = 1_000;
/** SQLite’s primary result codes (sqlite.org/rescode.html). */
const resultCode = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const;

interface Statements {
  readonly get: StatementSync;
  readonly put: StatementSync;
  readonly delete: StatementSync;
  readonly entries: StatementSync;
}

const port = parentPort!;
const post = (message: StorePost): void => port.postMessage(message);
const { path } = workerData as { path: string };

/** An error of SQLite or the file system as a refusal that says what to do. */
function refusalOf(error: unknown): Refusal {
  const { errcode, message } = error as { errcode?: number; message: string };
  const primary = errcode === undefined ? undefined : errcode & 0xff;
  const [code, reason]: [ErrorCode, string] =
    primary === resultCode.busy || primary === resultCode.locked
      ? [
          'ALREADY_EXISTS',
          `Another process uses the state database ${path}: is this node running already? Stop it first.`,
        ]
      : primary === resultCode.corrupt || primary === resultCode.notADatabase
        ? [
            'MALFORMED',
            `The state database ${path} is damaged (${message}). Restore it, or move it away to begin anew.`,
          ]
        : ['FILE_UNREADABLE', `The state database ${path} cannot be used: ${message}.`];
  return refuse(code, reason).refusal;
}

/** Refused, rather than thrown, since the opener must tell the kinds apart. */
class Refused extends Error {
  readonly refusal: Refusal;
  constructor(code: ErrorCode, reason: string) {
    super(reason);
    this.refusal = refuse(code, reason).refusal;
  }
}

function openDatabase(): DatabaseSync {
  // Made here and not by SQLite, which would follow the umask; its other files take the mode of this one.
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  fchmodSync(file, 0o600);
  closeSync(file);
  const db = new DatabaseSync(path, { timeout: lockWaitMs });
  try {
    // One process holds the database as long as it runs: two nodes with one identity would sign the same boot epoch.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    db.exec('PRAGMA trusted_schema = OFF; BEGIN IMMEDIATE;');
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
    if (version > formatVersion)
      throw new Refused('NOT_SUPPORTED', `The state database ${path} was written by a newer version of Caxton.`);
    const check = String(db.prepare('PRAGMA quick_check(1)').get()?.quick_check);
    if (check !== 'ok')
      throw new Refused(
        'MALFORMED',
        `The state database ${path} is damaged (${check}). Restore it, or move it away to begin anew.`,
      );
    db.exec(`CREATE TABLE IF NOT EXISTS records (
      collection TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (collection, key)
    ) STRICT; PRAGMA user_version = ${formatVersion}; COMMIT;`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

const prepare = (db: DatabaseSync): Statements => ({
  get: db.prepare('SELECT value FROM records WHERE collection = ? AND key = ?'),
  put: db.prepare('INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value'),
  delete: db.prepare('DELETE FROM records WHERE collection = ? AND key = ?'),
  entries: db.prepare('SELECT key, value FROM records WHERE collection = ? ORDER BY key'),
});

function perform(statements: Statements, request: Exclude<StoreRequest, { act: 'close' }>): unknown {
  switch (request.act) {
    case 'get':
      return statements.get.get(request.collection, request.key)?.value;
    case 'put':
      statements.put.run(request.collection, request.key, request.value);
      return undefined;
    case 'delete':
      statements.delete.run(request.collection, request.key);
      return undefined;
    case 'entries':
      return statements.entries.all(request.collection).map(({ key, value }) => [key, value]);
  }
}

/** All requests that arrived together in one transaction: one wait for the disk, and all of them or none. */
function answersTo(db: DatabaseSync, statements: Statements, requests: readonly StoreRequest[]): StoreAnswer[] {
  const acts = requests.filter((request) => request.act !== 'close');
  const writes = acts.some(({ act }) => act === 'put' || act === 'delete');
  try {
    if (writes) db.exec('BEGIN IMMEDIATE');
    const answers = acts.map((request) => ({ id: request.id, value: perform(statements, request) }));
    if (writes) db.exec('COMMIT');
    return answers;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    const refusal = refusalOf(error);
    return acts.map(({ id }) => ({ id, refusal }));
  }
}

function serve(db: DatabaseSync): void {
  const statements = prepare(db);
  let batch: StoreRequest[] = [];
  const drain = (): void => {
    const requests = batch;
    batch = [];
    const answers = answersTo(db, statements, requests);
    const close = requests.find(({ act }) => act === 'close');
    if (close) {
      db.close();
      answers.push({ id: close.id });
    }
    post({ answers });
    if (close) port.close();
  };
  port.on('message', (requests: readonly StoreRequest[]) => {
    if (batch.length === 0) setImmediate(drain);
    batch = batch.concat(requests);
  });
}

let db: DatabaseSync | undefined;
try {
  db = openDatabase();
} catch (error) {
  post({ refused: error instanceof Refused ? error.refusal : refusalOf(error) });
}
if (db) {
  serve(db);
  post({ opened: true });
}
