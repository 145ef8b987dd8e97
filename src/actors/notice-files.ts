import { join } from 'node:path';
import type { NoticeKind } from '../protocols/notice/notice.ts';
import type { Disk } from './kernel/ports.ts';
import type { NamedFile } from './named-file.ts';

/** A cluster document that an operator has put beside the trust notice. Nothing of it is verified. */
export interface NoticeFile {
  readonly kind: NoticeKind;
  readonly path: string;
  readonly text: string;
}

/** Kinds without which a node could not be used before it has met another one. */
const kinds = ['policies', 'roles', 'api-keys'] as const satisfies readonly NoticeKind[];

/**
 * The files `<kind>.notice` of the folder with the trust notice, those that are there: with which a cluster begins, and how an
 * operator comes in again who has no key left that counts. Throws as `text`.
 */
export async function readNoticeFiles(
  disk: Disk,
  folder: string,
  text: (file: NamedFile) => Promise<string>,
): Promise<readonly NoticeFile[]> {
  const files: NoticeFile[] = [];
  for (const kind of kinds) {
    const path = join(folder, `${kind}.notice`);
    if (!(await disk.stat(path).catch(() => true))) continue;
    files.push({ kind, path, text: (await text({ path, key: 'cluster.notices_path' })).trim() });
  }
  return files;
}
