import type { Options, Verb } from './command.ts';

/** How nodes join. `nodeOptions`: what every verb that asks a node understands. */
export const joinVerbs = (nodeOptions: Options): readonly Verb[] => [
  {
    noun: 'security',
    verb: 'join-token',
    summary: 'let one node join the cluster, once',
    details: `Asks a CA node (node.ca). The token is good for one node id, one key and so long, and for this one CA node. Whoever has
it can join as that node: it is written into a file of mode 0600, for you to bring to the new machine.`,
    options: {
      'node-id': { type: 'string', value: 'ID', about: 'the id that the new node will have', required: true },
      out: { type: 'string', value: 'FILE', about: 'where the token goes, mode 0600', required: true },
      ttl: { type: 'string', value: 'TIME', about: 'how long it is good for (default 24h, at most 7d)' },
      dns: { type: 'string', value: 'NAME,…', about: 'DNS names of the new node', multiple: true },
      ip: { type: 'string', value: 'ADDRESS,…', about: 'IP addresses of the new node', multiple: true },
      ...nodeOptions,
    },
    examples: ['caxton security join-token --node-id node-4 --ip 10.0.0.4 --out node-4.token --node node-1'],
    run: async (invocation) => (await import('./security/join-token.ts')).joinToken(invocation),
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
];
