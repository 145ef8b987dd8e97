import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { certificateEnd } from '../actors/cluster/identity/pem.ts';
import { readYaml } from '../config/problems.ts';
import {
  type IssuedCertificate,
  issueCa,
  issueNodeCertificate,
  issueServerCertificate,
} from '../crypto/certificate.ts';
import { privateKeyToPem } from '../crypto/keys.ts';
import { type Crypto, osCrypto } from '../crypto/port.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import type { NodeId, TrustDomain } from '../names.ts';
import { type PolicySet, parsePolicy } from '../protocols/authorization/policy.ts';
import { type ClusterLayout, clusterLayout } from './layout.ts';
import { newApiKey, newCluster, newNodeKeys, profileText } from './new-cluster.ts';
import { nodeYaml } from './templates.ts';
import { makeWholeFolder, takenBy } from './whole-folder.ts';

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
  /** The nodes that renew the certificates of all; without them each renews its own. */
  readonly caNodes?: readonly NodeId[];
  /** The folder with the code of agents that the nodes may run; none without it. */
  readonly modulesPath?: string;
  /** The text of policy.yaml. */
  readonly policy: string;
  /** The policy and the API key are documents of the cluster, and not files that each node reads. */
  readonly asDocuments?: true;
}

/**
 * Makes everything that a development cluster needs, in a folder beside the final one that is renamed when it is
 * complete: a start that dies halfway leaves nothing that looks finished. Does nothing when the cluster exists.
 * FILE_UNREADABLE when the folder cannot be had, CERTIFICATE_REFUSED when the cluster in it is older than its
 * certificates.
 *
 * @returns whether it was made now.
 */
export async function initialiseCluster(options: InitOptions): Promise<boolean> {
  const final = clusterLayout(options.root);
  if (existsSync(final.profile)) {
    await checkValidity(final, options);
    return false;
  }
  await checkRoom(final.root);
  await makeWholeFolder(options.root, (draft) => fill(clusterLayout(draft), final, options));
  return true;
}

/** A cluster is made where nothing is, or in an empty folder: whatever else lies there is somebody’s. */
async function checkRoom(root: string): Promise<void> {
  const taken = await takenBy(root);
  if (taken) throw new CaxtonError('FILE_UNREADABLE', `${root} ${whatIsTaken[taken]}`);
}

const whatIsTaken = {
  'dead link': 'is a symbolic link that leads nowhere: mend it, or name another folder.',
  'no folder': 'is not a folder: name another for the development cluster.',
  files: 'holds files and no profile.json, so it is no whole development cluster: remove it, or name another.',
} as const;

/** Certificates of a development cluster hold for 90 days, as what its deployer signs does: then it is made anew. */
async function checkValidity({ root, node }: ClusterLayout, { nodes, now }: InitOptions): Promise<void> {
  for (const id of nodes) {
    const pem = await readFile(node(id).apiCertificate, 'utf8').catch(() => '');
    // What cannot be read is told of by the node that needs it.
    const end = certificateEnd(pem);
    if (end === undefined || end > now) continue;
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `The development cluster in ${root} is over: the certificates of ${id} ended at ${new Date(end).toISOString()}.`,
      'Remove the folder, and the next start makes it anew; or name another folder. Its audit logs go with it.',
    ]);
  }
}

async function fill(draft: ClusterLayout, final: ClusterLayout, options: InitOptions): Promise<void> {
  const crypto = options.crypto ?? osCrypto;
  const { now } = options;
  const ca = issueCa(crypto, {
    trustDomain: developmentTrustDomain,
    notBefore: now - 3_600_000,
    notAfter: now + 3_650 * dayMs,
  });
  await writePublic(draft.caCert, ca.certPem);
  await writeSecret(draft.caKey, ca.keyPem);

  const made = newCluster(crypto, now);
  const { clusterId } = made;
  await writeSecret(draft.authorityKey, made.authorityKey);
  await writePublic(draft.authorityPublic, made.authorityPublic);
  await writeSecret(draft.deployerKey, made.deployerKey);
  await writeSecret(draft.gossipKey, made.gossipKey);
  await writePublic(draft.trustNotice, made.trustNotice);
  const apiKey = newApiKey(crypto, 'dev', now);
  await writeSecret(draft.apiKey, apiKey.key);
  await writeSecret(draft.apiKeyHashes, apiKey.hashes);
  await writePublic(draft.policy, options.policy);
  if (options.asDocuments) {
    await writePublic(draft.policiesNotice, made.sign('policies', policiesIn(options.policy, draft.policy)));
    await writePublic(draft.apiKeysNotice, made.sign('api-keys', apiKey.document));
  }

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
      asDocuments: options.asDocuments === true,
      renewal: options.caNodes === undefined ? 'itself' : options.caNodes.includes(id) ? 'ca-node' : 'by-ca-node',
      ...(options.modulesPath === undefined
        ? {}
        : { modulesPath: relative(final.node(id).folder, options.modulesPath) }),
    });
    await writePublic(draft.node(id).config, text);
  }
  await writeProfile(draft, clusterId, options.nodes, options.ports);
}

function policiesIn(text: string, file: string): PolicySet {
  const { value, lineOf } = readYaml(text);
  return unwrap(parsePolicy(value, file, lineOf));
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
  const keys = newNodeKeys(crypto);
  const certificate = issueNodeCertificate(crypto, {
    ca,
    publicKey: keys.pair.publicKey,
    nodeId: id,
    trustDomain: developmentTrustDomain,
    ...names,
    ...validity,
  });
  await writePublic(files.certificate, unwrap(certificate));
  await writeSecret(files.key, keys.keyPem);
  await writeSecret(files.claimKey, keys.claimKey);
  await writeSecret(files.vaultKey, keys.vaultKey);
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
  const text = profileText({
    clusterId,
    ca: near(layout.caCert),
    apiKeyFile: near(layout.apiKey),
    nodes: nodes.map((id, index) => ({ id, api: `https://127.0.0.1:${ports[index]!.api}` })),
  });
  await writePublic(layout.profile, text);
}

async function write(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const beside = join(dirname(path), `.${process.pid}.tmp`);
  await writeFile(beside, text, { mode });
  await rename(beside, path);
}
const writePublic = (path: string, text: string): Promise<void> => write(path, text, 0o644);
const writeSecret = (path: string, text: string): Promise<void> => write(path, text, 0o600);
