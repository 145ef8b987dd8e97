import { createKeyring, type Keyring } from '../../../crypto/keyring.ts';
import {
  type KeptKeyring,
  type KeyringOwner,
  keyringFromVault,
  keyringToVault,
} from '../../../crypto/keyring-vault.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { CaxtonError } from '../../../errors.ts';
import { compareKeys } from '../../../protocols/gossip-keys/key-id.ts';
import type { Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { NodeVault } from '../../vault.ts';

const collection = 'gossip-keys';
const key = 'ring';

export interface KeyShelfOptions {
  readonly store: Store;
  readonly crypto: Crypto;
  readonly vault: NodeVault;
  readonly owner: KeyringOwner;
}

/** Where a node keeps its gossip keys, under the vault: a node that is started again goes on with the newest it had. */
export class KeyShelf {
  readonly #options: KeyShelfOptions;

  constructor(options: KeyShelfOptions) {
    this.#options = options;
  }

  /**
   * What is kept; or the ring of the key file, at the first boot and when an operator has put a later one there. Rejects
   * with MALFORMED when what is kept is not what this node wrote with this vault.
   */
  async open(file: Keyring, now: number): Promise<KeptKeyring> {
    const { store, vault, owner } = this.#options;
    const bytes = await store.get(collection, key);
    const fresh: KeptKeyring = { keyring: file, candidate: undefined, switchedAt: now };
    if (!bytes) return fresh;
    const read = keyringFromVault(vault.ring, owner, utf8.decode(bytes));
    if (!read.ok)
      throw new CaxtonError('MALFORMED', [
        `The state database keeps gossip keys that cannot be used: ${read.refusal.reasons.join(' ')}`,
        'Was the database, the vault’s key ring, the node’s id or the cluster id replaced? Put back the one that belongs to the others.',
      ]);
    const kept = read.value;
    if (compareKeys(file.sealing.id, kept.keyring.sealing.id) <= 0) return kept;
    return { ...fresh, keyring: createKeyring(file.sealing, [kept.keyring.sealing]) };
  }

  /** Atomic. Rejects with what the store rejects with. */
  async save(kept: KeptKeyring): Promise<void> {
    const { store, crypto, vault, owner } = this.#options;
    await store.put(collection, key, utf8.encode(keyringToVault(crypto, vault.ring, owner, kept)));
  }
}
