import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { isName } from '../names.ts';
import type { ApiKeysBody } from '../protocols/access/api-keys.ts';
import { parseJson } from '../protocols/json/text.ts';

const hashForm = /^[0-9a-f]{64}$/;

/**
 * Reads the file of API keys, `[{ "name": …, "hash": …, "roles": […] }]`. MALFORMED says which entry is wrong and why,
 * LIMIT_EXCEEDED when there are more than `limits.apiKeysMax`.
 */
export function readApiKeys(text: string): Result<ApiKeysBody> {
  const read = parseJson(text, { charsMax: limits.configBytesMax, depthMax: limits.documentDepthMax });
  if (!read.ok && read.refusal.reasons[0].includes('comes twice')) return read;
  const list = read.ok ? read.value : undefined;
  if (!Array.isArray(list))
    return refuse('MALFORMED', 'Expected a JSON list of {"name", "hash", "roles"}; only hashes of keys are kept.');
  if (list.length > limits.apiKeysMax)
    return refuse('LIMIT_EXCEEDED', `There are ${list.length} API keys, and ${limits.apiKeysMax} is the limit.`);
  const keys: ApiKeysBody['keys'][number][] = [];
  const seen = new Set<string>();
  for (const [at, entry] of (list as readonly unknown[]).entries()) {
    const { name, hash, roles } = (entry ?? {}) as { name?: unknown; hash?: unknown; roles?: unknown };
    const wrong = (what: string) => refuse('MALFORMED', `Entry ${at + 1} ${what}.`);
    if (typeof name !== 'string' || !isName(name))
      return wrong('has no “name” of a-z, 0-9, “_” and “-”, at most 63 characters, the first no “_” or “-”');
    if (typeof hash !== 'string' || !hashForm.test(hash))
      return wrong('has no “hash” of 64 digits in lower-case hex, the SHA-256 of the key');
    if (!isRoleList(roles)) return wrong('has no “roles”, such as ["admin"]: a list of what the key may do');
    const again = [name, hash].find((one) => seen.has(one));
    if (again !== undefined)
      return wrong(`has the ${again === name ? 'name' : 'hash'} ${again}, which another one has`);
    seen.add(name).add(hash);
    keys.push({ id: name, name, roles, resources: ['*'], secrets: [{ hash, notBefore: 0 }] });
  }
  return ok({ keys });
}

const isRoleList = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length <= limits.apiKeyRolesMax &&
  value.every((role) => typeof role === 'string' && isName(role));
