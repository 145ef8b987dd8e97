import { CaxtonError, type ErrorCode } from '../errors.ts';
import { addressText } from './address.ts';
import type { Address } from './kernel/ports.ts';

const faults: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  EADDRINUSE: ['ADDRESS_IN_USE', 'is taken by another process'],
  EACCES: ['CONFIG_INVALID', 'needs rights that this process does not have'],
  EADDRNOTAVAIL: ['CONFIG_INVALID', 'is no address of this machine'],
  ENOTFOUND: ['CONFIG_INVALID', 'has a host name that nobody knows'],
};

/** Why a port could not be had, in words that say what to do. */
export function listenError(error: NodeJS.ErrnoException, address: Address, what: string): CaxtonError {
  const [code, words] = faults[error.code ?? ''] ?? [
    'CONFIG_INVALID',
    `cannot be used: ${error.code ?? error.message}`,
  ];
  return new CaxtonError(code, `${addressText(address)} (${what}) ${words}.`, { cause: error });
}
