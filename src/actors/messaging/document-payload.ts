import type { VerifiedDocument } from '../../crypto/signed-document.ts';
import { type Result, refuse } from '../../errors.ts';
import { utf8 } from '../kernel/utf8.ts';

/** What of a signed document is read. */
export type SignedPayload = Pick<VerifiedDocument, 'kind' | 'payload' | 'keyId'>;

/** Reads a payload as text: a trusted key may have signed anything, also what is no text. MALFORMED, or what `read` says. */
export function readPayload<T>({ kind, payload }: SignedPayload, read: (text: string) => Result<T>): Result<T> {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return refuse('MALFORMED', `The payload of the ${kind} document is not UTF-8.`);
  }
  return read(text);
}
