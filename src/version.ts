import { readFile } from 'node:fs/promises';

/** The version in package.json, which lies one folder above this file in a clone and in the package alike. */
export async function version(): Promise<string> {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}
