import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

/** A key that the management API accepts, as the file names it. */
export interface StoredApiKey {
  readonly name: string;
  /** SHA-256 of the whole key, lower-case hex. */
  readonly hash: string;
}

const hashForm = /^[0-9a-f]{64}$/;
const nameForm = /^[\x21-\x7e]{1,64}$/;

/**
 * Reads the file of API keys, `[{ "name": …, "hash": … }]`. MALFORMED says which entry is wrong and why, LIMIT_EXCEEDED
 * when there are more than `limits.apiKeysMax`.
 */
export function readApiKeys(text: string): Result<readonly StoredApiKey[]> {
  const list = parsed(text);
  if (!Array.isArray(list))
    return refuse('MALFORMED', 'Expected a JSON list of {"name", "hash"}; only hashes of keys are kept.');
  if (list.length > limits.apiKeysMax)
    return refuse('LIMIT_EXCEEDED', `There are ${list.length} API keys, and ${limits.apiKeysMax} is the limit.`);
  const keys: StoredApiKey[] = [];
  for (const [at, entry] of (list as readonly unknown[]).entries()) {
    const { name, hash } = (entry ?? {}) as { readonly name?: unknown; readonly hash?: unknown };
    const wrong = (what: string) => refuse('MALFORMED', `Entry ${at + 1} ${what}.`);
    if (typeof name !== 'string' || !nameForm.test(name))
      return wrong('has no “name” of 1 to 64 printable ASCII characters without spaces');
    if (typeof hash !== 'string' || !hashForm.test(hash))
      return wrong('has no “hash” of 64 digits in lower-case hex, the SHA-256 of the key');
    if (keys.some((other) => other.name === name)) return wrong(`has the name ${name}, which another one has`);
    keys.push({ name, hash });
  }
  return ok(keys);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
