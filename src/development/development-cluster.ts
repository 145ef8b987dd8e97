import type { KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { nodeClock } from '../actors/kernel/node-clock.ts';
import { loadConfig, type NodeConfig } from '../config.ts';
import { privateKeyFromPem } from '../crypto/keys.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import { isNodeId, type NodeId } from '../names.ts';
import { initialiseCluster } from './initialise.ts';
import { clusterLayout } from './layout.ts';
import { anyPorts, claimPorts } from './ports.ts';
import { placeOf } from './whole-folder.ts';

export interface DevelopmentClusterOptions {
  /** Where keys, certificates and data live; made when it does not exist. */
  readonly folder: string;
  /** Default: `['node-1']`. */
  readonly nodes?: readonly string[];
  /** The nodes that renew the certificates of all, as in production; by default each renews its own. */
  readonly caNodes?: readonly string[];
  /** The text of policy.yaml when the cluster is made; by default only what agents bring themselves is permitted. */
  readonly policy?: string;
}

/** Keys, certificates and configurations of a cluster on loopback, for a program that embeds its nodes. */
export interface DevelopmentCluster {
  readonly folder: string;
  readonly nodes: readonly NodeId[];
  /** The configuration of one node; of the first without a name. Throws CONFIG_INVALID for one that is not there. */
  config(node?: string): NodeConfig;
  /** The private key whose deployments the cluster trusts. */
  readonly deployer: KeyObject;
}

const noPolicy = `# Who may send what to which agent, beside what agents bring themselves. Nothing is allowed that is not named.
policies: []
`;

/**
 * Makes a development cluster in a folder, or reads the one that is there. Everything listens on loopback; a port that
 * is taken is replaced and written back. Throws CONFIG_INVALID when the folder holds a cluster without these nodes.
 */
export async function developmentCluster(options: DevelopmentClusterOptions): Promise<DevelopmentCluster> {
  const { nodes: names = ['node-1'], policy = noPolicy } = options;
  const folder = await placeOf(options.folder);
  const nodes = names.filter(isNodeId);
  if (nodes.length === 0 || nodes.length < names.length || new Set(nodes).size < nodes.length)
    throw new CaxtonError('CONFIG_INVALID', 'nodes must be different ids of a-z, 0-9, “_” and “-”, at least one.');
  const layout = clusterLayout(folder);
  const missing = existsSync(layout.profile) && nodes.find((id) => !existsSync(layout.node(id).config));
  if (missing)
    throw new CaxtonError(
      'CONFIG_INVALID',
      `The cluster in ${folder} was made without ${missing}: remove the folder to make it anew, or name another.`,
    );
  const ports = await claimPorts(folder, nodes, anyPorts);
  const caNodes = options.caNodes?.filter(isNodeId);
  const made = await initialiseCluster({
    root: folder,
    now: nodeClock.now(),
    nodes,
    ports: ports.list,
    policy,
    ...(caNodes ? { caNodes } : {}),
  });
  if (!made) await ports.writeBack();
  const configs = new Map<string, NodeConfig>();
  for (const id of nodes) {
    const file = layout.node(id).config;
    configs.set(id, unwrap(loadConfig(await readFile(file, 'utf8'), { file })));
  }
  return {
    folder,
    nodes,
    config(node = nodes[0]!) {
      const config = configs.get(node);
      if (config) return config;
      throw new CaxtonError('CONFIG_INVALID', `This cluster has no ${node}; it has ${nodes.join(', ')}.`);
    },
    deployer: unwrap(privateKeyFromPem(await readFile(layout.deployerKey, 'utf8'))),
  };
}
