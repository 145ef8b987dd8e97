import { randomBytes } from 'node:crypto';
import { chmod, link, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { CaxtonError } from '../../errors.ts';

export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** 0o600 for what is secret. */
  readonly mode: number;
}

/**
 * Writes files that belong together: all whole beside their places first, then each into its place, the last one last. What
 * exists is replaced only with `force`; a file with the very same text counts as written. When something fails, those
 * that were put in place by this call and were not there before are taken away again. ALREADY_EXISTS.
 */
export async function writeNewFiles(files: readonly NewFile[], force: boolean): Promise<void> {
  const drafts: { readonly file: NewFile; readonly draft: string }[] = [];
  const placed: string[] = [];
  try {
    for (const file of files) {
      await nodeDisk.makeFolder(dirname(file.path), 0o700);
      const draft = `${file.path}.new-${randomBytes(6).toString('hex')}`;
      drafts.push({ file, draft });
      await nodeDisk.writeFileAtomic(draft, utf8.encode(file.text), file.mode);
      await chmod(draft, file.mode);
    }
    for (const { file, draft } of drafts) {
      if (await holds(file)) continue;
      if (force) await rename(draft, file.path);
      else {
        await exclusively(draft, file.path);
        placed.push(file.path);
      }
    }
  } catch (error) {
    for (const path of placed) await rm(path, { force: true });
    throw error;
  } finally {
    for (const { draft } of drafts) await rm(draft, { force: true });
  }
}

/** A name is given to a file by the system only if nobody has it: no check that somebody could get in between. */
async function exclusively(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new CaxtonError('ALREADY_EXISTS', [
      `${path} is there already, and was left as it is.`,
      'Name another file, or replace it with --force.',
    ]);
  }
}

async function holds({ path, text, mode }: NewFile): Promise<boolean> {
  const found = await nodeDisk.stat(path);
  if (found?.mode !== mode || found.bytes !== Buffer.byteLength(text)) return false;
  return Buffer.from((await nodeDisk.readFile(path)) ?? []).toString('utf8') === text;
}
