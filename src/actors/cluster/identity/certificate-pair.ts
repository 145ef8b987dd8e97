import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
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

/** Beside the key, with the key’s mode: they hold one. A pair that is on its way, and the last that was put in place. */
const pendingPath = ({ privateKeyPath }: PairPaths): string => `${privateKeyPath}.next`;
const lastPath = ({ privateKeyPath }: PairPaths): string => `${privateKeyPath}.last`;
const fileBytesMax = 65_536;

/**
 * Puts a pair in the place of another so that a start after a crash at any point finds one that belongs together: two
 * files cannot be replaced at once, so both stand in a third one until both are in their places, and from then on in a
 * fourth: whatever becomes of the two later, the last good pair is there. Rejects as the disk does.
 */
export async function replacePair(disk: Disk, paths: PairPaths, pair: CertificatePair): Promise<void> {
  await disk.writeFileAtomic(pendingPath(paths), bytesOf(pair), 0o600);
  await putInPlace(disk, paths, pair);
}

async function putInPlace(disk: Disk, paths: PairPaths, pair: CertificatePair): Promise<void> {
  const { certPem, keyPem } = pair;
  await disk.writeFileAtomic(paths.privateKeyPath, utf8.encode(keyPem), 0o600);
  await disk.writeFileAtomic(paths.certificatePath, utf8.encode(certPem), 0o644);
  await disk.writeFileAtomic(lastPath(paths), bytesOf(pair), 0o600);
  await disk.remove(pendingPath(paths));
}

const bytesOf = ({ certPem, keyPem }: CertificatePair): Uint8Array => utf8.encode(`${keyPem.trimEnd()}\n${certPem}`);

/** The pair to start with, and whether it was put in its places only now. */
export interface StartingPair extends CertificatePair {
  readonly mended: boolean;
}

/**
 * The pair to start with, from the one that was found in its places: that one when it belongs together, as it also does
 * when somebody replaced it by hand. Otherwise the pair of a renewal that was cut short, or else the one that the last
 * renewal left, when there is one that `accepts`: it is put in its places. Rejects as the disk does.
 */
export async function pairAtStart(
  disk: Disk,
  paths: PairPaths,
  found: CertificatePair,
  accepts: (pair: CertificatePair) => boolean,
): Promise<StartingPair> {
  if (belongTogether(found.certPem, found.keyPem)) return { ...found, mended: false };
  for (const path of [pendingPath(paths), lastPath(paths)]) {
    const kept = await readKept(disk, path);
    if (!kept || !accepts(kept)) continue;
    await putInPlace(disk, paths, kept);
    return { ...kept, mended: true };
  }
  return { ...found, mended: false };
}

async function readKept(disk: Disk, path: string): Promise<CertificatePair | undefined> {
  const status = await disk.stat(path);
  if (!status || status.bytes === 0 || status.bytes > fileBytesMax || (status.mode & 0o077) !== 0) return undefined;
  const bytes = await disk.readFile(path);
  const text = bytes ? Buffer.from(bytes).toString('latin1') : '';
  const keyPem = blocks(text, 'PRIVATE KEY')[0];
  // The certificate, and those between it and the root.
  const chain = blocks(text, 'CERTIFICATE');
  return keyPem !== undefined && chain.length > 0 ? { keyPem, certPem: chain.join('') } : undefined;
}

function blocks(text: string, label: string): readonly string[] {
  const form = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g');
  return [...text.matchAll(form)].map(([block]) => `${block}\n`);
}
