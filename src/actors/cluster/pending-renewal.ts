import type { Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import { belongTogether } from './pem.ts';

/** A certificate and its key, both PEM. */
export interface CertificatePair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Where the pair lies. */
export interface PairPaths {
  readonly certificatePath: string;
  readonly privateKeyPath: string;
}

/** Beside the key, with the key’s mode: it holds one. */
const pendingPath = ({ privateKeyPath }: PairPaths): string => `${privateKeyPath}.next`;
const fileBytesMax = 65_536;

/**
 * Puts a pair in the place of another so that a start after a crash at any point finds one that belongs together: two
 * files cannot be replaced at once, so both stand in a third one until both are in their places. Rejects as the disk does.
 */
export async function replacePair(disk: Disk, paths: PairPaths, pair: CertificatePair): Promise<void> {
  const { certPem, keyPem } = pair;
  await disk.writeFileAtomic(pendingPath(paths), utf8.encode(`${keyPem.trimEnd()}\n${certPem}`), 0o600);
  await putInPlace(disk, paths, pair);
}

async function putInPlace(disk: Disk, paths: PairPaths, { certPem, keyPem }: CertificatePair): Promise<void> {
  await disk.writeFileAtomic(paths.privateKeyPath, utf8.encode(keyPem), 0o600);
  await disk.writeFileAtomic(paths.certificatePath, utf8.encode(certPem), 0o644);
  await disk.remove(pendingPath(paths));
}

/**
 * The pair to start with, from the one that was found in its places: that one when it belongs together, as it also does
 * when somebody mended it by hand. Otherwise the pair of a replacement that was cut short, when there is one that
 * `accepts`: it is put in its places. Rejects as the disk does.
 */
export async function pairAtStart(
  disk: Disk,
  paths: PairPaths,
  found: CertificatePair,
  accepts: (pair: CertificatePair) => boolean,
): Promise<CertificatePair> {
  if (belongTogether(found.certPem, found.keyPem)) return found;
  const pending = await readPending(disk, pendingPath(paths));
  if (!pending || !accepts(pending)) return found;
  await putInPlace(disk, paths, pending);
  return pending;
}

async function readPending(disk: Disk, path: string): Promise<CertificatePair | undefined> {
  const status = await disk.stat(path);
  if (!status || status.bytes === 0 || status.bytes > fileBytesMax || (status.mode & 0o077) !== 0) return undefined;
  const bytes = await disk.readFile(path);
  const text = bytes ? Buffer.from(bytes).toString('latin1') : '';
  const keyPem = block(text, 'PRIVATE KEY');
  // With the intermediates behind it.
  const certPem = block(text, 'CERTIFICATE', text.lastIndexOf('-----END CERTIFICATE-----'));
  return keyPem !== undefined && certPem !== undefined ? { keyPem, certPem } : undefined;
}

function block(text: string, label: string, until?: number): string | undefined {
  const begin = text.indexOf(`-----BEGIN ${label}-----`);
  const last = `-----END ${label}-----`;
  const end = until ?? text.indexOf(last, begin);
  return begin < 0 || end < 0 ? undefined : `${text.slice(begin, end + last.length)}\n`;
}
