import { readKeyFileOn } from '../../../config/key-file-port.ts';
import { type CaFiles, type OpenCa, openCa } from '../../../crypto/ca-key.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { TrustDomain } from '../../../names.ts';
import type { Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { CertificateAuthority } from './certificate-issuer.ts';
import type { TrustedRoots } from './trusted-roots.ts';

/** Where a CA of this node lies. */
export interface CaPlace {
  /** Undefined for development’s key, whose CA is among those that the node believes. */
  readonly certificatePath: string | undefined;
  readonly keyPath: string;
  readonly passphrasePath: string | undefined;
  readonly validityMsMax: number;
}

export interface HeldAuthoritiesOptions {
  readonly disk: Disk;
  readonly trustDomain: TrustDomain;
  readonly place: CaPlace;
  readonly roots: TrustedRoots;
  /** What this node shows: a CA above it may be known from there alone. */
  readonly certPem: () => string;
  /** The next CA took the place of the present one. */
  readonly promoted: () => void;
  readonly fault: (message: string, error: unknown) => void;
}

/** Beside the present CA’s files: those of the one that is to follow it when roots are rotated. */
export const nextSuffix = '.next';

/** The present CA, the next, and each of them beside another bundle. */
const openedMax = 4;
const anybodyWrites = 0o002;

interface Held {
  readonly authority: CertificateAuthority;
  /** Of the root above it; undefined when that is not one of the bundle in force. */
  readonly root: string | undefined;
  /** The files that were read, as they are. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array; readonly mode: number }[];
}

/**
 * The CAs whose keys this node holds: the present one and, while roots are rotated, the next, whose files lie beside the
 * present ones. What is signed is signed under the root that the bundle in force names. Files are read when they are
 * needed, so that nobody has to restart a node for the next CA.
 */
export class HeldAuthorities {
  readonly #options: HeldAuthoritiesOptions;
  #known: CertificateAuthority | undefined;
  #knownFor: unknown;
  #turn: Promise<unknown> = Promise.resolve();
  #opened: readonly { readonly of: string; readonly opened: Result<OpenCa> }[] = [];

  constructor(options: HeldAuthoritiesOptions) {
    this.#options = options;
  }

  /**
   * The CA that signs now: under the root of the bundle in force that signs, or if there is none here under another one.
   * CERTIFICATE_REFUSED, FILE_UNREADABLE, MALFORMED.
   */
  async present(): Promise<Result<CertificateAuthority>> {
    const { roots } = this.#options;
    const { inForce } = roots;
    if (this.#known && this.#knownFor === inForce) return ok(this.#known);
    const [base, next] = [await this.#read(''), await this.#read(nextSuffix)];
    if (!inForce) return base.ok || !next.ok ? this.#kept(base, inForce) : this.#kept(next, inForce);
    const { serial } = inForce.issuing;
    const under = (wanted: (root: string) => boolean) =>
      [base, next].find((one) => one.ok && one.value.root !== undefined && wanted(one.value.root));
    const fits = under((root) => root === serial);
    if (fits) return this.#kept(fits, inForce);
    // Nobody wants this one for a rotation, and whose certificate ends meanwhile is not left without.
    const old = under(() => true);
    if (old?.ok) return ok(this.#with(old.value.authority));
    const { certificatePath, keyPath } = this.#options.place;
    const certificate = certificatePath === undefined ? '' : `${certificatePath}${nextSuffix} and `;
    return refuse(
      'CERTIFICATE_REFUSED',
      `No CA of this node stands under a root of the cluster; new certificates stand under the one with the serial ${serial}: put the next CA’s files beside the present ones, as ${certificate}${keyPath}${nextSuffix}.`,
      ...[base, next].flatMap((one) => (one.ok ? [] : [one.refusal.reasons[0]])),
    );
  }

  /** The serials of the roots of the bundle under which this node can sign. */
  async rootsHeld(): Promise<readonly string[]> {
    const read = await Promise.all([this.#read(''), this.#read(nextSuffix)]);
    return read.flatMap((one) => (one.ok && one.value.root !== undefined ? [one.value.root] : []));
  }

  /** Puts the next CA’s files in the places of the present ones, once the old root is dropped. Never rejects. */
  settle(): Promise<void> {
    const settled = this.#turn.then(() => this.#settle()).catch((error: unknown) => this.#told(error));
    this.#turn = settled;
    return settled;
  }

  async #settle(): Promise<void> {
    const { roots, disk, promoted } = this.#options;
    const { inForce } = roots;
    if (inForce?.roots.length !== 1) return;
    const [base, next] = [await this.#read(''), await this.#read(nextSuffix)];
    if (!next.ok || next.value.root !== inForce.issuing.serial) return;
    // Another CA of that root was put there by somebody.
    const isOther = base.ok && Buffer.compare(base.value.files[0]!.bytes, next.value.files[0]!.bytes) !== 0;
    if (isOther && base.value.root === inForce.issuing.serial) return;
    // The next ones are removed last, the key last of all: a crash in between leaves it, and this is done again.
    for (const { path, bytes, mode } of next.value.files)
      await disk.writeFileAtomic(path.slice(0, -nextSuffix.length), bytes, mode);
    for (const { path } of next.value.files.toReversed()) await disk.remove(path);
    this.#known = undefined;
    promoted();
  }

  #told(error: unknown): void {
    this.#options.fault('the next CA’s files could not be put in the places of the old ones', error);
  }

  #kept(held: Result<Held>, inForce: unknown): Result<CertificateAuthority> {
    if (!held.ok) return held;
    const authority = this.#with(held.value.authority);
    // Development’s key costs nothing to read, and is to be gone at once when somebody removes it.
    if (this.#options.place.certificatePath !== undefined) {
      this.#knownFor = inForce;
      this.#known = authority;
    }
    return ok(authority);
  }

  #with(authority: CertificateAuthority): CertificateAuthority {
    return { ...authority, chainPem: authority.chainPem + this.#options.roots.crossPem };
  }

  /** An encrypted key takes a quarter of a second to open, and whoever asks how a rotation is asks often. */
  #open(files: CaFiles): Result<OpenCa> {
    const of = JSON.stringify([files.certPem, files.keyPem, files.passphrase]);
    const known = this.#opened.find((one) => one.of === of);
    if (known) return known.opened;
    const opened = openCa(files);
    this.#opened = [{ of, opened }, ...this.#opened].slice(0, openedMax);
    return opened;
  }

  async #read(suffix: string): Promise<Result<Held>> {
    const { disk, place, roots, trustDomain, certPem } = this.#options;
    const key = await readKey(disk, `${place.keyPath}${suffix}`);
    if (!key.ok) return key;
    const files = [{ path: `${place.keyPath}${suffix}`, bytes: key.value, mode: 0o600 }];
    let text = '';
    if (place.certificatePath !== undefined) {
      const own = await readFile(disk, `${place.certificatePath}${suffix}`);
      if (!own.ok) return own;
      if (own.value) files.push({ path: `${place.certificatePath}${suffix}`, bytes: own.value, mode: 0o644 });
      const found = own.value ? own : await readFile(disk, place.certificatePath);
      if (!found.ok) return found;
      text = found.value ? Buffer.from(found.value).toString('latin1') : '';
    }
    const phrase = place.passphrasePath === undefined ? undefined : await readKey(disk, place.passphrasePath);
    if (phrase && !phrase.ok) return phrase;
    const opened = this.#open({
      certPem: [text, roots.caPem, certPem()].join('\n'),
      keyPem: Buffer.from(key.value).toString('latin1'),
      passphrase: phrase && utf8.decode(phrase.value).replace(/\r?\n$/, ''),
      trustDomain,
    });
    if (!opened.ok) return opened;
    const { pair, chainPem } = opened.value;
    const authority = { ca: pair, chainPem, validityMsMax: place.validityMsMax };
    return ok({ authority, root: rootAbove(pair.certPem + chainPem, roots.caPem), files });
  }
}

async function readKey(disk: Disk, path: string): Promise<Result<Uint8Array>> {
  try {
    const read = await readKeyFileOn(disk, path);
    if (read.ok) utf8.decode(read.value);
    return read;
  } catch (error) {
    return refuse(
      'FILE_UNREADABLE',
      `${path} cannot be read: ${error instanceof Error ? error.message : 'no reason'}.`,
    );
  }
}

async function readFile(disk: Disk, path: string): Promise<Result<Uint8Array | undefined>> {
  const found = await disk.stat(path);
  // A pipe or a device has no length, and reading it might never end.
  if (!found || found.bytes === 0 || found.bytes > limits.configBytesMax) return ok(undefined);
  if ((found.mode & anybodyWrites) === 0) return ok(await disk.readFile(path));
  return refuse('FILE_UNREADABLE', `${path} can be written by everybody: chmod 644 it.`);
}
