import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, type Node } from '../../../src/actors/node.ts';
import { loadConfig, type NodeConfig } from '../../../src/config.ts';
import type { IssuedCertificate } from '../../../src/crypto/certificate.ts';
import { privateKeyFromPem } from '../../../src/crypto/keys.ts';
import { initialiseCluster } from '../../../src/development/initialise.ts';
import { type ClusterLayout, clusterLayout } from '../../../src/development/layout.ts';
import { anyPorts, claimPorts } from '../../../src/development/ports.ts';
import { unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';
import type { Credentials } from './mint.ts';
import { until } from './until.ts';

/** A record of the audit log, as far as tests look at it. */
export interface AuditEntry {
  readonly type: string;
  readonly sourceIp: string;
  readonly code?: string;
  readonly reasons: readonly string[];
  /** How many it stands for, when it stands for many. */
  readonly count?: number;
}

/**
 * A node as users run it, `target`, in this process: real sockets, files and certificates in a folder of its own. A
 * `friend` on another port of its own is what it must go on serving. `stranger` has keys and a certificate of the
 * cluster and never runs, so that an attacker can be it.
 */
export interface BootedNode {
  readonly node: Node;
  readonly config: NodeConfig;
  readonly layout: ClusterLayout;
  /** The cluster’s own CA with its key: for certificates that it should never have issued. */
  readonly ca: IssuedCertificate;
  /** What a node of the cluster shows. */
  credentialsOf(node: 'target' | 'friend' | 'stranger'): Credentials;
  /** The newest records of the target’s audit log, oldest first. */
  auditTail(limit?: number): Promise<readonly AuditEntry[]>;
  /** Waits for a record of this type and source whose reasons match. */
  audited(type: string, sourceIp: string, reason: RegExp): Promise<AuditEntry>;
  /** The sum of a metric over the series with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Asks an agent of the target from the friend’s node, over their link; throws when no answer comes. */
  serves(): Promise<void>;
  /** The friend starts anew, so that it must be let in again; then `serves`. */
  letsIn(): Promise<void>;
  dispose(): Promise<void>;
}

const nodes = ['target', 'friend'] as NodeId[];
const [targetId, friendId] = nodes as [NodeId, NodeId];

/** `seeds` is called before the target starts, and gives more addresses that it dials. */
export async function bootNode(
  seeds: (layout: ClusterLayout, config: NodeConfig) => Promise<readonly string[]> = () => Promise.resolve([]),
): Promise<BootedNode> {
  const home = await mkdtemp(join(tmpdir(), 'caxton-attack-'));
  const layout = clusterLayout(join(home, 'cluster'));
  const ports = await claimPorts(layout.root, nodes, anyPorts);
  const spare = ['stranger'] as NodeId[];
  const now = Date.now();
  await initialiseCluster({ root: layout.root, now, nodes, spare, ports: ports.list, policy: 'policies: []\n' });
  const read = (file: string): string => readFileSync(file, 'utf8');
  const deployer = unwrap(privateKeyFromPem(read(layout.deployerKey)));
  const configOf = (id: NodeId): NodeConfig => {
    const file = layout.node(id).config;
    return unwrap(loadConfig(read(file), { file }));
  };
  const config = configOf(targetId);
  const node = await createNode(config, { deployer, join: await seeds(layout, config) });
  await node.deploy(
    'default/echo',
    (message, agent) => void agent.reply(message, { performative: 'inform', content: message.content }),
    { policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request'] }] } },
  );
  const friend = await startFriend(configOf(friendId), deployer);
  const booted: BootedNode = {
    node,
    config,
    layout,
    ca: { certPem: read(layout.caCert), keyPem: read(layout.caKey) },
    credentialsOf: (id) => {
      const { certificate, key } = layout.node(id as NodeId);
      return { cert: read(certificate), key: read(key) };
    },
    auditTail: async (limit = 1_000) => unwrap(await node.control.auditTail({ limit })) as readonly AuditEntry[],
    async audited(type, sourceIp, reason) {
      const found = async () =>
        (await booted.auditTail()).find(
          (entry) => entry.type === type && entry.sourceIp === sourceIp && reason.test(entry.reasons.join(' ')),
        );
      await until(`${type} of ${sourceIp} like ${reason} is in the audit log`, found);
      return (await found())!;
    },
    metric: (name, labels = {}) =>
      node.control
        .metrics()
        .filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))
        .reduce((sum, { value }) => sum + value, 0),
    serves: () => friend.asks(),
    letsIn: async () => {
      await friend.restart();
      await friend.asks();
    },
    async dispose() {
      await Promise.all([friend.stop(), node.stop()]);
      await rm(home, { recursive: true, force: true });
    },
  };
  await booted.serves();
  return booted;
}

interface Friend {
  asks(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The neighbour whose questions must be answered, whatever else happens. */
async function startFriend(config: NodeConfig, deployer: KeyObject): Promise<Friend> {
  const start = async () => {
    const node = await createNode(config, { deployer });
    return { node, ...(await node.deploy('default/asker', () => {}, { actions: ['request agent:default/*'] })) };
  };
  let running = await start();
  let questions = 0;
  return {
    asks: () =>
      until('the friend is linked and answered', async () => {
        const { node, agent } = running;
        if (!node.control.links().some(({ peer }) => peer === targetId)) return false;
        const content = `question ${++questions}`;
        const answer = await agent.ask({ to: 'default/echo', performative: 'request', content }, { timeoutMs: 2_000 });
        return answer.ok && answer.value.content === content;
      }),
    restart: async () => {
      await running.node.stop();
      running = await start();
    },
    stop: () => running.node.stop(),
  };
}
