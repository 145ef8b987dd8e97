import { openFault } from '../config/key-file.ts';
import type { NodeConfig } from '../config.ts';
import { CaxtonError } from '../errors.ts';
import { addressText } from './address.ts';

/**
 * What made a start fail, for whoever typed the command: with the setting that an address came from and how to find who
 * holds it, and with the path of a file that the system refused. A bug stays what it is.
 */
export function startFault(error: unknown, { cluster, api }: NodeConfig): unknown {
  if (error instanceof CaxtonError) {
    const message = error.message;
    const found = [
      { key: 'cluster.bind', ...cluster.bind },
      { key: 'api.bind', ...api.bind },
    ].find((bind) => message.includes(addressText(bind)));
    if (!found) return error;
    const { key, port } = found;
    const who = error.code === 'ADDRESS_IN_USE' ? ` \`ss -lntup | grep :${port}\` shows who holds it.` : '';
    return new CaxtonError(error.code, [...error.reasons, `The setting is ${key}.${who}`], { cause: error });
  }
  const { syscall, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (typeof syscall !== 'string' || typeof path !== 'string') return error;
  return new CaxtonError('FILE_UNREADABLE', openFault(path, error), { cause: error });
}
