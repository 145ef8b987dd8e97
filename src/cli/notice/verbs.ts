import type { Options, Verb } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { authorities, authorityKey } from './authority-options.ts';

const kinds = 'trust, revocations, suspensions, roots, policies, roles or api-keys';

/** Of every verb that revokes. */
export const revokeOptions: Options = {
  reason: {
    type: 'string',
    value: 'REASON',
    about: 'as in RFC 5280, such as keyCompromise (default unspecified)',
  },
  ...authorityKey,
  ...authorities,
  'include-unverified': { type: 'boolean', about: 'sign also what nodes claim without a signed document' },
  'dry-run': { type: 'boolean', about: 'only say what would be signed' },
  via: { type: 'string', value: 'ID', about: 'publish at this node (default: the first that answers)' },
  output: nodeOptions.output!,
  profile: nodeOptions.profile!,
};

/** Cluster documents, and what is made of them. */
export const noticeVerbs: readonly Verb[] = [
  {
    noun: 'notice',
    verb: 'list',
    summary: 'list the cluster’s documents as one node holds them',
    details: 'Exit code 1 when one of them wants an operator: two of one generation, or a signer that is no authority.',
    options: nodeOptions,
    examples: ['caxton notice list', 'caxton notice list --node node-3 --output json'],
    run: async (invocation) => (await import('./list.ts')).list(invocation),
  },
  {
    noun: 'notice',
    verb: 'show',
    summary: 'show what one of the cluster’s documents says',
    argument: { name: 'kind', value: 'KIND', about: kinds },
    options: {
      body: { type: 'boolean', about: 'print only what is in force, as JSON: what notice sign takes' },
      document: { type: 'boolean', about: 'print only the document as it was signed' },
      ...nodeOptions,
    },
    examples: ['caxton notice show revocations', 'caxton notice show trust --body > trust.json'],
    run: async (invocation) => (await import('./show.ts')).show(invocation),
  },
  {
    noun: 'notice',
    verb: 'sign',
    summary: 'sign a cluster document, without a node',
    options: {
      kind: { type: 'string', value: 'KIND', about: kinds, required: true },
      body: {
        type: 'string',
        value: 'FILE',
        about: 'what it says: JSON as notice show --body prints, or YAML',
        required: true,
      },
      generation: { type: 'string', value: 'N', about: 'one more than that in force', required: true },
      'cluster-id': { type: 'string', value: 'ID', about: 'the cluster that it is for', required: true },
      ...authorityKey,
      out: { type: 'string', value: 'FILE', about: 'write it there (default: print it)' },
    },
    examples: [
      'caxton notice sign --kind trust --body trust.json --generation 2 --cluster-id 0f3c --authority-key a.key',
      'caxton notice sign --kind policies --body policy.yaml --generation 2 --cluster-id 0f3c --authority-key a.key',
    ],
    run: async (invocation) => (await import('./sign.ts')).sign(invocation),
  },
  {
    noun: 'notice',
    verb: 'publish',
    summary: 'put a signed cluster document in force',
    details: `One node takes it and tells the others. Refused by a node that sees no quorum of the cluster, and when the
generation is not higher than that in force.`,
    argument: { name: 'file', value: 'FILE', about: 'the document' },
    options: nodeOptions,
    examples: ['caxton notice publish trust-2.notice'],
    run: async (invocation) => (await import('./publish.ts')).publish(invocation),
  },
  {
    noun: 'security',
    verb: 'revoke',
    summary: 'revoke nodes, certificates, keys, tokens or deployments, for good',
    details: `Takes from the nodes of the profile the revocations that this authority, or one that it named, has signed, adds to
them, says what is new, signs the next generation, puts it in force at one node and reads it back from another. A node
that is being revoked has no say. With a node the certificate that it shows is revoked as well. There is no way back.`,
    options: {
      node: { type: 'string', value: 'ID,…', about: 'nodes, whatever certificate they show', multiple: true },
      serial: { type: 'string', value: 'HEX,…', about: 'certificates', multiple: true },
      certificates: {
        type: 'string',
        value: 'ID,…',
        about: 'all certificates of nodes that were issued up to now, known or not',
        multiple: true,
      },
      key: {
        type: 'string',
        value: 'ID,…',
        about: 'keys of deployers, issuers or authorities; or of certificates, by their SHA-256',
        multiple: true,
      },
      token: { type: 'string', value: 'ID|@FILE,…', about: 'capability tokens', multiple: true },
      deployment: { type: 'string', value: 'ID|@FILE,…', about: 'deployments, by their manifests', multiple: true },
      ...revokeOptions,
    },
    examples: [
      'caxton security revoke --node node-3 --reason keyCompromise --authority-key .caxton/keys/authority.key',
      'caxton security revoke --serial 0A1B2C --authority-key authority.key --via node-1',
    ],
    run: async (invocation) => (await import('../security/revoke.ts')).revoke(invocation),
  },
  ...(['suspend', 'resume'] as const).map(
    (verb): Verb => ({
      noun: 'security',
      verb,
      summary:
        verb === 'suspend' ? 'put a node out of the cluster until it is resumed' : 'let a suspended node come back',
      details: `Signs the next generation of the suspensions, puts it in force at one node and reads it back from another. A
suspended node has no links and is no member; nothing else about it changes, and once it is resumed it comes back by
itself. For good is revoke.`,
      argument: { name: 'node', value: 'NODE', about: 'the node’s id' },
      options: {
        ...authorityKey,
        ...authorities,
        output: nodeOptions.output!,
        profile: nodeOptions.profile!,
      },
      examples: [`caxton security ${verb} node-3 --authority-key .caxton/keys/authority.key`],
      run: async (invocation) => (await import('../security/suspend.ts'))[verb](invocation),
    }),
  ),
  {
    noun: 'security',
    verb: 'export-crl',
    summary: 'write the revoked certificates as a CRL, for programs outside of the cluster',
    details: `Nodes need none: they go by the revocations themselves. A CRL that is past its end makes many programs refuse
every certificate, so make a new one in time.`,
    options: {
      'ca-cert': { type: 'string', value: 'FILE', about: 'the CA’s certificate', required: true },
      'ca-key': { type: 'string', value: 'FILE', about: 'the CA’s private key, PEM, mode 0600', required: true },
      'passphrase-file': {
        type: 'string',
        value: 'FILE',
        about: 'the passphrase of the CA key, mode 0600 (else $CAXTON_CA_PASSPHRASE, else asked for)',
      },
      authority: {
        ...authorities.authority!,
        about: 'public key of an authority (default: those that all nodes name alike)',
      },
      validity: { type: 'string', value: 'TIME', about: 'until the next one is due (default 7d)' },
      out: { type: 'string', value: 'FILE', about: 'write it there (default: print it)' },
      profile: nodeOptions.profile!,
    },
    examples: ['caxton security export-crl --ca-cert ca.crt --ca-key ca.key --out cluster.crl'],
    run: async (invocation) => (await import('../security/export-crl.ts')).exportCrl(invocation),
  },
];
