import { createApiKey } from '../crypto/api-key.ts';
import { createKeyring, gossipKey, keyringToText } from '../crypto/keyring.ts';
import { privateKeyToPem, publicKeyToText, rawPublicKey } from '../crypto/keys.ts';
import type { Crypto, KeyPair } from '../crypto/port.ts';
import { signDocument } from '../crypto/signed-document.ts';
import { createVaultRing } from '../crypto/vault.ts';
import { limits } from '../limits.ts';
import type { ApiKeysBody } from '../protocols/access/api-keys.ts';
import { type Notice, type NoticeBodies, type NoticeKind, noticePayload } from '../protocols/notice/notice.ts';

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
  /** Signs the first document of a kind, as a file beside the trust notice. Throws when no node would read it. */
  sign<K extends NoticeKind>(kind: K, body: NoticeBodies[K]): string;
}

/** The only place where a cluster’s id, gossip key and first trust notice are made. `now` in milliseconds since 1970. */
export function newCluster(crypto: Crypto, now: number): NewCluster {
  const clusterId = Buffer.from(crypto.randomBytes(16)).toString('hex');
  const authority = crypto.generateKeyPair('ed25519');
  const deployer = crypto.generateKeyPair('ed25519');
  const first = gossipKey(crypto.randomBytes(32), { epoch: 1, proposer: '', revocations: 0 });
  const authorityText = publicKeyToText(rawPublicKey(authority.publicKey));
  const deployerText = publicKeyToText(rawPublicKey(deployer.publicKey));
  const sign = <K extends NoticeKind>(kind: K, body: NoticeBodies[K]): string => {
    const first = { v: 1, kind, generation: 1, clusterId, issuedAt: now, body } as unknown as Notice;
    return `${signDocument('notice', authority.privateKey, Buffer.from(noticePayload(first)))}\n`;
  };
  return {
    clusterId,
    authorityKey: privateKeyToPem(authority.privateKey),
    authorityPublic: `${authorityText}\n`,
    deployerKey: privateKeyToPem(deployer.privateKey),
    gossipKey: keyringToText(createKeyring(first)),
    trustNotice: sign('trust', { deployers: [deployerText], issuers: [deployerText], authorities: [authorityText] }),
    sign,
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

export interface NewApiKey {
  /** The line of the file that its holder keeps: a secret. */
  readonly key: string;
  /** The file with its hash that a node reads, and the same as the cluster’s document has it. */
  readonly hashes: string;
  readonly document: ApiKeysBody;
}

/** An API key that may do everything: what a cluster, or a node that has met none yet, begins with. */
export function newApiKey(crypto: Crypto, id: string, now: number): NewApiKey {
  const { key, hash } = createApiKey(crypto);
  const roles = ['admin'];
  // From before now, since the clocks of the nodes are not this one.
  const notBefore = Math.max(0, now - limits.clockSkewMsMax);
  return {
    key: `${key}\n`,
    hashes: `${JSON.stringify([{ name: id, hash, roles }], undefined, 2)}\n`,
    document: { keys: [{ id, name: id, roles, resources: ['*'], secrets: [{ hash, notBefore }] }] },
  };
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
