import { limits } from '../../limits.ts';
import { isPerformative, type Performative } from '../acl/performative.ts';
import { boolean, entries, list, name, object, parsed, problem, type Shape, text } from '../json/shape.ts';
import { type AgentPattern, parseAgentPattern, specificityOf } from './agent-pattern.ts';
import { parseRate, type Rate, rateText } from './rate.ts';

/** What a receiver permits, without saying which receiver: the part that a manifest can carry too. */
export interface PolicyRules {
  readonly allowedSenders: readonly AgentPattern[];
  /** Outranks everything else. */
  readonly deniedSenders: readonly AgentPattern[];
  /** Everything that none of them names is denied. */
  readonly permittedOperations: readonly Operation[];
  readonly rateLimits: RateLimits;
  readonly requiresSignedMessages: boolean;
  readonly capabilityRequired: boolean;
}

/** What an operation permits. */
export interface Operation {
  readonly performatives: readonly Performative[] | '*';
  /** Interaction protocols; absent for every one. The empty text is a message without protocol. */
  readonly protocols?: readonly string[];
  /** Ontologies; absent for every one. The empty text is a message without ontology. */
  readonly ontologies?: readonly string[];
}

export interface RateLimits {
  /** For each sender that none of `senders` names. */
  readonly default?: Rate;
  /** For each sender that matches, the most specific pattern first. */
  readonly senders: readonly (readonly [AgentPattern, Rate])[];
}

export const agentPattern: Shape<AgentPattern> = parsed(text(127), parseAgentPattern);
const agentPatterns = list(agentPattern, limits.policyEntriesMax);

const namedPerformatives = list(name(isPerformative, 'a FIPA performative'), limits.policyEntriesMax, 1);
const performatives: Shape<readonly Performative[] | '*'> = (value, path, problems) => {
  if (value === '*') return value;
  return Array.isArray(value)
    ? namedPerformatives(value, path, problems)
    : problem(problems, path, 'expected a list of performatives, or “*” in quotes');
};
const labels = list(text(255), limits.policyEntriesMax, 1);
const operation = object({ performatives }, { protocols: labels, ontologies: labels });

const rate: Shape<Rate> = parsed(text(64), parseRate);
const rateKey: Shape<AgentPattern | 'default'> = (value, path, problems) => {
  if (value === 'default') return value;
  if (value === '*') return problem(problems, path, 'write “default” for all other senders');
  return agentPattern(value, path, problems);
};
const rateLimits = entries(rateKey, rate, limits.policyEntriesMax);

/** The keys of a policy, in the snake_case of the files. */
export const policyRules = {
  required: { allowed_senders: agentPatterns, permitted_operations: list(operation, limits.policyEntriesMax) },
  optional: {
    denied_senders: agentPatterns,
    rate_limits: rateLimits,
    requires_signed_messages: boolean,
    capability_required: boolean,
  },
};

const written = object(policyRules.required, policyRules.optional);
type Written = NonNullable<ReturnType<typeof written>>;

/** The rules alone, as a manifest carries them. */
export const inlinePolicy: Shape<PolicyRules> = (value, path, problems) => {
  const read = written(value, path, problems);
  return read && rulesOf(read);
};

/** From the keys of the files to ours, with the defaults: a capability is required, a signature is not. */
export function rulesOf(fields: Written): PolicyRules {
  const rates = fields.rate_limits ?? [];
  const senders: (readonly [AgentPattern, Rate])[] = [];
  let other: Rate | undefined;
  for (const [key, value] of rates) {
    if (key === 'default') other = value;
    else senders.push([key, value]);
  }
  senders.sort(([a], [b]) => specificityOf(b) - specificityOf(a) || (a < b ? -1 : 1));
  return {
    allowedSenders: fields.allowed_senders,
    deniedSenders: fields.denied_senders ?? [],
    permittedOperations: fields.permitted_operations,
    rateLimits: other ? { default: other, senders } : { senders },
    requiresSignedMessages: fields.requires_signed_messages ?? false,
    capabilityRequired: fields.capability_required ?? true,
  };
}

/** Back to the keys of the files, every default written out and every list sorted: plain data for JSON. */
export function policyRulesObject(rules: PolicyRules): Readonly<Record<string, unknown>> {
  const { rateLimits: rates } = rules;
  const operations = rules.permittedOperations.map(({ performatives: acts, protocols, ontologies }) => ({
    performatives: acts === '*' ? acts : acts.toSorted(),
    ...(protocols && { protocols: protocols.toSorted() }),
    ...(ontologies && { ontologies: ontologies.toSorted() }),
  }));
  return {
    allowed_senders: rules.allowedSenders.toSorted(),
    denied_senders: rules.deniedSenders.toSorted(),
    permitted_operations: operations
      .map((item) => ({ item, key: JSON.stringify(item) }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .map(({ item }) => item),
    rate_limits: {
      ...(rates.default && { default: rateText(rates.default) }),
      ...Object.fromEntries(rates.senders.map(([pattern, value]) => [pattern, rateText(value)])),
    },
    requires_signed_messages: rules.requiresSignedMessages,
    capability_required: rules.capabilityRequired,
  };
}
