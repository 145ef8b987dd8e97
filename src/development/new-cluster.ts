import { createApiKey } from '../crypto/api-key.ts';
import { createKeyring, gossipKey, keyringToText } from '../crypto/keyring.ts';
import { privateKeyToPem, publicKeyToText, rawPublicKey } from '../crypto/keys.ts';
import type { Crypto, KeyPair } from '../crypto/port.ts';
import { signDocument } from '../crypto/signed-document.ts';
import { createVaultRing } from '../crypto/vault.ts';
import { noticePayload } from '../protocols/notice/notice.ts';

/** What makes a cluster one, besides its CA: the texts of the files that hold it. */
export interface NewCluster {
  readonly clusterId: string;
  /** Signs the cluster’s documents. PEM, a secret, and the public half for the nodes. */
  readonly authorityKey: string;
  readonly authorityPublic: string;
  /** Signs deployments and capability tokens. PEM, a secret. */
  readonly deployerKey: string;
  /** A secret. */
  readonly gossipKey: string;
  readonly trustNotice: string;
}

/** The only place where a cluster’s id, gossip key and first trust notice are made. `now` in milliseconds since 1970. */
export function newCluster(crypto: Crypto, now: number): NewCluster {
  const clusterId = Buffer.from(crypto.randomBytes(16)).toString('hex');
  const authority = crypto.generateKeyPair('ed25519');
  const deployer = crypto.generateKeyPair('ed25519');
  const first = gossipKey(crypto.randomBytes(32), { epoch: 1, proposer: '', revocations: 0 });
  const authorityText = publicKeyToText(rawPublicKey(authority.publicKey));
  const deployerText = publicKeyToText(rawPublicKey(deployer.publicKey));
  const trust = noticePayload({
    ...{ v: 1, kind: 'trust', generation: 1, clusterId, issuedAt: now },
    body: { deployers: [deployerText], issuers: [deployerText], authorities: [authorityText] },
  });
  return {
    clusterId,
    authorityKey: privateKeyToPem(authority.privateKey),
    authorityPublic: `${authorityText}\n`,
    deployerKey: privateKeyToPem(deployer.privateKey),
    gossipKey: keyringToText(createKeyring(first)),
    trustNotice: `${signDocument('notice', authority.privateKey, Buffer.from(trust))}\n`,
  };
}

/** What is one node’s alone: secrets, but for the public half of its key. */
export interface NewNodeKeys {
  readonly pair: KeyPair;
  readonly keyPem: string;
  readonly claimKey: string;
  readonly vaultKey: string;
}

export function newNodeKeys(crypto: Crypto): NewNodeKeys {
  const pair = crypto.generateKeyPair('p256');
  return {
    pair,
    keyPem: privateKeyToPem(pair.privateKey),
    claimKey: privateKeyToPem(crypto.generateKeyPair('ed25519').privateKey),
    vaultKey: createVaultRing(crypto).toText(),
  };
}

/** An API key: the line of the file that its holder keeps, and the file with its hash that nodes read. */
export function newApiKey(crypto: Crypto, name: string): { readonly key: string; readonly hashes: string } {
  const { key, hash } = createApiKey(crypto);
  return { key: `${key}\n`, hashes: `${JSON.stringify([{ name, hash }], undefined, 2)}\n` };
}

export interface ProfileFacts {
  readonly clusterId: string;
  /** Paths from the profile’s folder. */
  readonly ca: string;
  readonly apiKeyFile: string;
  readonly nodes: readonly { readonly id: string; readonly api: string }[];
}

/** The profile that the command line reads. */
export const profileText = (facts: ProfileFacts): string =>
  `${JSON.stringify({ version: 1, ...facts }, undefined, 2)}\n`;
