import { type Result, refuse } from '../../../errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { ApiAccess, ApiIdentity } from './api-access.ts';

/** Who a credential belongs to. The refusal’s reasons are for the audit log; strangers get the same text for each. */
export type Authenticate = (authorization: string | undefined) => Result<ApiIdentity>;

const bearer = /^Bearer +([\x21-\x7e]{1,512})$/i;

/** Says nothing about why, so that nobody learns which half of a guess was right. */
export const unauthenticatedText = 'No valid API key was given.';

/** Reads `Authorization: Bearer cxk_…` and finds whose key it is. UNAUTHENTICATED. */
export function createAuthenticate(
  access: ApiAccess,
  clock: Clock,
  readApiKey: (text: string) => Result<{ readonly hash: string }>,
): Authenticate {
  return (authorization) => {
    if (authorization === undefined) return refuse('UNAUTHENTICATED', 'No credential was given.');
    const text = bearer.exec(authorization)?.[1];
    if (text === undefined) return refuse('UNAUTHENTICATED', 'The Authorization header is not a bearer token.');
    const read = readApiKey(text);
    return read.ok ? access.identify(read.value.hash, clock.now()) : read;
  };
}
