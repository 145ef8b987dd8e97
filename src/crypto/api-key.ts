import { createHash, timingSafeEqual } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import type { Crypto } from './port.ts';

const secretBytes = 24;
/** The fewest digits of base 62 that hold 24 bytes; and those that hold the checksum’s 4 bytes. */
const secretChars = 33;
const checksumChars = 6;
const form = /^cxk_[0-9A-Za-z]{33}_[0-9A-Za-z]{6}$/;
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A new key and its hash. The key is shown once; only the hash is stored. */
export interface ApiKey {
  /** `cxk_<33 characters>_<6 characters>`: a prefix that scanners for leaked secrets find, 192 bits, a checksum. */
  readonly key: string;
  /** SHA-256 of the whole key, lower-case hex. The key is random, so a slow password hash would add nothing. */
  readonly hash: string;
}

/** Makes an API key from the port’s randomness. */
export function createApiKey(crypto: Crypto): ApiKey {
  const secret = base62(crypto.randomBytes(secretBytes), secretChars);
  const key = `cxk_${secret}_${checksum(secret)}`;
  return { key, hash: hashOf(key) };
}

/**
 * Reads a key that somebody sent; a typo is found here, before any look-up. UNAUTHENTICATED for a wrong form or checksum;
 * the refusal never quotes the text. The hash still has to be found among the stored ones, with `sameHash`.
 */
export function readApiKey(text: string): Result<{ readonly hash: string }> {
  if (!form.test(text)) return refuse('UNAUTHENTICATED', 'The API key is not in the form cxk_…_….');
  const secret = text.slice(4, 4 + secretChars);
  if (text.slice(-checksumChars) !== checksum(secret))
    return refuse('UNAUTHENTICATED', 'The API key’s checksum is wrong: it was mistyped or cut.');
  return ok({ hash: hashOf(text) });
}

/** Whether two hashes of keys are the same, in time that does not depend on where they differ. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a, 'utf8');
  const right = Buffer.from(b, 'utf8');
  // Lengths are no secret, and timingSafeEqual throws when they differ. Two empty texts are no hashes at all.
  return left.length > 0 && left.length === right.length && timingSafeEqual(left, right);
}

const hashOf = (key: string): string => createHash('sha256').update(key, 'utf8').digest('hex');

const checksum = (secret: string): string =>
  base62(createHash('sha256').update(`cxk_${secret}`, 'utf8').digest().subarray(0, 4), checksumChars);

/** Bytes as a number in base 62, most significant digit first, filled with zeros to `length`. */
function base62(bytes: Uint8Array, length: number): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  let text = '';
  for (let at = 0; at < length; at++) {
    text = digits[Number(rest % 62n)] + text;
    rest /= 62n;
  }
  return text;
}
