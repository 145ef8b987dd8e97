import type { Options, Verb } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { revocationOptions } from '../notice/revocation-options.ts';

/** What a verb that changes a vault’s key ring understands. */
const vaultOptions: Options = {
  output: { type: 'string', value: 'json|table', about: 'form of the output (default table)' },
  config: { type: 'string', value: 'FILE', about: 'node.yaml (default $CAXTON_CONFIG, .caxton/, /etc/caxton/)' },
  file: { type: 'string', value: 'FILE', about: 'the key ring itself, instead of the one that node.yaml names' },
};

const outputForm: Options = {
  output: { type: 'string', value: 'json|table', about: 'form of the output (default table)' },
};

/** The CA that signs, and how its key is opened. */
const caOptions: Options = {
  'ca-cert': { type: 'string', value: 'FILE', about: 'the CA’s certificate', required: true },
  'ca-key': { type: 'string', value: 'FILE', about: 'the CA’s key, mode 0600', required: true },
};

const passphraseOptions: Options = {
  'passphrase-file': {
    type: 'string',
    value: 'FILE',
    about: 'the passphrase of the CA key, mode 0600 (else $CAXTON_CA_PASSPHRASE, else asked for)',
  },
};

/** The verbs of `caxton security`. */
export const securityVerbs: readonly Verb[] = [
  {
    noun: 'security',
    verb: 'init-ca',
    summary: 'make a CA: a root, or one below a root that stays offline',
    details: `Without more, a root. With --parent-cert and --parent-key, an online CA below that root: it may sign names of the
trust domain alone (URI name constraint) and no further CA (path length 0). The key is encrypted when a passphrase is
given or --encrypt asks for one. Nothing that exists is replaced without --force.`,
    options: {
      'ca-cert': { type: 'string', value: 'FILE', about: 'where the certificate goes', required: true },
      'ca-key': { type: 'string', value: 'FILE', about: 'where the key goes, mode 0600', required: true },
      validity: { type: 'string', value: 'TIME', about: 'how long (default 3650d; below a root 365d)' },
      'trust-domain': { type: 'string', value: 'NAME', about: 'whose CA it is (default caxton.internal)' },
      'parent-cert': { type: 'string', value: 'FILE', about: 'the root’s certificate, for a CA below it' },
      'parent-key': { type: 'string', value: 'FILE', about: 'the root’s key' },
      encrypt: { type: 'boolean', about: 'encrypt the key, and ask for the passphrase if it is not given' },
      force: { type: 'boolean', about: 'replace files that exist' },
      ...passphraseOptions,
    },
    examples: [
      'caxton security init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org --encrypt',
      'caxton security init-ca --parent-cert root.crt --parent-key root.key --ca-cert ca.crt --ca-key ca.key',
    ],
    run: async (invocation) => (await import('./init-ca.ts')).initCa(invocation),
  },
  {
    noun: 'security',
    verb: 'gen-cert',
    summary: 'issue a node’s certificate with a new key',
    details: `Writes node.crt (with the intermediate behind it, when one signed), node.key (mode 0600) and ca.crt (the root) into
a folder. A certificate never outlives its CA: it is made shorter, and that is said.`,
    options: {
      'node-id': { type: 'string', value: 'ID', about: 'whose certificate', required: true },
      ...caOptions,
      'root-cert': { type: 'string', value: 'FILE', about: 'the root, when the CA’s file has only the intermediate' },
      output: { type: 'string', value: 'DIR', about: 'the folder', required: true },
      dns: { type: 'string', value: 'NAME', about: 'a DNS name of the node', multiple: true },
      ip: { type: 'string', value: 'ADDR', about: 'an IP address of the node', multiple: true },
      validity: { type: 'string', value: 'TIME', about: 'how long (default 90d)' },
      force: { type: 'boolean', about: 'replace files that exist' },
      ...passphraseOptions,
    },
    examples: [
      'caxton security gen-cert --node-id node-1 --ca-cert ca.crt --ca-key ca.key --output certs/',
      'caxton security gen-cert --node-id n2 --ca-cert ca.crt --ca-key ca.key --output n2/ --ip 10.0.0.2',
    ],
    run: async (invocation) => (await import('./gen-cert.ts')).genCert(invocation),
  },
  {
    noun: 'security',
    verb: 'renew-cert',
    summary: 'renew a node’s certificate when it ends soon',
    details: `The same names, the same length of life, a new key each time. Files are those of node.yaml, or the ones named. Exit
code 0 also when it is not due. Certificate and key are replaced so that a node starts after a crash in the middle.`,
    options: {
      'before-expiry': { type: 'string', value: 'TIME', about: 'renew when less is left (default 30d)' },
      config: { type: 'string', value: 'FILE', about: 'node.yaml (default $CAXTON_CONFIG, .caxton/, /etc/caxton/)' },
      cert: { type: 'string', value: 'FILE', about: 'the certificate (default: that of node.yaml)' },
      key: { type: 'string', value: 'FILE', about: 'its key (default: that of node.yaml, or node.key beside --cert)' },
      'ca-cert': { type: 'string', value: 'FILE', about: 'the CA’s certificate (default: that of node.yaml)' },
      'ca-key': { type: 'string', value: 'FILE', about: 'the CA’s key (default: node.rotation.ca_key_path)' },
      'root-cert': { type: 'string', value: 'FILE', about: 'the roots that the node believes' },
      validity: { type: 'string', value: 'TIME', about: 'how long (default: as the old one)' },
      force: { type: 'boolean', about: 'renew it now' },
      ...passphraseOptions,
    },
    examples: [
      'caxton security renew-cert --before-expiry 30d',
      'caxton security renew-cert --cert certs/node.crt --key certs/node.key --ca-cert ca.crt --ca-key ca.key',
    ],
    run: async (invocation) => (await import('./renew-cert.ts')).renewCert(invocation),
  },
  {
    noun: 'security',
    verb: 'inspect',
    summary: 'show what stands in a certificate, key, request or revocation list',
    details:
      'PEM with one or many, or DER. Nothing is judged (see verify), and of a private key only its public half is used.',
    argument: { name: 'file', value: 'FILE', about: 'the file' },
    options: outputForm,
    examples: ['caxton security inspect certs/node.crt', 'caxton security inspect ca.crl --output json'],
    run: async (invocation) => (await import('./inspect.ts')).inspect(invocation),
  },
  {
    noun: 'security',
    verb: 'verify',
    summary: 'say whether a link would accept a node’s certificate, and why not',
    details: `The judgement that a link makes of its peer: the TLS library validates the path, then the certificate has to be an
X.509-SVID of the trust domain. Exit code 0, or 1 with the reason’s code on the first line and the sentence below it.
With --crl every CA of the path needs a list. What the cluster has revoked is only known with --revocations.`,
    options: {
      'ca-cert': { type: 'string', value: 'FILE', about: 'the trust bundle: one or several roots', required: true },
      cert: {
        type: 'string',
        value: 'FILE',
        about: 'the certificate, intermediates may stand behind it',
        required: true,
      },
      chain: { type: 'string', value: 'FILE', about: 'more intermediates', multiple: true },
      crl: { type: 'string', value: 'FILE', about: 'a revocation list', multiple: true },
      ...revocationOptions,
      'expect-node': { type: 'string', value: 'ID', about: 'the node that it should be' },
      'trust-domain': { type: 'string', value: 'NAME', about: 'the trust domain (default: the one that the CA names)' },
      at: { type: 'string', value: 'TIME', about: 'at this time, such as 2026-01-31T12:00:00Z (default now)' },
      ...outputForm,
    },
    examples: [
      'caxton security verify --ca-cert ca.crt --cert certs/node.crt --expect-node node-1',
      'caxton security verify --ca-cert root.crt --cert node.crt --chain ca.crt --crl ca.crl --at 2026-12-31',
    ],
    run: async (invocation) => (await import('./verify.ts')).verify(invocation),
  },
  {
    noun: 'security',
    verb: 'join-token',
    summary: 'let one node join the cluster, once',
    details: `Asks a CA node (node.ca). The token is good for one node id, one key and so long, and for this one CA node. Whoever
has it can join as that node: it is written into a file of mode 0600, for you to bring to the new machine. An id that is
known is up, or has certificates that have not ended: --replace lets another take its place, once those are revoked.
With --authority-key this command revokes them first; without it, do so where that key is (caxton security revoke).`,
    options: {
      'node-id': { type: 'string', value: 'ID', about: 'the id that the new node will have', required: true },
      out: { type: 'string', value: 'FILE', about: 'where the token goes, mode 0600', required: true },
      ttl: { type: 'string', value: 'TIME', about: 'how long it is good for (default 24h, at most 7d)' },
      dns: { type: 'string', value: 'NAME,…', about: 'DNS names of the new node', multiple: true },
      ip: { type: 'string', value: 'ADDRESS,…', about: 'IP addresses of the new node', multiple: true },
      replace: { type: 'boolean', about: 'take the place of the node that has this id' },
      'authority-key': { type: 'string', value: 'FILE', about: 'revoke its certificates with this key first' },
      authority: {
        type: 'string',
        value: 'FILE',
        about: 'public key of another authority whose notices count',
        multiple: true,
      },
      ...nodeOptions,
    },
    examples: [
      'caxton security join-token --node-id node-4 --ip 10.0.0.4 --out node-4.token --node node-1',
      'caxton security join-token --node-id n4 --replace --authority-key authority.key --out n4.token --node n1',
    ],
    run: async (invocation) => (await import('./join-token.ts')).joinToken(invocation),
  },
  {
    noun: 'security',
    verb: 'rotate-ca',
    summary: 'replace the root of the cluster’s certificates, without an interruption',
    details: `Goes on from wherever a rotation stands: the next root is made and signed by the old one; all members learn to believe
it; certificates are issued under it; the old one is dropped when every member has a new certificate. What it goes by is
signed by the authority and by each member. In the folder of a development cluster one command does all. Where the
root’s key is offline, --prepare makes the next root there. Exit code 1 while somebody is missing: run it again.`,
    options: {
      prepare: { type: 'boolean', about: 'only make the next root and have the old one sign it; needs no network' },
      status: { type: 'boolean', about: 'only say where a rotation stands, and who is missing' },
      'dry-run': { type: 'boolean', about: 'only say what would be done next' },
      force: {
        type: 'boolean',
        about: 'go on without members still missing after --wait: named, and locked out',
      },
      wait: { type: 'string', value: 'TIME', about: 'how long members have after each step (default 2m)' },
      'ca-cert': { type: 'string', value: 'FILE', about: 'the old root (default: the CA of the profile)' },
      'ca-key': { type: 'string', value: 'FILE', about: 'the old root’s key, to sign the next one' },
      'next-cert': { type: 'string', value: 'FILE', about: 'the next root, also as the old one has signed it' },
      'next-key': { type: 'string', value: 'FILE', about: 'where the next root’s key goes, mode 0600' },
      validity: { type: 'string', value: 'TIME', about: 'how long the next root lives (default 3650d)' },
      encrypt: { type: 'boolean', about: 'encrypt the next root’s key (asks for a passphrase)' },
      ...passphraseOptions,
      'authority-key': { type: 'string', value: 'FILE', about: 'the authority’s private key, PEM, mode 0600' },
      authority: {
        type: 'string',
        value: 'FILE',
        about: 'public key of an authority whose documents are believed too',
        multiple: true,
      },
      output: nodeOptions.output!,
      profile: nodeOptions.profile!,
    },
    examples: [
      'caxton security rotate-ca --dry-run',
      'caxton security rotate-ca --prepare --ca-cert r1.crt --ca-key r1.key --next-cert r2.crt --next-key r2.key',
      'caxton security rotate-ca --next-cert root-2.crt --authority-key authority.key',
    ],
    run: async (invocation) => (await import('./rotate-ca.ts')).rotateCa(invocation),
  },
  {
    noun: 'security',
    verb: 'join-tokens',
    summary: 'list the join tokens of a CA node that are not over',
    options: nodeOptions,
    examples: ['caxton security join-tokens --node node-1'],
    run: async (invocation) => (await import('./join-tokens.ts')).joinTokens(invocation),
  },
  {
    noun: 'security',
    verb: 'cancel-join-token',
    summary: 'make a join token worthless before it is over',
    details: `At once, and after a restart of the CA node too. A certificate that was issued for it stays good: the command says
which, and caxton security revoke ends that.`,
    argument: { name: 'token', value: 'ID', about: 'the token’s id, as join-token and join-tokens print it' },
    options: nodeOptions,
    examples: ['caxton security cancel-join-token 0b6f3c1f9d5e4a7786aa01bb52c9d310 --node node-1'],
    run: async (invocation) => (await import('./join-tokens.ts')).cancelJoinToken(invocation),
  },
  {
    noun: 'security',
    verb: 'create-vault-key',
    summary: 'make the key ring that a node seals its data with',
    options: vaultOptions,
    examples: ['caxton security create-vault-key --config /etc/caxton/node.yaml'],
    run: async (invocation) => (await import('./vault-key.ts')).createVaultKey(invocation),
  },
  {
    noun: 'security',
    verb: 'rotate-vault-key',
    summary: 'add a key to a node’s vault and make it the current one',
    details: `The old keys stay, to open what they sealed. A running node takes the new one over within a minute, begins a new
segment of its audit log under it, and wraps the keys of the older ones anew; drop-vault-key removes an old key then.`,
    options: vaultOptions,
    examples: ['caxton security rotate-vault-key --config .caxton/nodes/node-1/node.yaml'],
    run: async (invocation) => (await import('./vault-key.ts')).rotateVaultKey(invocation),
  },
  {
    noun: 'security',
    verb: 'drop-vault-key',
    summary: 'remove an old key from a node’s vault',
    details:
      'Refused while a segment of the audit log is sealed under it. With --file nothing is looked at: take care.',
    options: {
      key: { type: 'string', value: 'ID', about: 'the key', required: true },
      ...vaultOptions,
      log: { type: 'string', value: 'FOLDER', about: 'the audit folder that must not need the key (with --file)' },
    },
    examples: ['caxton security drop-vault-key --key Zm9vYmFyYmF6cXV1eHh5eg --config .caxton/nodes/node-1/node.yaml'],
    run: async (invocation) => (await import('./vault-key.ts')).dropVaultKey(invocation),
  },
];
