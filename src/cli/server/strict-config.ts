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
    authentication:
      # The key itself is in api.key: keep it for the command line, or replace both.
      api_keys_path: api-keys.json
  agents:
    policy_path: policy.yaml
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

export const emptyPolicy = `# Who may send what to which agent, beside what agents bring themselves. Nothing is allowed that is not named.
policies: []
`;
