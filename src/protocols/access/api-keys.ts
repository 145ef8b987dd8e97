import { limits } from '../../limits.ts';
import { isName } from '../../names.ts';
import { integer, list, name, object, problem, type Shape, text, timeMs } from '../json/shape.ts';
import type { Resource } from './resource.ts';
import { resourceList, roleName } from './roles.ts';

/** One secret of an API key: while a key is rotated it has two. */
export interface ApiKeySecret {
  /** SHA-256 of the whole key, lower-case hex. */
  readonly hash: string;
  /** From when to when it counts, milliseconds since 1970; without an end until it is taken out. */
  readonly notBefore: number;
  readonly expiresAt?: number;
}

/** An API key as the nodes know it. */
export interface ApiKeyEntry {
  /** Names the identity, `apikey:<id>`: in the audit log, and where a role is bound to it. */
  readonly id: string;
  /** For people. */
  readonly name: string;
  /** What it may do, beside what the roles document binds to it. */
  readonly roles: readonly string[];
  readonly resources: readonly Resource[];
  readonly secrets: readonly ApiKeySecret[];
}

/** All API keys of the cluster. Whatever is not in it is no key. */
export interface ApiKeysBody {
  readonly keys: readonly ApiKeyEntry[];
}

/** ASCII and lower case alone, so that two ids that look alike are the same one. */
const apiKeyId = name((written): written is string => isName(written), 'the id of a key, [a-z0-9][a-z0-9_-]*');

const hash = text(64, /^[0-9a-f]{64}$/, '64 digits in lower-case hex, the SHA-256 of the key');
const secret: Shape<ApiKeySecret> = (value, path, problems) => {
  const read = object({ hash, notBefore: timeMs }, { expiresAt: integer(1, 253_402_300_799_999) })(
    value,
    path,
    problems,
  );
  if (!read) return undefined;
  const { expiresAt, notBefore } = read;
  return expiresAt !== undefined && expiresAt <= notBefore
    ? problem(problems, [...path, 'expiresAt'], 'expected it after notBefore')
    : (read as ApiKeySecret);
};

const written = object({
  keys: list(
    object(
      {
        id: apiKeyId,
        name: text(limits.apiKeyNameCharsMax),
        roles: list(roleName, limits.apiKeyRolesMax),
        secrets: list(secret, limits.apiKeySecretsMax, 1),
      },
      { resources: resourceList },
    ),
    limits.apiKeysMax,
  ),
});

/** Accepts at most `limits.apiKeysMax` keys, no id twice and no hash twice: a secret is of one key alone. */
export const apiKeysBody: Shape<ApiKeysBody> = (value, path, problems) => {
  const before = problems.length;
  const read = written(value, path, problems);
  if (!read) return undefined;
  const seen = new Set<string>();
  for (const [at, { id, secrets }] of read.keys.entries()) {
    if (seen.has(id)) problem(problems, [...path, 'keys', at, 'id'], `there are two keys ${id}`);
    seen.add(id);
    for (const [which, { hash: of }] of secrets.entries()) {
      if (seen.has(of))
        problem(problems, [...path, 'keys', at, 'secrets', which, 'hash'], 'another secret has the same hash');
      seen.add(of);
    }
  }
  if (problems.length > before) return undefined;
  return { keys: read.keys.map(({ resources = ['*'] as const, ...key }) => ({ ...key, resources })) };
};

/** The fields in their fixed order, as they are signed. */
export const apiKeysInOrder = ({ keys }: ApiKeysBody): object => ({
  keys: keys.map(({ id, name: named, roles, resources, secrets }) => ({
    ...{ id, name: named, roles, resources },
    secrets: secrets.map(({ hash: of, notBefore, expiresAt }) => ({
      ...{ hash: of, notBefore },
      ...(expiresAt === undefined ? {} : { expiresAt }),
    })),
  })),
});

/** A secret on which all documents of a generation agree. */
export interface AgreedKey {
  readonly id: string;
  /** The key as each of the documents has it: what it may do, all of them must permit. */
  readonly entries: readonly [ApiKeyEntry, ...ApiKeyEntry[]];
  /** From the latest beginning to the earliest end. */
  readonly notBefore: number;
  readonly expiresAt: number;
}

/** What counts while these documents are of one generation, by hash: the secrets that each of them has, under one id. */
export function agreedKeys(bodies: readonly ApiKeysBody[]): ReadonlyMap<string, AgreedKey> {
  const [first, ...rivals] = bodies.map(({ keys }) => {
    const pairs = keys.flatMap((entry) => entry.secrets.map((of) => [of.hash, { entry, of }] as const));
    return new Map(pairs);
  });
  const agreed = new Map<string, AgreedKey>();
  for (const [of, found] of first ?? []) {
    const all = [found, ...rivals.flatMap((rival) => rival.get(of) ?? [])] as const;
    if (all.length < bodies.length || all.some(({ entry }) => entry.id !== found.entry.id)) continue;
    const [own, ...others] = all.map(({ entry }) => entry);
    agreed.set(of, {
      id: found.entry.id,
      entries: [own!, ...others],
      notBefore: Math.max(...all.map((one) => one.of.notBefore)),
      expiresAt: Math.min(...all.map((one) => one.of.expiresAt ?? Number.POSITIVE_INFINITY)),
    });
  }
  return agreed;
}

/** Whether all that counts with `after` counts with `before` alike: it takes keys away, or shortens their time, no more. */
export function onlyTakesAway(before: readonly ApiKeysBody[], after: ApiKeysBody): boolean {
  if (before.length === 0) return false;
  const held = agreedKeys(before);
  const rolesOf = ({ roles, resources }: ApiKeyEntry): string => JSON.stringify([roles, resources]);
  return [...agreedKeys([after])].every(([hash, key]) => {
    const was = held.get(hash);
    if (!was || was.id !== key.id || key.notBefore < was.notBefore || key.expiresAt > was.expiresAt) return false;
    return was.entries.every((entry) => rolesOf(entry) === rolesOf(key.entries[0]));
  });
}
