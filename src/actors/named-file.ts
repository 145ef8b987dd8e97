import { CaxtonError, type Result } from '../errors.ts';

/** A file of the configuration: where it is, and the setting that says so. */
export interface NamedFile {
  readonly path: string;
  readonly key: string;
}

/** Adds the setting and the file’s name to the reasons of a refusal. */
export function inFile<T>({ path, key }: NamedFile, result: Result<T>): T {
  if (result.ok) return result.value;
  const [first, ...more] = result.refusal.reasons;
  throw new CaxtonError(result.refusal.code, [`${key}: ${path}: ${first}`, ...more]);
}
