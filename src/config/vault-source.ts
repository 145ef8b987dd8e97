import { join } from 'node:path';
import type { NodeFile } from './schema.ts';

/** Where a node’s vault key ring comes from: a file, an environment variable, or a credential that systemd passes. */
export type VaultSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'credential'; readonly name: string };

/** The source that a configuration names; by default `vault.key` in the node’s data folder. `from` makes a path absolute. */
export function vaultSource(file: NodeFile, from: (path: string) => string): VaultSource {
  const { key_path, key_env, key_credential } = file.security.vault;
  if (key_env !== undefined) return { kind: 'env', name: key_env };
  if (key_credential !== undefined) return { kind: 'credential', name: key_credential };
  return { kind: 'file', path: key_path === undefined ? join(from(file.node.data_path), 'vault.key') : from(key_path) };
}
