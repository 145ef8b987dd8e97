import { issuingCa } from '../../../crypto/ca-key.ts';
import { privateKeyFromPem } from '../../../crypto/keys.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { CertificateAuthority } from './certificate-issuer.ts';

/**
 * Development’s CA key, with which each node renews its own certificate. Years may lie between the start, which judged
 * the other files, and a renewal: this one is judged when it is read. `certPems`: its certificate is among them, and
 * those between it and the root. FILE_UNREADABLE, MALFORMED, CERTIFICATE_REFUSED.
 */
export async function readLocalCa(
  disk: Disk,
  path: string,
  ...certPems: readonly string[]
): Promise<Result<CertificateAuthority>> {
  const keyPem = await readCaKey(disk, path);
  if (!keyPem.ok) return keyPem;
  const key = privateKeyFromPem(keyPem.value);
  if (!key.ok) return key;
  const found = issuingCa(key.value, ...certPems);
  if (!found.ok) return found;
  const { certPem, chainPem } = found.value;
  return ok({ ca: { certPem, keyPem: keyPem.value }, chainPem, validityMsMax: Number.MAX_SAFE_INTEGER });
}

async function readCaKey(disk: Disk, path: string): Promise<Result<string>> {
  const unusable = (what: string) => refuse('FILE_UNREADABLE', `The CA key ${path} ${what}.`);
  try {
    const found = await disk.stat(path);
    if (!found) return unusable('is not there');
    if ((found.mode & 0o077) !== 0) return unusable('is open to others: chmod 600 it');
    // A pipe or a device has no length, and reading it might never end.
    if (found.bytes === 0 || found.bytes > limits.pemBytesMax) return unusable('is no key file');
    const bytes = await disk.readFile(path);
    if (!bytes) return unusable('is not there');
    return ok(utf8.decode(bytes));
  } catch (error) {
    return unusable(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
