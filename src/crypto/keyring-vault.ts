import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { createKeyring, type GossipKey, gossipKey, type Keyring } from './keyring.ts';
import type { Crypto } from './port.ts';
import { transcript } from './transcript.ts';
import type { VaultRing } from './vault.ts';

/** What a node keeps of its gossip keys over restarts. */
export interface KeptKeyring {
  readonly keyring: Keyring;
  /** The hash of the key that is held ready and does not seal yet. */
  readonly candidate: string | undefined;
  /** When the sealing key began to seal here, in milliseconds since 1970. */
  readonly switchedAt: number;
}

/** Whose keyring it is: what was kept by another node, or in another cluster, is not taken for one’s own. */
export interface KeyringOwner {
  readonly clusterId: string;
  readonly nodeId: string;
}

const domain = 'caxton kept gossip key v1';

/**
 * The text under which a keyring is kept: each key under the vault’s current key, and a keyed hash over all of it, so
 * that nobody without the vault reads a key or puts together another ring out of old ones.
 */
export function keyringToVault(crypto: Crypto, vault: VaultRing, owner: KeyringOwner, kept: KeptKeyring): string {
  const keys = kept.keyring.keys.map(({ id, key }) => {
    const { vaultKey, bytes } = vault.wrap(crypto, key, contextOf(owner, id));
    return { ...id, vault_key: vaultKey, key: Buffer.from(bytes).toString('base64') };
  });
  const { candidate, switchedAt, keyring } = kept;
  const text = JSON.stringify({ format: 1, sealing: keyring.sealing.id.hash, candidate, switchedAt, keys });
  return `${sealOf(vault, owner, text)}\n${text}`;
}

/**
 * Reads what `keyringToVault` wrote. MALFORMED for anything that this node did not write so with this vault; SEAL_INVALID
 * when a key of the vault is gone.
 */
export function keyringFromVault(vault: VaultRing, owner: KeyringOwner, sealed: string): Result<KeptKeyring> {
  const [seal = '', text = ''] = sealed.split('\n', 2);
  if (seal !== sealOf(vault, owner, text)) return refuse('MALFORMED', 'The kept gossip keys are not what was written.');
  // Only this node wrote what has its seal, so what does not fit now is a bug or another version’s.
  const file = JSON.parse(text) as KeptFile;
  if (file.format !== 1 || file.keys.length > limits.gossipKeysMax)
    return refuse('MALFORMED', 'The kept gossip keys are in a form that this version does not know.');
  const keys: GossipKey[] = [];
  for (const { vault_key: vaultKey, key: wrapped, ...id } of file.keys) {
    const key = vault.unwrap({ vaultKey, bytes: new Uint8Array(Buffer.from(wrapped, 'base64')) }, contextOf(owner, id));
    if (!key.ok) return key;
    keys.push(gossipKey(key.value, id));
  }
  const sealing = keys.find(({ id }) => id.hash === file.sealing);
  if (!sealing) return refuse('MALFORMED', 'The kept gossip keys lack the one that seals.');
  return ok({ keyring: createKeyring(sealing, keys), candidate: file.candidate, switchedAt: file.switchedAt });
}

interface KeptFile {
  readonly format: number;
  readonly sealing: string;
  readonly candidate?: string;
  readonly switchedAt: number;
  readonly keys: readonly (GossipKey['id'] & { readonly vault_key: string; readonly key: string })[];
}

const contextOf = ({ clusterId, nodeId }: KeyringOwner, { epoch, proposer, revocations, hash }: GossipKey['id']) =>
  transcript(domain, clusterId, nodeId, epoch, proposer, revocations, hash);

const sealOf = (vault: VaultRing, { clusterId, nodeId }: KeyringOwner, text: string): string =>
  vault.hash([domain, clusterId, nodeId, text].join('\n'));
