import { privateKeyFromPem, privateKeyToPem, publicHalf } from '../../../crypto/keys.ts';
import type { Crypto, KeyPair } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { PairPaths } from './certificate-pair.ts';
import { readPrivateKey } from './pem.ts';

type KeyPath = Pick<PairPaths, 'privateKeyPath'>;

const againPath = ({ privateKeyPath }: KeyPath): string => `${privateKeyPath}.again`;

/**
 * The key that a certificate is asked for next, kept before anybody is asked: an answer that is lost leaves a certificate
 * behind, and only its own key gets it once more. Rejects as the disk does.
 */
export async function keptKey(disk: Disk, paths: KeyPath, crypto: Crypto, inUsePem: string): Promise<KeyPair> {
  const kept = await readKept(disk, againPath(paths));
  // One that took its place already was left by a crash behind that.
  const inUse = readPrivateKey(inUsePem);
  if (kept?.ok && !(inUse.ok && kept.value.equals(inUse.value)))
    return { privateKey: kept.value, publicKey: publicHalf(kept.value) };
  const key = crypto.generateKeyPair('p256');
  await disk.writeFileAtomic(againPath(paths), utf8.encode(privateKeyToPem(key.privateKey)), 0o600);
  return key;
}

/** A key that others could read is none. */
async function readKept(disk: Disk, path: string): Promise<ReturnType<typeof privateKeyFromPem> | undefined> {
  const found = await disk.stat(path);
  if (!found || found.bytes > limits.pemBytesMax || (found.mode & 0o077) !== 0) return undefined;
  const bytes = await disk.readFile(path);
  return bytes && privateKeyFromPem(Buffer.from(bytes).toString('latin1'));
}

/** The key is in its place, or no certificate is issued for it any more. Rejects as the disk does. */
export const dropKeptKey = (disk: Disk, paths: KeyPath): Promise<void> => disk.remove(againPath(paths));
