import type { KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import { readKeyFile } from '../../config/key-file.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { signDocument } from '../../crypto/signed-document.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { type Notice, noticePayload } from '../../protocols/notice/notice.ts';
import type { Invocation } from '../command.ts';

/** The private key of an authority, from the file that `--authority-key` names. */
export async function authorityKey({ text, terminal }: Invocation): Promise<KeyObject> {
  const path = resolve(terminal.cwd, text('authority-key')!);
  const key = unwrap(privateKeyFromPem(new TextDecoder().decode(unwrap(await readKeyFile(path)))));
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new CaxtonError(
    'MALFORMED',
    `${path}: an authority’s key is Ed25519, and this one is ${key.asymmetricKeyType}.`,
  );
}

/** A notice as the authority signs it. Throws MALFORMED or LIMIT_EXCEEDED for one that no node would read. */
export const signedBy = (key: KeyObject, notice: Notice): string =>
  signDocument('notice', key, Buffer.from(noticePayload(notice)));
