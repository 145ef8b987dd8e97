import { basename, dirname } from 'node:path';
import type { AppendFile, Disk } from '../../../src/actors/kernel/ports.ts';

interface MemoryFile {
  /** What programs see. */
  bytes: Uint8Array;
  /** What a power cut leaves for certain. */
  synced: Uint8Array;
}

/** Files in memory that lose, at `cutPower`, what was not synced, or any part of it. */
export class PowerCutDisk implements Disk {
  readonly files = new Map<string, MemoryFile>();
  #dead = false;
  /** Called before each append, sync and truncate; may throw or cut the power. */
  before: (act: 'append' | 'sync' | 'truncate') => void | Promise<void> = () => {};

  /** The disk after the power came back: of the bytes that were not synced, `kept` (0 to 1) survived. */
  cutPower(kept: number): PowerCutDisk {
    this.#dead = true;
    const next = new PowerCutDisk();
    for (const [path, { bytes, synced }] of this.files) {
      const length = synced.length + Math.floor(Math.max(0, bytes.length - synced.length) * kept);
      const left = bytes.length < synced.length ? synced : bytes.slice(0, length);
      next.files.set(path, { bytes: left, synced: left });
    }
    return next;
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    return this.files.get(path)?.bytes.slice();
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, { bytes, synced: bytes });
  }

  async openAppend(path: string): Promise<AppendFile> {
    const file = this.files.get(path) ?? { bytes: new Uint8Array(), synced: new Uint8Array() };
    this.files.set(path, file);
    const act = async (name: 'append' | 'sync' | 'truncate', change: () => void): Promise<void> => {
      await this.before(name);
      if (this.#dead) throw new Error('EIO: the power is off');
      change();
    };
    return {
      get bytes() {
        return file.bytes.length;
      },
      append: (bytes) =>
        act('append', () => {
          file.bytes = Buffer.concat([file.bytes, bytes]);
        }),
      sync: () =>
        act('sync', () => {
          file.synced = file.bytes;
        }),
      truncate: (length) =>
        act('truncate', () => {
          file.bytes = file.bytes.slice(0, length);
        }),
      close: async () => {},
    };
  }

  async list(path: string): Promise<readonly string[]> {
    return [...this.files.keys()]
      .filter((file) => dirname(file) === path)
      .map((file) => basename(file))
      .sort();
  }

  async makeFolder(): Promise<void> {}

  async remove(path: string): Promise<void> {
    this.files.delete(path);
  }

  async stat(path: string): Promise<{ bytes: number; mode: number } | undefined> {
    const file = this.files.get(path);
    return file && { bytes: file.bytes.length, mode: 0o600 };
  }
}
