import { readPayload } from '../../actors/messaging/document-payload.ts';
import { decodeDocument, documentId } from '../../crypto/signed-document.ts';
import { unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Capability, readCapability } from '../../protocols/authorization/capability.ts';
import { readChain } from '../../protocols/authorization/delegation.ts';
import { readTextOrInput } from '../read-text.ts';
import type { Terminal } from '../terminal.ts';

/** A token as it was written into a file; `-` is standard input. A line break may follow it. */
export const tokenIn = async (file: string, terminal: Terminal): Promise<string> =>
  (await readTextOrInput(file, terminal, limits.tokenBytesMax + 2)).trim();

/** What one token of a chain claims. Not verified. */
export interface ClaimedToken {
  /** The id by which it can be revoked. */
  readonly id: string;
  readonly capability: Capability;
}

/** The tokens of a chain as they claim to be. Throws MALFORMED, LIMIT_EXCEEDED, SIGNATURE_INVALID for one whose issuer is not who signed. */
export const claimedChain = (text: string): readonly ClaimedToken[] =>
  unwrap(readChain(text)).map((link) => {
    const { payload, keyId } = unwrap(decodeDocument('capability', link, limits.tokenBytesMax)).unverified;
    const signed = { kind: 'capability', payload, keyId } as const;
    return { id: documentId(link), capability: unwrap(readPayload(signed, (read) => readCapability(read, keyId))) };
  });
