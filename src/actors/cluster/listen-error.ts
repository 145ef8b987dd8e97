import { CaxtonError } from '../../errors.ts';
import { addressText } from '../address.ts';
import type { Address } from '../kernel/ports.ts';

/** Why a port could not be had, in words that say what to do. */
export function listenError(error: NodeJS.ErrnoException, address: Address, what: string): CaxtonError {
  const place = addressText(address);
  if (error.code === 'EADDRINUSE')
    return new CaxtonError('ADDRESS_IN_USE', `${place} (${what}) is taken by another process.`, { cause: error });
  if (error.code === 'EACCES')
    return new CaxtonError('CONFIG_INVALID', `${place} (${what}) needs rights that this process does not have.`, {
      cause: error,
    });
  return new CaxtonError('CONFIG_INVALID', `${place} (${what}) cannot be used: ${error.code ?? error.message}.`, {
    cause: error,
  });
}
