import { resolve } from 'node:path';
import { readKeyFile } from '../../config/key-file.ts';
import { checkPassphrase } from '../../crypto/encrypted-key.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { Invocation } from '../command.ts';

/** The environment variable that may hold the passphrase of a CA key. Never argv: every process of the machine can read it. */
const variable = 'CAXTON_CA_PASSPHRASE';

/** A passphrase that was given in a file or the environment; undefined when none was. */
export async function givenPassphrase({ text, terminal }: Invocation): Promise<string | undefined> {
  const file = text('passphrase-file');
  if (file !== undefined) {
    const bytes = unwrap(await readKeyFile(resolve(terminal.cwd, file)));
    return unwrap(
      checkPassphrase(
        Buffer.from(bytes)
          .toString('utf8')
          .replace(/\r?\n$/, ''),
      ),
    );
  }
  const value = terminal.env[variable];
  return value === undefined || value === '' ? undefined : unwrap(checkPassphrase(value));
}

/** The passphrase of a key that exists. FILE_UNREADABLE when nobody can be asked. */
export async function passphraseFor(invocation: Invocation, path: string): Promise<string> {
  return (await givenPassphrase(invocation)) ?? ask(invocation, `Passphrase of ${path}: `);
}

/** A passphrase for a key that is being made, asked for twice when it has to be asked for. */
export async function newPassphrase(invocation: Invocation, path: string): Promise<string> {
  const given = await givenPassphrase(invocation);
  if (given !== undefined) return given;
  const passphrase = unwrap(checkPassphrase(await ask(invocation, `New passphrase of ${path}: `)));
  if ((await ask(invocation, 'Again: ')) !== passphrase)
    throw new CaxtonError('MALFORMED', 'The two passphrases are not the same. Nothing was written.');
  return passphrase;
}

async function ask({ terminal }: Invocation, question: string): Promise<string> {
  if (terminal.askSecret) return terminal.askSecret(question);
  throw new CaxtonError('FILE_UNREADABLE', [
    'The CA key is encrypted, and there is no terminal to ask for its passphrase.',
    `Give it with --passphrase-file FILE (mode 0600) or in $${variable}.`,
  ]);
}
