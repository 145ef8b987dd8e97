import type { KeyObject } from 'node:crypto';
import { signDocument } from '../../crypto/signed-document.ts';
import { type Notice, noticePayload } from '../../protocols/notice/notice.ts';
import type { Invocation } from '../command.ts';
import { signingKey } from '../signing-key.ts';

/** The private key of an authority, from the file that `--authority-key` names. */
export const authorityKey = (invocation: Invocation): Promise<KeyObject> =>
  signingKey(invocation, 'authority-key', 'an authority’s');

/** A notice as the authority signs it. Throws MALFORMED or LIMIT_EXCEEDED for one that no node would read. */
export const signedBy = (key: KeyObject, notice: Notice): string =>
  signDocument('notice', key, Buffer.from(noticePayload(notice)));
