import { ok, type Result, refuse } from '../../errors.ts';
import { type Unverified, unverified } from '../../unverified.ts';
import { MalformedBytes } from './reader.ts';

/** Runs a reading of untrusted bytes; its `MalformedBytes` becomes a refusal with MALFORMED, other throws are bugs. */
export function strictly<T>(what: string, read: () => T): Result<Unverified<T>> {
  try {
    return ok(unverified(read()));
  } catch (error) {
    if (error instanceof MalformedBytes) return refuse('MALFORMED', `The ${what} is malformed: ${error.message}.`);
    throw error;
  }
}
