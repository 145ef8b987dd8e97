import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

/** Where key files are when they are not on the real disk: the part of the `Disk` port that is needed. */
export interface KeyFileDisk {
  readFile(path: string): Promise<Uint8Array | undefined>;
  stat(path: string): Promise<{ readonly mode: number } | undefined>;
}

/**
 * `readKeyFile` for a disk behind the port, such as the testing kit’s: FILE_UNREADABLE for a file that is missing,
 * empty, too long or open to others. On the real disk use `readKeyFile`, which nobody can show another file in between.
 */
export async function readKeyFileOn(disk: KeyFileDisk, path: string): Promise<Result<Uint8Array>> {
  const status = await disk.stat(path);
  const bytes = await disk.readFile(path);
  if (!status || !bytes) return refuse('FILE_UNREADABLE', `${path} is not there.`);
  if ((status.mode & 0o077) !== 0)
    return refuse(
      'FILE_UNREADABLE',
      `${path} is open to others (mode ${(status.mode & 0o777).toString(8)}): chmod 600 it.`,
    );
  if (bytes.length === 0) return refuse('FILE_UNREADABLE', `${path} is empty.`);
  if (bytes.length > limits.pemBytesMax) return refuse('FILE_UNREADABLE', `${path} is too long for a key file.`);
  return ok(bytes);
}
