import { join } from 'node:path';
import type { Crypto } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import type { Disk } from '../../kernel/ports.ts';

/** A file that only takes room, so that there is some left for acts of class A when the disk is full. */
export class AuditReserve {
  readonly #disk: Disk;
  readonly #crypto: Crypto;
  readonly #path: string;
  #held = false;

  constructor(disk: Disk, crypto: Crypto, folder: string) {
    this.#disk = disk;
    this.#crypto = crypto;
    this.#path = join(folder, 'reserve');
  }

  /** Whether the room is kept now. */
  get isHeld(): boolean {
    return this.#held;
  }

  /** Takes the room; false when there is not enough of it. Rejects with other errors of the disk. */
  async take(): Promise<boolean> {
    const found = await this.#disk.stat(this.#path);
    if (found?.bytes === limits.auditReserveBytes) this.#held = true;
    if (this.#held) return true;
    try {
      await this.#disk.writeFileAtomic(this.#path, this.#bytes(), 0o600);
      this.#held = true;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
    return this.#held;
  }

  /** Takes the room if there is as much again beside it: else a full disk would be given and taken the same bytes. */
  async takeAgain(): Promise<boolean> {
    const probe = `${this.#path}.probe`;
    try {
      await this.#disk.writeFileAtomic(probe, this.#bytes(), 0o600);
      return await this.take();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      return false;
    } finally {
      await this.#disk.remove(probe);
    }
  }

  /** A file system that compresses, or a copy that leaves out zeros, would keep no room for a file of them. */
  #bytes(): Uint8Array {
    return this.#crypto.randomBytes(limits.auditReserveBytes);
  }

  /** Gives the room to whoever writes next. */
  async give(): Promise<void> {
    this.#held = false;
    await this.#disk.remove(this.#path);
  }
}

/** No space left, or none left of what this user may have. */
export const isDiskFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
