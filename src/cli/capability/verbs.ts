import type { Options, Verb } from '../command.ts';
import { nodeOptions } from '../node-options.ts';
import { revokeOptions } from '../notice/verbs.ts';

/** What a token grants: for the verbs that make one. */
const grantOptions: Options = {
  subject: { type: 'string', value: 'TENANT/NAME', about: 'the agent that may present it', required: true },
  audience: { type: 'string', value: 'PATTERN', about: 'receivers for whom it is meant: tenant/name or tenant/*' },
  delegations: { type: 'string', value: 'N', about: 'how many times it may be handed on (default 0)' },
  holder: {
    type: 'string',
    value: 'KEY|@FILE',
    about: 'the subject’s public key, ed25519:…; needed to be handed on',
  },
  out: { type: 'string', value: 'FILE', about: 'write it there, mode 0600 (default: print it)' },
};

const actionOption = (about: string): Options => ({
  action: { type: 'string', value: 'ACTION,…', about, multiple: true },
});

const fileArgument = { name: 'file', value: 'FILE', about: 'the token; - reads standard input' } as const;

/** Capability tokens, made and judged without a node. */
export const capabilityVerbs: readonly Verb[] = [
  {
    noun: 'capability',
    verb: 'issue',
    summary: 'issue a capability token to an agent, without a node',
    details: `The issuer’s key has to be named in the cluster’s trust document for nodes to believe it. An action is a performative
on an agent, “request agent:default/echo”, or a call of a tool, “call tool:files/read”; * stands for every performative,
or for all that follows in the resource.`,
    options: {
      'issuer-key': {
        type: 'string',
        value: 'FILE',
        about: 'the issuer’s private key, PEM, mode 0600',
        required: true,
      },
      ...actionOption('what it grants; none for nothing'),
      validity: { type: 'string', value: 'TIME', about: 'how long it is valid (default 90d)' },
      ...grantOptions,
    },
    examples: [
      "caxton capability issue --issuer-key deployer.key --subject default/planner --action 'request agent:default/*'",
    ],
    run: async (invocation) => (await import('./issue.ts')).issue(invocation),
  },
  {
    noun: 'capability',
    verb: 'attenuate',
    summary: 'make a narrower token of one that may be handed on, without a node',
    details: `The holder of a token gives another agent of its tenant a part of what it may do itself, signed with its own key. What
would be wider is refused here, and by every node.`,
    options: {
      'token-file': { type: 'string', value: 'FILE', about: 'the token that is narrowed', required: true },
      'holder-key': {
        type: 'string',
        value: 'FILE',
        about: 'the key that it names as holder, mode 0600',
        required: true,
      },
      ...actionOption('what it grants (default: all of it)'),
      validity: { type: 'string', value: 'TIME', about: 'how long from now (default: as the token)' },
      ...grantOptions,
    },
    examples: [
      'caxton capability attenuate --token-file planner.token --holder-key planner.key --subject default/worker',
    ],
    run: async (invocation) => (await import('./attenuate.ts')).attenuate(invocation),
  },
  {
    noun: 'capability',
    verb: 'revoke',
    summary: 'revoke a token, and with it all that narrow it',
    details: 'As security revoke --token @FILE, which revokes several things at once. There is no way back.',
    argument: { name: 'file', value: 'FILE', about: 'the token' },
    options: revokeOptions,
    examples: ['caxton capability revoke planner.token --authority-key .caxton/keys/authority.key'],
    run: async (invocation) => (await import('./revoke.ts')).revokeToken(invocation),
  },
  {
    noun: 'capability',
    verb: 'inspect',
    summary: 'show what a token says, and all that it narrows',
    details: 'Verifies nothing: that is capability verify.',
    argument: fileArgument,
    options: { output: nodeOptions.output! },
    examples: ['caxton capability inspect worker.token'],
    run: async (invocation) => (await import('./inspect.ts')).inspect(invocation),
  },
  {
    noun: 'capability',
    verb: 'verify',
    summary: 'judge a token as a node would, without a node',
    details: `Exit code 0, or 1 with the code of the refusal on the first line and every reason behind it. Whose tokens count is
said by the issuers’ public keys, or by a trust document that an authority signed. Without --revocations nothing is
looked up as revoked, and the output says so.`,
    argument: fileArgument,
    options: {
      issuer: { type: 'string', value: 'FILE', about: 'public keys of issuers, one a line', multiple: true },
      trust: { type: 'string', value: 'FILE', about: 'the trust document: notice show trust --document' },
      revocations: { type: 'string', value: 'FILE', about: 'the revocations: notice show revocations --document' },
      authority: {
        type: 'string',
        value: 'FILE',
        about: 'public key of an authority whose documents are believed',
        multiple: true,
      },
      subject: { type: 'string', value: 'TENANT/NAME', about: 'the agent that presents it' },
      ...actionOption('what it should grant'),
      at: { type: 'string', value: 'TIME', about: 'the moment, such as 2026-01-31T12:00:00Z (default now)' },
      output: nodeOptions.output!,
    },
    examples: [
      'caxton capability verify worker.token --issuer deployer.pub',
      "caxton capability verify t --trust trust.notice --authority authority.pub --action 'request agent:default/echo'",
    ],
    run: async (invocation) => (await import('./verify.ts')).verify(invocation),
  },
];
