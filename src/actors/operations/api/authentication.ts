import { sameHash } from '../../../crypto/api-key.ts';
import { CaxtonError, ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';

/** A key that this node accepts. Only its hash is known here. */
export interface KnownApiKey {
  /** Names the identity: `apikey:<name>`. */
  readonly name: string;
  readonly hash: string;
}

/** Who a credential belongs to. The refusal’s reasons are for the audit log; strangers get the same text for each. */
export type Authenticate = (authorization: string | undefined) => Result<string>;

const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** Says nothing about why, so that nobody learns which half of a guess was right. */
export const unauthenticatedText = 'No valid API key was given.';

/**
 * Reads `Authorization: Bearer cxk_…` and finds the key among the known ones, in a time that depends on their number
 * and not on which one fits. Throws LIMIT_EXCEEDED when there are more keys than a request can be compared with.
 *
 * @returns the identity, `apikey:<name>`. UNAUTHENTICATED.
 */
export function createAuthenticate(
  keys: readonly KnownApiKey[],
  readApiKey: (text: string) => Result<{ readonly hash: string }>,
): Authenticate {
  if (keys.length > limits.apiKeysMax)
    throw new CaxtonError('LIMIT_EXCEEDED', `${keys.length} API keys are given and ${limits.apiKeysMax} is the limit.`);
  return (authorization) => {
    if (authorization === undefined) return refuse('UNAUTHENTICATED', 'No credential was given.');
    const text = bearer.exec(authorization)?.[1];
    if (text === undefined) return refuse('UNAUTHENTICATED', 'The Authorization header is not a bearer token.');
    const read = readApiKey(text);
    if (!read.ok) return read;
    let found: KnownApiKey | undefined;
    for (const key of keys) if (sameHash(key.hash, read.value.hash)) found = key;
    return found ? ok(`apikey:${found.name}`) : refuse('UNAUTHENTICATED', 'The API key is not known to this node.');
  };
}
