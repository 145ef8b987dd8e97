import type { KeyObject } from 'node:crypto';
import { resolve } from 'node:path';
import { readKeyFile } from '../config/key-file.ts';
import { privateKeyFromPem } from '../crypto/keys.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import type { Invocation } from './command.ts';

/**
 * The Ed25519 private key in the file that an option names; `whose` is for messages. FILE_UNREADABLE, also when others may
 * read it; MALFORMED.
 */
export async function signingKey({ text, terminal }: Invocation, option: string, whose: string): Promise<KeyObject> {
  const path = resolve(terminal.cwd, text(option)!);
  const key = unwrap(privateKeyFromPem(new TextDecoder().decode(unwrap(await readKeyFile(path)))));
  if (key.asymmetricKeyType === 'ed25519') return key;
  throw new CaxtonError('MALFORMED', `${path}: ${whose} key is Ed25519, and this one is ${key.asymmetricKeyType}.`);
}
