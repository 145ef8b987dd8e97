import type { NodeId, TrustDomain } from '../names.ts';

export interface NodeYamlFacts {
  readonly id: NodeId;
  readonly clusterId: string;
  readonly trustDomain: TrustDomain;
  readonly expectedSize: number;
  readonly linkPort: number;
  readonly apiPort: number;
  readonly join: readonly string[];
  readonly modulesPath?: string;
  /** Policy and API keys are documents of the cluster. */
  readonly asDocuments?: boolean;
  /** Who renews its certificate: itself with the CA’s key (the default), as a CA node for others too, or a CA node for it. */
  readonly renewal?: 'itself' | 'ca-node' | 'by-ca-node';
}

/** The node.yaml of one development node: short; config/node.yaml explains every key. */
export function nodeYaml(facts: NodeYamlFacts): string {
  return `# ${facts.id} of a development cluster on loopback. Every key is explained in config/node.yaml of the project.
# Paths are relative to this file.
development: true
show_message_previews: true

node:
  id: ${facts.id}
  certificate_path: node.crt
  private_key_path: node.key
  ca_certificate_path: ../../ca/ca.crt
  claim_key_path: claim.key
  data_path: .
  rotation:
    enabled: true
    check_interval: 24h
    renewal_threshold: 30d
${renewals[facts.renewal ?? 'itself']}

cluster:
  id: ${facts.clusterId}
  trust_domain: ${facts.trustDomain}
  expected_size: ${facts.expectedSize}
  bind: 127.0.0.1:${facts.linkPort}
  join:${facts.join.length === 0 ? ' []' : facts.join.map((address) => `\n    - ${address}`).join('')}
  profile: local
  authority_keys:
    - ../../keys/authority.pub
  notices_path: ../../notices

api:
  bind: 127.0.0.1:${facts.apiPort}

${facts.modulesPath === undefined ? '# No agents.modules_path: this node runs no code but what its program brings.' : `agents:\n  modules_path: ${facts.modulesPath}`}

security:
  cluster:
    gossip:
      encryption: true
      key_rotation_interval: 24h
      key_path: ../../keys/gossip.key
  api:
    tls:
      enabled: true
      cert: api.crt
      key: api.key
      min_version: "1.3"
    authentication:
      methods: [api_key]
${facts.asDocuments ? '      # Which keys count is a document of the cluster: caxton api-key list.' : '      api_keys_path: ../../keys/api-keys.json'}
    rate_limiting:
      enabled: true
      default_limit: 1000/min
  agents:
    require_signed_deployment: true
    capability_enforcement: strict
    sandbox_enforcement: strict
${facts.asDocuments ? policyAsDocument : '    policy_path: ../../policy.yaml'}
  vault:
    key_path: vault.key
  audit:
    enabled: true
    log_path: audit
    retention_days: 90
    forward_to_siem: false
`;
}

const policyAsDocument = `    # Who may say what to whom is a document of the cluster, made of policy.yaml. After a change there:
    #   caxton policy publish .caxton/policy.yaml --authority-key .caxton/keys/authority.key
    cluster_policy: required`;

const renewals: Readonly<Record<NonNullable<NodeYamlFacts['renewal']>, string>> = {
  itself: `    # Only in development: a node that holds the CA's key renews its own certificate.
    ca_key_path: ../../ca/ca.key`,
  'ca-node': `  # It renews the certificates of the other nodes.
  ca:
    key_path: ../../ca/ca.key`,
  'by-ca-node': '    # A CA node renews its certificate.',
};

/** Who may say what to whom in the development cluster. */
export function policyYaml(): string {
  return `# Who may send what to which agent. Nothing is allowed that is not named here; a capability is needed on top.
# The format is explained in config/policy.yaml of the project.
policies:
  # The operator's console may ask these three.
  - receiver: default/echo
    allowed_senders: [default/*]
    permitted_operations:
      - performatives: [request, query-ref]
  - receiver: default/planner
    allowed_senders: [default/console-node-1, default/console-node-2, default/console-node-3]
    permitted_operations:
      - performatives: [request]
  - receiver: default/intruder
    allowed_senders: [default/console-node-1, default/console-node-2, default/console-node-3]
    permitted_operations:
      - performatives: [request]
  # Workers take part in the planner's contract nets and listen to nobody else.
  - receiver: default/worker-a
    allowed_senders: [default/planner]
    permitted_operations:
      - performatives: [cfp, accept-proposal, reject-proposal, cancel]
        protocols: [fipa-contract-net]
    rate_limits:
      default: 100/s
  - receiver: default/worker-b
    allowed_senders: [default/planner]
    permitted_operations:
      - performatives: [cfp, accept-proposal, reject-proposal, cancel]
        protocols: [fipa-contract-net]
    rate_limits:
      default: 100/s
`;
}
