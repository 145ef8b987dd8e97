import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openFault } from '../config/key-file.ts';
import type { VaultSource } from '../config/vault-source.ts';
import { type VaultRing, vaultRingFromText } from '../crypto/vault.ts';
import { CaxtonError } from '../errors.ts';

/** The vault key ring of a running node: read at its start, and again when it may have been rotated. */
export class NodeVault {
  readonly #source: VaultSource;
  readonly #readSecret: (path: string) => Promise<string>;
  #ring: VaultRing;
  readonly #onRotated: (() => void)[] = [];

  private constructor(source: VaultSource, readSecret: (path: string) => Promise<string>, ring: VaultRing) {
    this.#source = source;
    this.#readSecret = readSecret;
    this.#ring = ring;
  }

  /**
   * Reads the ring from its source; `readSecret` reads a file that nobody else may read. Throws FILE_UNREADABLE or
   * MALFORMED, with what to do.
   */
  static async open(source: VaultSource, readSecret: (path: string) => Promise<string>): Promise<NodeVault> {
    return new NodeVault(source, readSecret, await readRing(source, readSecret));
  }

  /** The ring in force. */
  get ring(): VaultRing {
    return this.#ring;
  }

  /** Calls the listener whenever another key is current: what lies under an old one should not stay there. */
  onRotated(listener: () => void): void {
    this.#onRotated.push(listener);
  }

  /**
   * Reads the source again. Throws as `open` does, and MALFORMED for a ring that
   * is no successor of the one in force, and keeps that one then.
   */
  async reload(): Promise<void> {
    const { currentId } = this.#ring;
    const ring = await readRing(this.#source, this.#readSecret);
    if (!ring.ids.includes(currentId))
      throw new CaxtonError('MALFORMED', [
        `The vault’s key ring does not hold the key ${currentId} any more, which the log is written with now.`,
        'The node goes on with the ring that it has. Put that one back and rotate it: caxton security rotate-vault-key.',
      ]);
    this.#ring = ring;
    if (ring.currentId !== currentId) for (const listener of this.#onRotated) listener();
  }
}

/**
 * What was taken from the environment: there it would lie open to everything that this process runs or starts. A second
 * node of this process finds it here.
 */
const taken = new Map<string, string>();

const howToMake =
  'caxton security create-vault-key makes one. A log that is there already needs the key that wrote it.';

async function readRing(source: VaultSource, readSecret: (path: string) => Promise<string>): Promise<VaultRing> {
  const { text, where } = await readSource(source, readSecret);
  const ring = vaultRingFromText(text);
  if (ring.ok) return ring.value;
  throw new CaxtonError(ring.refusal.code, [
    `${where}: ${ring.refusal.reasons[0]}`,
    ...ring.refusal.reasons.slice(1),
    'Put a copy of the ring back: what its keys sealed cannot be read without them.',
  ]);
}

async function readSource(
  source: VaultSource,
  readSecret: (path: string) => Promise<string>,
): Promise<{ readonly text: string; readonly where: string }> {
  switch (source.kind) {
    case 'file':
      return { text: await readSecret(source.path), where: `security.vault.key_path: ${source.path}` };
    case 'env': {
      const set = process.env[source.name];
      if (set) taken.set(source.name, set);
      delete process.env[source.name];
      const text = taken.get(source.name);
      if (text) return { text, where: `security.vault.key_env: $${source.name}` };
      throw new CaxtonError('FILE_UNREADABLE', [
        `security.vault.key_env: the environment variable ${source.name} is not set.`,
        `It holds the vault’s key ring: ${howToMake}`,
      ]);
    }
    case 'credential':
      return readCredential(source.name);
  }
}

/** systemd gives credentials to this service alone, in a folder of its own, and their modes are its business. */
async function readCredential(name: string): Promise<{ readonly text: string; readonly where: string }> {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  if (!folder)
    throw new CaxtonError('FILE_UNREADABLE', [
      'security.vault.key_credential: $CREDENTIALS_DIRECTORY is not set, so this is no service of systemd.',
      `Add LoadCredentialEncrypted=${name}:… to the service, or name another source.`,
    ]);
  const where = join(folder, name);
  try {
    return { text: await readFile(where, 'utf8'), where };
  } catch (error) {
    throw new CaxtonError('FILE_UNREADABLE', `security.vault.key_credential: ${openFault(where, error)}`);
  }
}
