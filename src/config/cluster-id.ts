import { readFileSync, statSync } from 'node:fs';
import { ok, type Result, refuse } from '../errors.ts';

const form = /^[a-z0-9_-]{1,63}$/;
/** What the form is called in messages. */
export const clusterIdForm = 'a cluster id: a-z, 0-9, “_” and “-”, at most 63 characters';

/** The id itself when it has the form, undefined otherwise. */
export const parseClusterId = (text: string): string | undefined => (form.test(text) ? text : undefined);

/** The text of a file by its absolute path; undefined when there is none that can be read. */
export type ReadText = (absolutePath: string) => string | undefined;

const fileBytesMax = 4_096;

/** From the disk: a regular file of a few lines. Undefined for everything else, such as a pipe that would never end. */
export const readSmallFile: ReadText = (absolutePath) => {
  try {
    const status = statSync(absolutePath);
    return status.isFile() && status.size <= fileBytesMax ? readFileSync(absolutePath, 'utf8') : undefined;
  } catch {
    return undefined;
  }
};

/**
 * The cluster’s id: `id`, or else the one line of the file at `id_path`, of which there is exactly one. `place` names
 * the key with its file and line. FILE_UNREADABLE when the file cannot be read, CONFIG_INVALID when it holds no id.
 */
export function clusterIdOf(
  cluster: { readonly id?: string | undefined; readonly id_path?: string | undefined },
  place: (path: string) => string,
  absolute: (path: string) => string,
  readText: ReadText,
): Result<string> {
  const { id, id_path } = cluster;
  if (id !== undefined && id_path !== undefined)
    return refuse('CONFIG_INVALID', `${place('cluster.id')} and cluster.id_path are both given; give one of the two.`);
  if (id !== undefined) return ok(id);
  if (id_path === undefined) return refuse('CONFIG_INVALID', `${place('cluster.id')} is missing (or cluster.id_path).`);
  const path = absolute(id_path);
  const text = readText(path);
  if (text === undefined)
    return refuse('FILE_UNREADABLE', `${place('cluster.id_path')}: there is no readable file ${path}.`);
  const read = parseClusterId(text.replace(/\r?\n$/, ''));
  if (read !== undefined) return ok(read);
  return refuse('CONFIG_INVALID', `${place('cluster.id_path')}: expected ${path} to hold one line, ${clusterIdForm}.`);
}
