import type { ExitCode, Invocation } from '../command.ts';
import { revoke } from '../security/revoke.ts';

/** Revokes the token in a file: what `security revoke --token @FILE` does. */
export const revokeToken = (invocation: Invocation): Promise<ExitCode> =>
  revoke({
    ...invocation,
    // Of what can be revoked this verb has tokens alone.
    list: (option) =>
      option === 'token' ? [`@${invocation.text('file')!}`] : option === 'authority' ? invocation.list(option) : [],
  });
