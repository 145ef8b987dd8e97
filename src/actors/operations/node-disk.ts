import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AppendFile, Disk } from '../kernel/ports.ts';

/** How many temporary files this process has named; two writes of one file never share one. */
let drafts = 0;
/** Those that it writes now. */
const underWay = new Set<string>();
const draftForm = /^\..+\.(\d+)-\d+\.tmp$/;
/** Folders that were rid of the drafts of killed processes. */
const swept = new Set<string>();

/**
 * The disk of this machine. Modes are exact, whatever the umask; a file that is opened again with a wider mode is
 * tightened. Errors are the system’s own (`ENOSPC`, `EACCES` …) and name the path.
 */
export const nodeDisk: Disk = {
  readFile: (path) => reading(path, readWhole),

  readPart: (path, from, bytes) =>
    reading(path, (file, size) => {
      const part = Buffer.allocUnsafeSlow(Math.max(0, Math.min(bytes, size - from)));
      return filled(file, part, from);
    }),

  async writeFileAtomic(path, bytes, mode) {
    drafts += 1;
    const draft = join(dirname(path), `.${basename(path)}.${process.pid}-${drafts}.tmp`);
    underWay.add(draft);
    await sweep(dirname(path));
    // What an earlier life of this process id left behind; `wx` then follows no link that somebody put there.
    await rm(draft, { force: true });
    try {
      const file = await open(draft, 'wx', mode);
      try {
        await file.chmod(mode);
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, path);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    } finally {
      underWay.delete(draft);
    }
    await syncFolder(dirname(path));
  },

  async openAppend(path, mode) {
    const { file, created } = await openOrCreate(path, mode);
    try {
      const status = await file.stat();
      if (!status.isFile()) throw noFile(path, status);
      const { size, mode: found } = status;
      if (created || (found & 0o777 & ~mode) !== 0) await file.chmod(mode);
      // The name must survive a power cut as well as what is written under it, and who gave it that name may have ended
      // or failed before that was so.
      await syncFolder(dirname(path));
      return new NodeAppendFile(file, size);
    } catch (error) {
      await file.close();
      throw error;
    }
  },

  list: async (path) => (await orMissing(readdir(path), [])).sort(),

  async makeFolder(path, mode) {
    const first = await mkdir(path, { recursive: true, mode });
    if (first === undefined) return;
    for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
  },

  async remove(path) {
    await rm(path, { force: true });
    await orMissing(syncFolder(dirname(path)), undefined);
  },

  async stat(path) {
    const found = await orMissing(stat(path), undefined);
    return found && { bytes: found.size, mode: found.mode & 0o7777 };
  },
};

class NodeAppendFile implements AppendFile {
  readonly #file: FileHandle;
  #bytes: number;
  /** One act after the other, so that no two writes mix. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: FileHandle, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      try {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await this.#file.write(bytes, at);
          if (bytesWritten === 0) throw new Error('the disk takes no more bytes, and does not say why');
          at += bytesWritten;
          this.#bytes += bytesWritten;
        }
      } catch (error) {
        // How much of it went to the file only the file knows.
        const found = await this.#file.stat().catch(() => undefined);
        if (found) this.#bytes = found.size;
        throw error;
      }
    });
  }

  sync(): Promise<void> {
    return this.#inTurn(() => this.#file.datasync());
  }

  truncate(bytes: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#file.truncate(bytes);
      this.#bytes = bytes;
    });
  }

  close(): Promise<void> {
    return this.#inTurn(() => this.#file.close());
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/**
 * Reads a regular file; undefined when there is none. Opens without waiting: a named pipe that somebody put in its place
 * would otherwise keep a thread of the disk until somebody writes into it, and four of them the whole disk.
 */
async function reading<T>(path: string, read: (file: FileHandle, bytes: number) => Promise<T>): Promise<T | undefined> {
  const file = await orMissing(open(path, constants.O_RDONLY | constants.O_NONBLOCK), undefined);
  if (!file) return undefined;
  try {
    const status = await file.stat();
    if (!status.isFile()) throw noFile(path, status);
    return await read(file, status.size);
  } finally {
    await file.close();
  }
}

/**
 * A file of this size, or as much of it as there still is. In one piece: Node’s own `readFile` goes to another thread for
 * each half mebibyte, which takes twice as long for a segment of the audit log.
 */
async function readWhole(file: FileHandle, bytes: number): Promise<Uint8Array> {
  // Files of the system (procfs) say that they are empty and are not.
  return bytes === 0 ? file.readFile() : filled(file, Buffer.allocUnsafeSlow(bytes), 0);
}

/** Fills a buffer with a file’s bytes from a place on; its beginning, where the file ends before. */
async function filled(file: FileHandle, buffer: Buffer, from: number): Promise<Uint8Array> {
  for (let at = 0; at < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, at, buffer.length - at, from + at);
    if (bytesRead === 0) return buffer.subarray(0, at);
    at += bytesRead;
  }
  return buffer;
}

/**
 * The beginning of a regular file, as much as a buffer holds; a part of that buffer. Undefined when there is no such file.
 * For threads that have nothing else to do: they wait for the disk. Throws as `nodeDisk.readPart` rejects.
 */
export function readIntoSync(path: string, buffer: Uint8Array): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw noFile(path, status);
    let at = 0;
    for (let read = -1; at < buffer.length && read !== 0; at += read)
      read = readSync(file, buffer, at, buffer.length - at, at);
    return buffer.subarray(0, at);
  } finally {
    closeSync(file);
  }
}

const noFile = (path: string, status: Stats): NodeJS.ErrnoException =>
  status.isDirectory()
    ? Object.assign(new Error(`EISDIR: illegal operation on a directory, read '${path}'`), { code: 'EISDIR', path })
    : Object.assign(new Error(`${path} is a pipe or a device, not a file`), { code: 'EINVAL', path });

/** Removes the drafts of processes that were killed: they take room, may hold a key, and nobody else would. */
async function sweep(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = draftForm.exec(name)?.[1];
    const path = join(folder, name);
    // In a container each life has the same process id.
    if (pid === undefined || underWay.has(path) || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
    await rm(path, { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function openOrCreate(path: string, mode: number): Promise<{ file: FileHandle; created: boolean }> {
  try {
    return { file: await open(path, 'ax', mode), created: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    return { file: await open(path, flags), created: false };
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The result, or `missing` when there is no such file. */
async function orMissing<T, M>(act: Promise<T>, missing: M): Promise<T | M> {
  try {
    return await act;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return missing;
    throw error;
  }
}
