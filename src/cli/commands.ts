import { accessVerbs } from './access/verbs.ts';
import { deploymentVerbs } from './agent/verbs.ts';
import { capabilityVerbs } from './capability/verbs.ts';
import type { Options, RawVerb, Verb } from './command.ts';
import { nodeOptions } from './node-options.ts';
import { revocationOptions } from './notice/revocation-options.ts';
import { noticeVerbs } from './notice/verbs.ts';
import { securityVerbs } from './security/verbs.ts';

/** Which records are wanted: what verbs understand that print some of them. */
const filterOptions: Options = {
  type: { type: 'string', value: 'TYPE,…', about: 'only records of these types, such as AccessDenied', multiple: true },
  outcome: { type: 'string', value: 'OUTCOME,…', about: 'only success, refused or failure', multiple: true },
  identity: { type: 'string', value: 'TEXT', about: 'only records whose identity has this text in it' },
  since: { type: 'string', value: 'TIME', about: 'only records from this time on, such as 2026-01-31T12:00:00Z' },
};

/** Every verb of the command line. Descriptions stand here, so that help loads nothing else. */
export const verbs: readonly (Verb | RawVerb)[] = [
  {
    noun: 'message',
    verb: 'send',
    summary: 'send a message to an agent and print its reply',
    details: `The message goes out in the name of the node’s console agent, with that agent’s rights. Exit code 1 when it is
refused, and when the agent answers with refuse, failure or not-understood.`,
    options: {
      to: { type: 'string', value: 'TENANT/NAME', about: 'the agent, or service:TENANT/NAME', required: true },
      content: {
        type: 'string',
        value: 'TEXT|-|@FILE',
        about: 'the content; - reads standard input, @FILE a file, @@ stands for @',
        required: true,
        mayBeEmpty: true,
      },
      performative: { type: 'string', value: 'ACT', about: 'the FIPA-ACL act (default request)' },
      protocol: { type: 'string', value: 'NAME', about: 'the protocol of the conversation, such as fipa-request' },
      language: { type: 'string', value: 'text|json', about: 'the language of the content (default text)' },
      timeout: { type: 'string', value: 'TIME', about: 'wait this long for the reply (default 5s; 0s sends only)' },
      ...nodeOptions,
    },
    examples: [
      "caxton message send --to default/echo --content 'hello'",
      'caxton message send --to default/planner --content @plan.json --language json --timeout 1m',
      'date | caxton message send --to default/echo --content - --node node-2 --output json',
    ],
    run: async (invocation) => (await import('./message/send.ts')).send(invocation),
  },
  {
    noun: 'cluster',
    verb: 'init',
    summary: 'make a new cluster and the folder of its first node',
    details: `Also as “caxton init”. The only command that makes a cluster’s id and gossip key: other nodes join with tokens. Makes
a root and an online CA below it, unless a CA is given, the keys of authority and deployer, and the first node with its
certificate and node.yaml: a CA node. Nothing that exists is replaced without --force, which moves it aside.`,
    options: {
      dir: { type: 'string', value: 'DIR', about: 'the folder', required: true },
      'node-id': { type: 'string', value: 'ID', about: 'the id of the first node', required: true },
      bind: { type: 'string', value: 'HOST:PORT', about: 'where it listens for links and gossip', required: true },
      'api-bind': { type: 'string', value: 'HOST:PORT', about: 'where its API listens', required: true },
      advertise: { type: 'string', value: 'HOST:PORT', about: 'where members dial it (default the value of bind)' },
      'expected-size': { type: 'string', value: 'N', about: 'how many nodes the cluster shall have (default 3)' },
      'trust-domain': { type: 'string', value: 'NAME', about: 'its trust domain (default caxton.internal)' },
      dns: { type: 'string', value: 'NAME,…', about: 'more DNS names of the node', multiple: true },
      ip: { type: 'string', value: 'ADDRESS,…', about: 'more IP addresses of the node', multiple: true },
      validity: { type: 'string', value: 'TIME', about: 'how long its certificate holds (default 90d)' },
      'ca-cert': { type: 'string', value: 'FILE', about: 'the certificate of a CA that is there already' },
      'ca-key': { type: 'string', value: 'FILE', about: 'its key, which stays where it is' },
      'root-cert': { type: 'string', value: 'FILE', about: 'the root, when that CA’s file has only the intermediate' },
      'passphrase-file': { type: 'string', value: 'FILE', about: 'the passphrase of that key, mode 0600' },
      force: { type: 'boolean', about: 'move what is in the folder aside' },
      output: { type: 'string', value: 'json|table', about: 'form of the output (default table)' },
    },
    examples: [
      'caxton cluster init --dir /etc/caxton --node-id node-1 --bind 10.0.0.1:7701 --api-bind 10.0.0.1:7801',
      'caxton init --dir c --node-id n1 --bind 127.0.0.1:7701 --api-bind 127.0.0.1:7801 --trust-domain example.org',
    ],
    run: async (invocation) => (await import('./cluster/init.ts')).init(invocation),
  },
  {
    noun: 'cluster',
    verb: 'members',
    summary: 'list the nodes as one node sees them',
    options: nodeOptions,
    examples: ['caxton cluster members', 'caxton cluster members --node node-3 --output json'],
    run: async (invocation) => (await import('./cluster/members.ts')).members(invocation),
  },
  {
    noun: 'cluster',
    verb: 'keys',
    summary: 'show the keys of the gossip: epochs, stage, and who holds which',
    details: 'Keys are shown by a hash, never themselves.',
    options: nodeOptions,
    examples: ['caxton cluster keys', 'caxton cluster keys --node node-2 --output json'],
    run: async (invocation) => (await import('./cluster/keys.ts')).keys(invocation),
  },
  {
    noun: 'cluster',
    verb: 'rotate-key',
    summary: 'have a node propose a new key of the gossip',
    details: `The cluster rotates it by itself, each key_rotation_interval and after each revocation; this is for whoever does not
want to wait. The new key seals as soon as all live members hold it: see caxton cluster keys.`,
    options: nodeOptions,
    examples: ['caxton cluster rotate-key', 'caxton cluster rotate-key --node node-2 --output json'],
    run: async (invocation) => (await import('./cluster/rotate-key.ts')).rotateKey(invocation),
  },
  {
    noun: 'agent',
    verb: 'list',
    summary: 'list the agents and where they live',
    options: {
      service: { type: 'string', value: 'NAME', about: 'only those that offer it: NAME in any tenant, or TENANT/NAME' },
      host: { type: 'string', value: 'ID', about: 'only those that this node hosts' },
      tenant: { type: 'string', value: 'NAME', about: 'only those of this tenant' },
      ...nodeOptions,
    },
    examples: [
      'caxton agent list',
      'caxton agent list --service shop/payments --output json',
      'caxton agent list --host node-2 --tenant shop',
    ],
    run: async (invocation) => (await import('./agent/list.ts')).list(invocation),
  },
  {
    noun: 'agent',
    verb: 'inspect',
    summary: 'show one agent: where it lives, what it offers, and whether others claim its name',
    argument: { name: 'agent', value: 'TENANT/NAME', about: 'the agent' },
    options: nodeOptions,
    examples: ['caxton agent inspect default/echo', 'caxton agent inspect shop/till-1 --node node-2 --output json'],
    run: async (invocation) => (await import('./agent/inspect.ts')).inspect(invocation),
  },
  {
    noun: 'audit',
    verb: 'tail',
    summary: 'print the newest records of a node’s audit log',
    details: 'With --output json, --follow prints one record a line.',
    options: {
      limit: { type: 'string', value: 'N', about: 'how many records (default 20)' },
      follow: { type: 'boolean', short: 'f', about: 'go on with the records that come' },
      ...filterOptions,
      ...nodeOptions,
    },
    examples: [
      'caxton audit tail',
      'caxton audit tail --follow --outcome refused,failure',
      'caxton audit tail --limit 200 --node node-2 --output json',
    ],
    run: async (invocation) => (await import('./audit/tail.ts')).tail(invocation),
  },
  {
    noun: 'audit',
    verb: 'verify',
    summary: 'check that a node’s audit log is what it was',
    details: `Without more, the node checks its own log and says who countersigned it. With --against-witness its peers are asked
what they countersigned, and the proofs are checked here. With --offline a copy of the log’s folder is checked, and with
--proof a file of “caxton audit prove”; neither asks a node. What the cluster has revoked they only know
with --revocations. Exit code 1 when something does not hold.`,
    options: {
      from: { type: 'string', value: 'SEQ', about: 'only the segments from this record on' },
      to: { type: 'string', value: 'SEQ', about: 'and up to this one' },
      'against-witness': { type: 'boolean', about: 'ask every other node of the profile as well' },
      proof: { type: 'string', value: 'FILE', about: 'check the proof of one record' },
      offline: { type: 'string', value: 'DIR', about: 'check a copy of a log’s folder' },
      vault: { type: 'string', value: 'FILE', about: 'the key ring that opens it (with --offline)' },
      evidence: { type: 'string', value: 'FILE', about: 'checkpoints from elsewhere, JSON lines (with --offline)' },
      ca: { type: 'string', value: 'FILE', about: 'the cluster’s CA certificate (default: the profile’s)' },
      ...revocationOptions,
      ...nodeOptions,
    },
    examples: [
      'caxton audit verify',
      'caxton audit verify --node node-2 --against-witness',
      'caxton audit verify --proof record-17.tlog-proof --ca ca.crt',
      'caxton audit verify --offline ./audit-copy --vault vault.key --ca ca.crt',
    ],
    run: async (invocation) => (await import('./audit/verify.ts')).verify(invocation),
  },
  {
    noun: 'audit',
    verb: 'export',
    summary: 'write records of a node’s audit log for another program',
    details: `json and ocsf are one object a line, cef one event a line, csv a table. A record’s number (seq) tells it apart
from all others of the node.`,
    options: {
      format: { type: 'string', value: 'json|ocsf|cef|csv', about: 'form of the records (default json)' },
      from: { type: 'string', value: 'SEQ', about: 'the first record (default 1)' },
      to: { type: 'string', value: 'SEQ', about: 'the last record (default the newest)' },
      file: { type: 'string', value: 'FILE', about: 'a new file, mode 0600 (default standard output)' },
      ...filterOptions,
      node: nodeOptions.node!,
      profile: nodeOptions.profile!,
    },
    examples: [
      'caxton audit export --format csv --file audit.csv',
      'caxton audit export --format ocsf --since 2026-01-31',
    ],
    run: async (invocation) => (await import('./audit/export.ts')).exportRecords(invocation),
  },
  {
    noun: 'audit',
    verb: 'prove',
    summary: 'print one record with all that shows that it is in the log',
    details:
      'Whoever has the CA’s certificate can check it without a node: caxton audit verify --proof FILE --ca FILE.',
    argument: { name: 'sequence', value: 'SEQ', about: 'the sequence of the record' },
    options: {
      out: { type: 'string', value: 'FILE', about: 'write it there (default: print it)' },
      ...nodeOptions,
    },
    examples: ['caxton audit prove 17', 'caxton audit prove 17 --node node-2 --out record-17.tlog-proof'],
    run: async (invocation) => (await import('./audit/prove.ts')).prove(invocation),
  },
  {
    noun: 'audit',
    verb: 'accept',
    summary: 'go on with the audit log of a node that lost records',
    details: `For a log that its witnesses do not countersign any more, once you know why and have saved what is left. What was
signed of it before stays in the audit logs of its witnesses.`,
    argument: { name: 'log', value: 'NODE', about: 'whose log it is' },
    options: nodeOptions,
    examples: ['caxton audit accept node-2', 'caxton audit accept node-2 --node node-1'],
    run: async (invocation) => (await import('./audit/accept.ts')).accept(invocation),
  },
  {
    noun: 'server',
    verb: 'start',
    summary: 'run a node in this process until it is stopped',
    options: {
      config: { type: 'string', value: 'FILE', about: 'node.yaml (default $CAXTON_CONFIG, .caxton/, /etc/caxton/)' },
      join: { type: 'string', value: 'HOST:PORT,…', about: 'link addresses of members to join', multiple: true },
    },
    examples: [
      'caxton server start --config .caxton/nodes/node-1/node.yaml',
      'caxton server start --config /etc/caxton/node.yaml --join 10.0.0.5:7701,10.0.0.6:7701',
    ],
    run: async (invocation) => (await import('./server/start.ts')).start(invocation),
  },
  {
    noun: 'server',
    verb: 'status',
    summary: 'show what a node is and what it is doing',
    options: nodeOptions,
    examples: ['caxton server status', 'caxton server status --node node-2 --output json'],
    run: async (invocation) => (await import('./server/status.ts')).status(invocation),
  },
  {
    noun: 'server',
    verb: 'metrics',
    summary: 'print what a node has counted since its start',
    options: nodeOptions,
    examples: ['caxton server metrics', 'caxton server metrics --node node-2 --output json'],
    run: async (invocation) => (await import('./server/metrics.ts')).metrics(invocation),
  },
  {
    noun: 'server',
    verb: 'stop',
    summary: 'let a node drain and stop',
    details: 'With several nodes in the profile, --node has to say which.',
    options: nodeOptions,
    examples: ['caxton server stop --node node-2'],
    run: async (invocation) => (await import('./server/stop.ts')).stop(invocation),
  },
  {
    noun: 'server',
    verb: 'join',
    summary: 'make a new node’s files with a join token',
    details: `Makes a key that stays here, enrols with the CA node, and writes a folder with all that the node needs. The same command
again goes on where it was cut short.`,
    options: {
      'token-file': { type: 'string', value: 'FILE', about: 'the join token, mode 0600', required: true },
      dir: { type: 'string', value: 'DIR', about: 'where the node’s files go', required: true },
      bind: { type: 'string', value: 'HOST:PORT', about: 'where it listens for links and gossip', required: true },
      'api-bind': { type: 'string', value: 'HOST:PORT', about: 'where its API listens', required: true },
      advertise: { type: 'string', value: 'HOST:PORT', about: 'where members dial it (default the value of bind)' },
      output: { type: 'string', value: 'json|table', about: 'form of the output (default table)' },
    },
    examples: [
      'caxton server join --token-file node-4.token --dir /etc/caxton --bind 10.0.0.4:7701 --api-bind 10.0.0.4:7801',
    ],
    run: async (invocation) => (await import('./server/join.ts')).join(invocation),
  },
  ...accessVerbs,
  ...deploymentVerbs,
  ...capabilityVerbs,
  ...noticeVerbs,
  ...securityVerbs,
  {
    noun: 'dev',
    verb: 'start',
    summary: 'start a development cluster of three nodes on loopback',
    options: {
      once: { type: 'boolean', about: 'run the conversation, stop everything and exit' },
      dir: { type: 'string', value: 'DIR', about: 'where keys, certificates and data live (default .caxton)' },
    },
    examples: ['caxton dev start', 'caxton dev start --once --dir /tmp/try'],
    runRaw: async (argv) => (await import('./dev/start.ts')).run(argv),
  },
];
