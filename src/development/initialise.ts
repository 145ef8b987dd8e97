import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createApiKey } from '../crypto/api-key.ts';
import {
  type IssuedCertificate,
  issueCa,
  issueNodeCertificate,
  issueServerCertificate,
} from '../crypto/certificate.ts';
import { createKeyring, keyringToText } from '../crypto/keyring.ts';
import { privateKeyToPem, publicKeyToText, rawPublicKey } from '../crypto/keys.ts';
import { type Crypto, osCrypto } from '../crypto/port.ts';
import { signDocument } from '../crypto/signed-document.ts';
import { createVaultRing } from '../crypto/vault.ts';
import { unwrap } from '../errors.ts';
import type { NodeId, TrustDomain } from '../names.ts';
import { noticePayload } from '../protocols/notice/notice.ts';
import { type ClusterLayout, clusterLayout } from './layout.ts';
import { nodeYaml } from './templates.ts';

const dayMs = 86_400_000;

const developmentTrustDomain = 'dev.caxton.internal' as TrustDomain;
export const developmentNodes = ['node-1', 'node-2', 'node-3'] as NodeId[];
/** A fourth one gets keys and a certificate too: config/node.yaml is its configuration, for a node started by hand. */
export const spareNode = 'node-4' as NodeId;
/** Node n has 7700+n for links and gossip, 7800+n for the API. */
export const defaultPorts = (index: number): { link: number; api: number } => ({
  link: 7701 + index,
  api: 7801 + index,
});

export interface InitOptions {
  readonly root: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly crypto?: Crypto;
  readonly nodes: readonly NodeId[];
  /** One pair for each node. */
  readonly ports: readonly { readonly link: number; readonly api: number }[];
  /** More nodes that get keys and a certificate, but no configuration. */
  readonly spare?: readonly NodeId[];
  /** The folder with the code of agents that the nodes may run; none without it. */
  readonly modulesPath?: string;
  /** The text of policy.yaml. */
  readonly policy: string;
}

/**
 * Makes everything that a development cluster needs, in a folder beside the final one that is renamed when it is
 * complete: a start that dies halfway leaves nothing that looks finished. Does nothing when the cluster exists.
 *
 * @returns whether it was made now.
 */
export async function initialiseCluster(options: InitOptions): Promise<boolean> {
  const final = clusterLayout(options.root);
  if (existsSync(final.profile)) return false;
  const draft = clusterLayout(`${options.root}.new-${process.pid}`);
  await rm(draft.root, { recursive: true, force: true });
  await mkdir(draft.root, { recursive: true, mode: 0o700 });
  try {
    await fill(draft, final, options);
    await rename(draft.root, final.root);
  } catch (error) {
    await rm(draft.root, { recursive: true, force: true });
    throw error;
  }
  return true;
}

async function fill(draft: ClusterLayout, final: ClusterLayout, options: InitOptions): Promise<void> {
  const crypto = options.crypto ?? osCrypto;
  const { now } = options;
  const clusterId = Buffer.from(crypto.randomBytes(16)).toString('hex');
  const ca = issueCa(crypto, {
    trustDomain: developmentTrustDomain,
    notBefore: now - 3_600_000,
    notAfter: now + 3_650 * dayMs,
  });
  await writePublic(draft.caCert, ca.certPem);
  await writeSecret(draft.caKey, ca.keyPem);

  const authority = crypto.generateKeyPair('ed25519');
  const deployer = crypto.generateKeyPair('ed25519');
  await writeSecret(draft.authorityKey, privateKeyToPem(authority.privateKey));
  await writePublic(draft.authorityPublic, `${publicKeyToText(rawPublicKey(authority.publicKey))}\n`);
  await writeSecret(draft.deployerKey, privateKeyToPem(deployer.privateKey));
  await writeSecret(draft.gossipKey, keyringToText(createKeyring(1, crypto.randomBytes(32))));

  const apiKey = createApiKey(crypto);
  await writeSecret(draft.apiKey, `${apiKey.key}\n`);
  await writeSecret(draft.apiKeyHashes, `${JSON.stringify([{ name: 'dev', hash: apiKey.hash }], undefined, 2)}\n`);

  const deployerText = publicKeyToText(rawPublicKey(deployer.publicKey));
  const trust = noticePayload({
    v: 1,
    kind: 'trust',
    generation: 1,
    clusterId,
    issuedAt: now,
    body: {
      deployers: [deployerText],
      issuers: [deployerText],
      authorities: [publicKeyToText(rawPublicKey(authority.publicKey))],
    },
  });
  await writePublic(draft.trustNotice, `${signDocument('notice', authority.privateKey, Buffer.from(trust))}\n`);
  await writePublic(draft.policy, options.policy);

  await writePublic(draft.clusterId, `${clusterId}\n`);
  for (const id of [...options.nodes, ...(options.spare ?? [])]) await fillNode(draft, crypto, ca, id, now);
  const joins = options.ports.map((ports) => `127.0.0.1:${ports.link}`);
  for (const [index, id] of options.nodes.entries()) {
    const ports = options.ports[index]!;
    const text = nodeYaml({
      id,
      clusterId,
      trustDomain: developmentTrustDomain,
      expectedSize: options.nodes.length,
      linkPort: ports.link,
      apiPort: ports.api,
      join: joins.filter((_, other) => other !== index),
      ...(options.modulesPath === undefined
        ? {}
        : { modulesPath: relative(final.node(id).folder, options.modulesPath) }),
    });
    await writePublic(draft.node(id).config, text);
  }
  await writeProfile(draft, clusterId, options.nodes, options.ports);
}

async function fillNode(
  draft: ClusterLayout,
  crypto: Crypto,
  ca: IssuedCertificate,
  id: NodeId,
  now: number,
): Promise<void> {
  const files = draft.node(id);
  const names = { dns: ['localhost', hostname()].filter(isDnsName), ip: ['127.0.0.1', '::1'] };
  const validity = { notBefore: now - 3_600_000, notAfter: now + 90 * dayMs };
  const key = crypto.generateKeyPair('p256');
  const certificate = issueNodeCertificate(crypto, {
    ca,
    publicKey: key.publicKey,
    nodeId: id,
    trustDomain: developmentTrustDomain,
    ...names,
    ...validity,
  });
  await writePublic(files.certificate, unwrap(certificate));
  await writeSecret(files.key, privateKeyToPem(key.privateKey));
  await writeSecret(files.claimKey, privateKeyToPem(crypto.generateKeyPair('ed25519').privateKey));
  await writeSecret(files.vaultKey, createVaultRing(crypto).toText());
  const apiKey = crypto.generateKeyPair('p256');
  const api = issueServerCertificate(crypto, {
    ca,
    publicKey: apiKey.publicKey,
    commonName: id,
    ...names,
    ...validity,
  });
  await writePublic(files.apiCertificate, unwrap(api));
  await writeSecret(files.apiKey, privateKeyToPem(apiKey.privateKey));
}

const isDnsName = (name: string): boolean => /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name);

/** Where the command line finds the nodes; paths are relative to the file. */
export async function writeProfile(
  layout: ClusterLayout,
  clusterId: string,
  nodes: readonly NodeId[],
  ports: readonly { readonly api: number }[],
): Promise<void> {
  const near = (path: string) => relative(layout.root, path);
  const profile = {
    version: 1,
    clusterId,
    ca: near(layout.caCert),
    apiKeyFile: near(layout.apiKey),
    nodes: nodes.map((id, index) => ({ id, api: `https://127.0.0.1:${ports[index]!.api}` })),
  };
  await writePublic(layout.profile, `${JSON.stringify(profile, undefined, 2)}\n`);
}

async function write(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = join(dirname(path), `.${process.pid}.tmp`);
  await writeFile(beside, text, { mode });
  await rename(beside, path);
}
const writePublic = (path: string, text: string): Promise<void> => write(path, text, 0o644);
const writeSecret = (path: string, text: string): Promise<void> => write(path, text, 0o600);
