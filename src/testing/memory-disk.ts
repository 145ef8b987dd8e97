import { basename, dirname, join, normalize } from 'node:path';
import type { AppendFile, Disk, Random } from '../actors/kernel/ports.ts';
import { MemoryFile } from './memory-file.ts';
import { drawPart, seededRandom } from './seeded-random.ts';

/** What a disk is asked to do. */
export type DiskAct =
  | 'read'
  | 'write'
  | 'open'
  | 'append'
  | 'sync'
  | 'truncate'
  | 'list'
  | 'makeFolder'
  | 'remove'
  | 'stat';

export interface MemoryDiskOptions {
  /** Decides how much of what was not synced a power cut leaves; default: seeded with 1. */
  readonly random?: Random;
  /** Bytes that all files together may have. Past it: ENOSPC, after as much of an append as fits. Default: no end. */
  readonly capacityBytes?: number;
  /** Whether it writes out of order: a power cut then leaves holes in what was not synced. Default false. */
  readonly scattersWrites?: boolean;
}

interface Fault {
  readonly act: DiskAct;
  readonly code: string;
  readonly path: string | undefined;
}

/**
 * The `Disk` port in memory, with what a test wants to happen to a disk: a power cut, no space left, and errors at any
 * act. It keeps what the real one keeps: atomic writes and new names are durable when they resolve, appended bytes only
 * after `sync`; modes are exact. Errors carry the system’s codes (`ENOENT`, `ENOSPC`, `EIO` …) and name the path.
 *
 * Paths that begin nowhere (`audit/x`) begin in a folder that is always there, as does everything under `/`.
 */
export class MemoryDisk implements Disk {
  readonly #options: MemoryDiskOptions;
  readonly #random: Random;
  /** A folder has a mode and no file. */
  readonly #entries = new Map<string, { file?: MemoryFile; mode: number }>();
  #faults: Fault[] = [];
  #off = false;
  /** May be changed at any time. */
  capacityBytes: number;
  /** Called before each act: may throw in its place, make it wait, or cut the power. */
  before: (act: DiskAct, path: string) => void | Promise<void> = () => {};

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
    this.#random = options.random ?? seededRandom(1);
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Puts a file there, durably, with the folders above it; for what was on the disk before the test began. */
  put(path: string, content: Uint8Array | string, mode = 0o600): void {
    const place = normalize(path);
    this.#makeAll(dirname(place), 0o700);
    this.#entries.set(place, { file: new MemoryFile(asBytes(content)), mode });
  }

  /** The bytes that a program would read now, a copy; undefined when there is no such file. */
  peek(path: string): Uint8Array | undefined {
    return this.#entries.get(normalize(path))?.file?.bytes.slice();
  }

  /** The paths of all files, sorted. */
  paths(): readonly string[] {
    return [...this.#entries].flatMap(([path, { file }]) => (file ? [path] : [])).sort();
  }

  /** From now on this act fails with this code (`EIO`, `EACCES` …): at this path, or at any. */
  fail(act: DiskAct, code: string, path?: string): void {
    this.#faults.push({ act, code, path: path === undefined ? undefined : normalize(path) });
  }

  /** Ends what `fail` began. */
  mend(): void {
    this.#faults = [];
  }

  /**
   * Cuts the power. This disk is dead then: whatever still uses it gets EIO. Returns the disk as it is found when the
   * power is back. Of the bytes appended to a file since its last sync some first part is left: the part `kept`, 0 to 1,
   * or one drawn for each file.
   */
  crash(kept?: number): MemoryDisk {
    const found = new MemoryDisk({ ...this.#options, random: this.#random, capacityBytes: this.capacityBytes });
    this.#off = true;
    for (const [path, { file, mode }] of this.#entries) {
      const part = kept ?? drawPart(this.#random);
      const left = this.#options.scattersWrites
        ? file?.afterScatteredPowerCut(part, () => this.#random.uint32() % 2 === 0)
        : file?.afterPowerCut(part);
      found.#entries.set(path, left ? { file: left, mode } : { mode });
    }
    return found;
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    const entry = await this.#reach('read', path);
    if (entry && !entry.file) throw diskError('EISDIR', 'read', path);
    return entry?.file?.bytes.slice();
  }

  async readPart(path: string, from: number, bytes: number): Promise<Uint8Array | undefined> {
    return (await this.readFile(path))?.slice(from, from + bytes);
  }

  async writeFileAtomic(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const content = Uint8Array.from(bytes);
    const entry = await this.#reach('write', path);
    this.#stillOn('write', path);
    this.#inFolder('write', path);
    if (entry && !entry.file) throw diskError('EISDIR', 'write', path);
    // The new file stands beside the old one until it takes its name.
    if (content.length > this.#space()) throw diskError('ENOSPC', 'write', path);
    this.#entries.set(normalize(path), { file: new MemoryFile(content), mode });
  }

  async openAppend(path: string, mode: number): Promise<AppendFile> {
    const entry = await this.#reach('open', path);
    this.#stillOn('open', path);
    this.#inFolder('open', path);
    if (entry && !entry.file) throw diskError('EISDIR', 'open', path);
    const file = entry?.file ?? new MemoryFile(new Uint8Array());
    const exact = entry !== undefined && (entry.mode & 0o777 & ~mode) === 0 ? entry.mode : mode;
    this.#entries.set(normalize(path), { file, mode: exact });
    return new OpenFile(file, {
      before: (act) => this.#reach(act, path),
      stillOn: (act) => this.#stillOn(act, path),
      space: () => this.#space(),
      full: () => diskError('ENOSPC', 'write', path),
      closed: () => diskError('EBADF', 'write', path),
    });
  }

  async list(path: string): Promise<readonly string[]> {
    const entry = await this.#reach('list', path);
    if (entry?.file) throw diskError('ENOTDIR', 'scandir', path);
    const folder = normalize(path);
    return [...this.#entries.keys()]
      .filter((other) => other !== folder && dirname(other) === folder)
      .map((other) => basename(other))
      .sort();
  }

  async makeFolder(path: string, mode: number): Promise<void> {
    const entry = await this.#reach('makeFolder', path);
    this.#stillOn('makeFolder', path);
    if (entry?.file) throw diskError('EEXIST', 'mkdir', path);
    this.#makeAll(normalize(path), mode);
  }

  async remove(path: string): Promise<void> {
    const entry = await this.#reach('remove', path);
    this.#stillOn('remove', path);
    if (entry && !entry.file) throw diskError('EISDIR', 'rm', path);
    this.#entries.delete(normalize(path));
  }

  async stat(path: string): Promise<{ readonly bytes: number; readonly mode: number } | undefined> {
    const entry = await this.#reach('stat', path);
    return entry && { bytes: entry.file?.bytes.length ?? 0, mode: entry.mode };
  }

  /** What every act begins with: power, the test’s wishes, and what lies at the path. */
  async #reach(act: DiskAct, path: string): Promise<{ file?: MemoryFile; mode: number } | undefined> {
    const place = normalize(path);
    if (this.#off) throw diskError('EIO', act, path);
    await this.before(act, place);
    if (this.#off) throw diskError('EIO', act, path);
    const fault = this.#faults.find((one) => one.act === act && (one.path === undefined || one.path === place));
    if (fault) throw diskError(fault.code, act, path);
    for (let above = dirname(place); above !== dirname(above); above = dirname(above))
      if (this.#entries.get(above)?.file) throw diskError('ENOTDIR', act, path);
    return this.#entries.get(place) ?? (isGround(place) ? { mode: 0o755 } : undefined);
  }

  /** To be asked in the very turn of a change: between reaching a file and changing it another act may cut the power. */
  #stillOn(act: DiskAct, path: string): void {
    if (this.#off) throw diskError('EIO', act, path);
  }

  #inFolder(act: DiskAct, path: string): void {
    const folder = dirname(normalize(path));
    if (!isGround(folder) && !this.#entries.has(folder)) throw diskError('ENOENT', act, path);
  }

  #makeAll(folder: string, mode: number): void {
    if (isGround(folder) || this.#entries.has(folder)) return;
    this.#makeAll(dirname(folder), mode);
    this.#entries.set(folder, { mode });
  }

  #space(): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return this.capacityBytes;
    const used = [...this.#entries.values()].reduce((sum, { file }) => sum + (file?.bytes.length ?? 0), 0);
    return Math.max(0, this.capacityBytes - used);
  }
}

/** What an open file needs of its disk. */
interface OpenFileDisk {
  before(act: 'append' | 'sync' | 'truncate'): Promise<unknown>;
  stillOn(act: DiskAct): void;
  space(): number;
  full(): Error;
  closed(): Error;
}

class OpenFile implements AppendFile {
  readonly #file: MemoryFile;
  readonly #disk: OpenFileDisk;
  #open = true;
  /** One act after the other, so that no two writes mix. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: MemoryFile, disk: OpenFileDisk) {
    this.#file = file;
    this.#disk = disk;
  }

  get bytes(): number {
    return this.#file.bytes.length;
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.#inTurn('append', () => {
      const space = this.#disk.space();
      this.#file.append(bytes.subarray(0, space));
      if (bytes.length > space) throw this.#disk.full();
    });
  }

  sync(): Promise<void> {
    return this.#inTurn('sync', () => this.#file.sync());
  }

  truncate(bytes: number): Promise<void> {
    return this.#inTurn('truncate', () => this.#file.truncate(bytes));
  }

  close(): Promise<void> {
    return this.#inTurn(undefined, () => {
      this.#open = false;
    });
  }

  #inTurn(act: 'append' | 'sync' | 'truncate' | undefined, change: () => void): Promise<void> {
    const result = this.#turn.then(async () => {
      if (!this.#open) throw this.#disk.closed();
      if (act) {
        await this.#disk.before(act);
        this.#disk.stillOn(act);
      }
      change();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** An error as the system gives it. */
function diskError(code: string, act: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${meanings[code] ?? 'the disk failed'}, ${act} '${path}'`), {
    code,
    path: join(path),
    syscall: act,
  });
}

const meanings: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'bad file descriptor',
  EEXIST: 'file already exists',
  EIO: 'i/o error',
  EISDIR: 'illegal operation on a directory',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
};

const isGround = (path: string): boolean => path === dirname(path);

const asBytes = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content);
