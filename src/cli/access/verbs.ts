import type { Options, Verb } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { authorities, authorityKey } from '../notice/authority-options.ts';

const publishing: Options = { ...authorityKey, ...authorities, ...nodeOptions };

const file = { name: 'file', value: 'FILE', about: 'YAML (a name in .yaml or .yml) or JSON' } as const;
const keyId = { name: 'id', value: 'ID', about: 'the id of the key: a-z, 0-9, “_” and “-”' } as const;
const secret: Options = {
  validity: {
    type: 'string',
    value: 'TIME',
    about: 'how long it counts, such as 90d (default: no end, or as long again)',
  },
  out: { type: 'string', value: 'FILE', about: 'write the key there, mode 0600 (default: print it)' },
};

const inForce = `Signs the next generation of the cluster’s document, puts it in force at one node and reads it back from another.
Every node obeys it at once, without a restart. It goes on from what authorities have signed, never from a node’s word.`;

/** Who may say what to whom, and who may use the management API: documents of the whole cluster. */
export const accessVerbs: readonly Verb[] = [
  {
    noun: 'policy',
    verb: 'check',
    summary: 'check a file of policies without a node',
    argument: file,
    options: { output: nodeOptions.output! },
    examples: ['caxton policy check policy.yaml'],
    run: async (invocation) => (await import('./documents.ts')).check(invocation, 'policies'),
  },
  {
    noun: 'policy',
    verb: 'publish',
    summary: 'make a file of policies the cluster’s, at every node at once',
    details: `${inForce}
What it does not permit, no node’s own file and no manifest can permit.`,
    argument: file,
    options: publishing,
    examples: ['caxton policy publish policy.yaml --authority-key .caxton/keys/authority.key'],
    run: async (invocation) => (await import('./documents.ts')).publish(invocation, 'policies'),
  },
  {
    noun: 'role',
    verb: 'check',
    summary: 'check a file of roles without a node',
    argument: file,
    options: { output: nodeOptions.output! },
    examples: ['caxton role check roles.yaml'],
    run: async (invocation) => (await import('./documents.ts')).check(invocation, 'roles'),
  },
  {
    noun: 'role',
    verb: 'publish',
    summary: 'make a file of roles and bindings the cluster’s, at every node at once',
    details: `${inForce}
One that would take the permission to publish from whoever publishes it is refused.`,
    argument: file,
    options: publishing,
    examples: ['caxton role publish roles.yaml --authority-key .caxton/keys/authority.key'],
    run: async (invocation) => (await import('./documents.ts')).publish(invocation, 'roles'),
  },
  {
    noun: 'role',
    verb: 'list',
    summary: 'list the roles, what they permit, and to whom they are bound',
    options: nodeOptions,
    examples: ['caxton role list', 'caxton role list --output json'],
    run: async (invocation) => (await import('./who.ts')).list(invocation),
  },
  {
    noun: 'role',
    verb: 'who-can',
    summary: 'list the API keys that may do something',
    argument: { name: 'permission', value: 'PERMISSION', about: 'such as DeployAgent' },
    options: {
      on: { type: 'string', value: 'RESOURCE', about: 'agent:TENANT/NAME, agent:TENANT/* or cluster (the default)' },
      ...nodeOptions,
    },
    examples: ['caxton role who-can ManageSecurity', 'caxton role who-can DeployAgent --on agent:default/echo'],
    run: async (invocation) => (await import('./who.ts')).whoCan(invocation),
  },
  {
    noun: 'auth',
    verb: 'whoami',
    summary: 'show what the API key of the profile may do',
    options: nodeOptions,
    examples: ['caxton auth whoami', 'caxton auth whoami --output json'],
    run: async (invocation) => (await import('./who.ts')).whoami(invocation),
  },
  {
    noun: 'api-key',
    verb: 'create',
    summary: 'make an API key that counts at every node',
    details: `The key is made here and shown once; nodes get its hash.
${inForce}`,
    argument: keyId,
    options: {
      role: {
        type: 'string',
        value: 'ROLE,…',
        about: 'viewer, operator, admin, or one of the cluster’s',
        multiple: true,
      },
      on: {
        type: 'string',
        value: 'RESOURCE,…',
        about: 'only there, such as agent:shop/* (default *)',
        multiple: true,
      },
      name: { type: 'string', value: 'TEXT', about: 'a name for people (default the id)' },
      ...secret,
      ...publishing,
    },
    examples: [
      'caxton api-key create ci --role operator --validity 90d --authority-key authority.key',
      "caxton api-key create shop-ci --role operator --on 'agent:shop/*' --out shop-ci.key --authority-key authority.key",
    ],
    run: async (invocation) => (await import('./api-keys.ts')).create(invocation),
  },
  {
    noun: 'api-key',
    verb: 'list',
    summary: 'list the API keys of the cluster, without the keys',
    options: nodeOptions,
    examples: ['caxton api-key list', 'caxton api-key list --output json'],
    run: async (invocation) => (await import('./key-list.ts')).list(invocation),
  },
  {
    noun: 'api-key',
    verb: 'rotate',
    summary: 'give an API key another secret; the one before counts a while longer',
    details: inForce,
    argument: keyId,
    options: {
      overlap: { type: 'string', value: 'TIME', about: 'how long the one before still counts (default 24h)' },
      ...secret,
      ...publishing,
    },
    examples: ['caxton api-key rotate ci --overlap 1h --authority-key authority.key'],
    run: async (invocation) => (await import('./api-keys.ts')).rotate(invocation),
  },
  {
    noun: 'api-key',
    verb: 'revoke',
    summary: 'take an API key out, at every node at once',
    details: `Requests under way with it are cut.
${inForce}`,
    argument: keyId,
    options: publishing,
    examples: ['caxton api-key revoke ci --authority-key authority.key'],
    run: async (invocation) => (await import('./api-keys.ts')).revoke(invocation),
  },
];
