import type { Verb } from '../command.ts';
import { nodeOptions } from '../node-options.ts';

const agentArgument = { name: 'agent', value: 'TENANT/NAME', about: 'the agent' } as const;

/** Deployments: signed where the deployer’s key is, put in force through a node. */
export const deploymentVerbs: readonly Verb[] = [
  {
    noun: 'agent',
    verb: 'sign',
    summary: 'sign the deployment of an agent, without a node',
    details: `Makes the manifest, which says what runs where under which name, and the capability, which says what the agent may do.
What a manifest names by its digest is a file that the operator of the node has put into its agents folder: code does
not travel. The generation has to be higher than that of a deployment which this one replaces.`,
    argument: agentArgument,
    options: {
      'deployer-key': { type: 'string', value: 'FILE', about: 'the deployer’s key, PEM, mode 0600', required: true },
      'issuer-key': { type: 'string', value: 'FILE', about: 'who signs the capability (default the deployer)' },
      kind: { type: 'string', value: 'KIND', about: 'handler, chart or console, a mailbox (default handler)' },
      module: { type: 'string', value: 'FILE', about: 'the code, as it lies in the agents folder of its nodes' },
      'modules-dir': { type: 'string', value: 'DIR', about: 'that folder here (default: this one)' },
      place: { type: 'string', value: 'NODE,…', about: 'nodes that may host it', multiple: true, required: true },
      service: { type: 'string', value: 'NAME,…', about: 'what it offers', multiple: true },
      action: { type: 'string', value: 'ACTION,…', about: 'what it may do, as of capability issue', multiple: true },
      delegations: { type: 'string', value: 'N', about: 'how many times that may be handed on (default 0)' },
      'agent-key': { type: 'string', value: 'KEY|@FILE', about: 'its public key (default: one that nobody keeps)' },
      policy: { type: 'string', value: 'FILE', about: 'its own rules as a receiver, YAML as in config/policy.yaml' },
      generation: { type: 'string', value: 'N', about: 'default: the time in milliseconds' },
      validity: { type: 'string', value: 'TIME', about: 'how long its capability is valid (default 90d)' },
      out: { type: 'string', value: 'FILE', about: 'write it there, mode 0600 (default: print it)' },
    },
    examples: [
      'caxton agent sign default/echo --module echo.js --place node-1 --service echo --deployer-key deployer.key',
      "caxton agent sign default/p --module p.js --place n1,n2 --action 'request agent:default/*' --deployer-key d.key",
    ],
    run: async (invocation) => (await import('./sign.ts')).sign(invocation),
  },
  {
    noun: 'agent',
    verb: 'deploy',
    summary: 'deploy an agent on a node, from a signed deployment',
    details:
      'Refused by a node that the manifest does not name, or that has a deployment of the agent not older than this one.',
    argument: { name: 'file', value: 'FILE', about: 'what agent sign wrote; - reads standard input' },
    options: nodeOptions,
    examples: ['caxton agent deploy echo.deployment --node node-1'],
    run: async (invocation) => (await import('./deploy.ts')).deploy(invocation),
  },
  {
    noun: 'agent',
    verb: 'remove',
    summary: 'stop an agent on the node that hosts it, for good',
    argument: agentArgument,
    options: nodeOptions,
    examples: ['caxton agent remove default/echo --node node-1'],
    run: async (invocation) => (await import('./remove.ts')).remove(invocation),
  },
];
