import type { NodeId, TrustDomain } from '../../names.ts';

/** What the node.yaml of a node that others depend on says. */
export interface StrictFacts {
  /** The command that makes it. */
  readonly madeBy: string;
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  readonly expectedSize: number;
  readonly profile: string;
  readonly bind: string;
  readonly advertise: string;
  readonly apiBind: string;
  readonly join: readonly string[];
  readonly authorityFiles: readonly string[];
  /** Management APIs of CA nodes. */
  readonly caNodes: readonly string[];
  /** Keys of the node’s own, for as long as it has no document of the cluster’s. */
  readonly apiKeysFile: string | undefined;
  /** Makes it a CA node. */
  readonly ca?: {
    readonly keyPath: string;
    readonly certificatePath: string;
    readonly passphrasePath: string | undefined;
  };
}

/** A node.yaml that is strict, and not for development. Texts are quoted as JSON is. */
export function strictConfig(facts: StrictFacts): string {
  const list = (items: readonly string[]) =>
    items.length === 0 ? ' []' : items.map((item) => `\n      - ${JSON.stringify(item)}`).join('');
  return `# ${facts.nodeId}, made by \`${facts.madeBy}\`. Every key is explained in config/node.yaml of the project.
# Paths are relative to this file.
node:
  id: ${JSON.stringify(facts.nodeId)}
  certificate_path: node.crt
  private_key_path: node.key
  ca_certificate_path: ca.crt
  claim_key_path: claim.key
  data_path: data
  rotation:
    # Asked for a new certificate when this node comes back after its own has ended.
    ca_nodes:${list(facts.caNodes)}
${caBlock(facts)}
cluster:
  id: ${JSON.stringify(facts.clusterId)}
  trust_domain: ${JSON.stringify(facts.trustDomain)}
  expected_size: ${facts.expectedSize}
  bind: ${JSON.stringify(facts.bind)}
  advertise: ${JSON.stringify(facts.advertise)}
  join:${list(facts.join)}
  profile: ${JSON.stringify(facts.profile)}
  authority_keys:${list(facts.authorityFiles)}
  notices_path: notices

api:
  bind: ${JSON.stringify(facts.apiBind)}

security:
  cluster:
    gossip:
      key_path: gossip.key
  api:
    tls:
      # The node’s own certificate, which it renews.
      cert: node.crt
      key: node.key
${keysBlock(facts)}  # Who may send what to which agent is the cluster’s document: caxton policy publish. A file named by policy_path here could
  # only narrow it.
  agents:
    cluster_policy: required
  vault:
    key_path: vault.key
  audit:
    log_path: audit
`;
}

const caBlock = ({ ca }: StrictFacts): string =>
  ca === undefined
    ? ''
    : `  # A CA node: it renews the certificates of the others and lets newcomers in. Give it no agents.
  ca:
    key_path: ${JSON.stringify(ca.keyPath)}
    certificate_path: ${JSON.stringify(ca.certificatePath)}
${ca.passphrasePath === undefined ? '' : `    passphrase_path: ${JSON.stringify(ca.passphrasePath)}\n`}`;

const keysBlock = ({ apiKeysFile }: StrictFacts): string =>
  apiKeysFile === undefined
    ? '    # Which keys count is the cluster’s document: caxton api-key list.\n'
    : `    authentication:
      # Until the node holds the cluster’s document of keys (caxton api-key list), the key in api.key counts here alone.
      api_keys_path: ${JSON.stringify(apiKeysFile)}
`;
