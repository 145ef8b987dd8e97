import { join } from 'node:path';
import type { NodeId } from '../names.ts';

/** The files of a development cluster’s folder (`.caxton/`). Folders are 0700, keys 0600. */
export interface ClusterLayout {
  readonly root: string;
  readonly profile: string;
  readonly policy: string;
  readonly clusterId: string;
  readonly caCert: string;
  readonly caKey: string;
  readonly gossipKey: string;
  readonly deployerKey: string;
  readonly authorityKey: string;
  readonly authorityPublic: string;
  readonly apiKey: string;
  readonly apiKeyHashes: string;
  readonly notices: string;
  readonly trustNotice: string;
  readonly policiesNotice: string;
  readonly apiKeysNotice: string;
  node(id: NodeId): NodeLayout;
}

export interface NodeLayout {
  readonly folder: string;
  readonly config: string;
  readonly certificate: string;
  readonly key: string;
  readonly claimKey: string;
  readonly apiCertificate: string;
  readonly apiKey: string;
  readonly vaultKey: string;
}

export function clusterLayout(root: string): ClusterLayout {
  return {
    root,
    profile: join(root, 'profile.json'),
    policy: join(root, 'policy.yaml'),
    clusterId: join(root, 'cluster.id'),
    caCert: join(root, 'ca', 'ca.crt'),
    caKey: join(root, 'ca', 'ca.key'),
    gossipKey: join(root, 'keys', 'gossip.key'),
    deployerKey: join(root, 'keys', 'deployer.key'),
    authorityKey: join(root, 'keys', 'authority.key'),
    authorityPublic: join(root, 'keys', 'authority.pub'),
    apiKey: join(root, 'keys', 'api.key'),
    apiKeyHashes: join(root, 'keys', 'api-keys.json'),
    notices: join(root, 'notices'),
    trustNotice: join(root, 'notices', 'trust.notice'),
    policiesNotice: join(root, 'notices', 'policies.notice'),
    apiKeysNotice: join(root, 'notices', 'api-keys.notice'),
    node(id) {
      const folder = join(root, 'nodes', id);
      return {
        folder,
        config: join(folder, 'node.yaml'),
        certificate: join(folder, 'node.crt'),
        key: join(folder, 'node.key'),
        claimKey: join(folder, 'claim.key'),
        apiCertificate: join(folder, 'api.crt'),
        apiKey: join(folder, 'api.key'),
        vaultKey: join(folder, 'vault.key'),
      };
    },
  };
}
