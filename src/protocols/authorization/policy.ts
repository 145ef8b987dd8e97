import type { Refusal, Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, tenantOf } from '../../names.ts';
import type { MessageHeader } from '../acl/message.ts';
import {
  list,
  object,
  type Path,
  type Problem,
  type Problems,
  pathText,
  problem,
  readShape,
  type Shape,
} from '../json/shape.ts';
import { type AgentPattern, matchesAgent } from './agent-pattern.ts';
import { agentPattern, type PolicyRules, policyRules, policyRulesObject, rulesOf } from './policy-rules.ts';
import type { Rate } from './rate.ts';

/** A receiver’s rules (ADR-0016’s `AuthorizationPolicy`). Whatever they do not permit is denied. */
export interface Policy extends PolicyRules {
  /** What decisions and the audit log call it. */
  readonly name: string;
  /** The receivers that it protects. */
  readonly receiver: AgentPattern;
}

/** Policies from one file or document, at most one for each receiver pattern. */
export interface PolicySet {
  readonly byReceiver: ReadonlyMap<AgentPattern, Policy>;
  /** What decisions put before the names of its policies: `cluster ` for those of a document. */
  readonly label?: string;
}

export const emptyPolicySet: PolicySet = { byReceiver: new Map() };

const entry = object({ receiver: agentPattern, ...policyRules.required }, policyRules.optional);

type Entry = NonNullable<ReturnType<typeof entry>>;

const policies = object({ policies: list(entry, limits.policiesMax) });

/** At most one policy for each receiver: of two, one would hide the other. */
const document: Shape<{ readonly policies: readonly Entry[] }> = (value, path, problems) => {
  const read = policies(value, path, problems);
  const seen = new Set<AgentPattern>();
  for (const [at, { receiver }] of read?.policies.entries() ?? []) {
    if (seen.has(receiver))
      problem(
        problems,
        [...path, 'policies', at, 'receiver'],
        `there are two policies for ${receiver}; put them together`,
      );
    seen.add(receiver);
  }
  return read;
};

/** Finds the line of a value in the file that it came from; `undefined` when that is not known. */
export type LineOf = (path: Path) => number | undefined;

/**
 * Reads `{ policies: [{ receiver, allowed_senders, denied_senders?, permitted_operations, rate_limits?,
 * requires_signed_messages?, capability_required? }] }` from plain data, such as a parsed YAML file. `where` names the
 * file in the reasons. CONFIG_INVALID with a reason for each problem.
 */
export function parsePolicy(value: unknown, where: string, lineOf?: LineOf): Result<PolicySet> {
  return readShape(policySet, value, invalidAt(where, lineOf));
}

/** As `parsePolicy`, for a document of the cluster. */
export const clusterPolicies: Shape<PolicySet> = (value, path, problems) => {
  const read = document(value, path, problems);
  return read && setOf(read.policies, 'cluster ');
};

const policySet: Shape<PolicySet> = (value, path, problems) => {
  const read = document(value, path, problems);
  return read && setOf(read.policies, '');
};

function setOf(read: readonly Entry[], label: string): PolicySet {
  const byReceiver = new Map<AgentPattern, Policy>();
  for (const policy of read)
    byReceiver.set(policy.receiver, namedPolicy(`${label}policy ${policy.receiver}`, policy.receiver, rulesOf(policy)));
  return label === '' ? { byReceiver } : { byReceiver, label };
}

/** The refusal of a file: CONFIG_INVALID with file, line, place and what was expected, for each problem. */
export function invalidAt(where: string, lineOf?: LineOf): (problems: Problems) => Refusal {
  const sentence = ({ path, text }: Problem): string => {
    const line = lineOf?.(path);
    const place = line === undefined ? where : `${where}:${line}`;
    return `${place}: ${path.length === 0 ? '' : `${pathText(path)}: `}${text}.`;
  };
  return ([first, ...more]) => ({ code: 'CONFIG_INVALID', reasons: [sentence(first), ...more.map(sentence)] });
}

/** A policy for `receiver` out of fields read elsewhere, such as a manifest. */
const namedPolicy = (name: string, receiver: AgentPattern, fields: PolicyRules): Policy => ({
  ...fields,
  name,
  receiver,
});

/**
 * The policy for a receiver: the one that names it, else `inline` (its manifest’s), else its tenant’s, else the one
 * for `*`, else one that denies everybody. Whom any of those that match denies stays denied: a narrow policy cannot
 * let in whom a wide one shut out.
 */
export function policyFor(set: PolicySet, receiver: AgentId, inline?: PolicyRules): Policy {
  const candidates = [
    set.byReceiver.get(receiver),
    inline && namedPolicy(`manifest of ${receiver}`, receiver, inline),
    set.byReceiver.get(`${tenantOf(receiver)}/*`),
    set.byReceiver.get('*'),
  ].filter((policy) => policy !== undefined);
  const [chosen, ...wider] = candidates;
  if (!chosen) return { ...denyAll, name: `${set.label ?? ''}default for ${receiver}, which no policy names,` };
  const denied = new Set([...chosen.deniedSenders, ...wider.flatMap((policy) => policy.deniedSenders)]);
  return denied.size === chosen.deniedSenders.length ? chosen : { ...chosen, deniedSenders: [...denied] };
}

/** What holds for a receiver that no policy names. */
export const denyAll: Policy = {
  name: 'default deny',
  receiver: '*',
  allowedSenders: [],
  deniedSenders: [],
  permittedOperations: [],
  rateLimits: { senders: [] },
  requiresSignedMessages: false,
  capabilityRequired: true,
};

/** Whether one of the policy’s operations permits the message. */
export const permits = (
  policy: PolicyRules,
  header: Pick<MessageHeader, 'performative' | 'protocol' | 'ontology'>,
): boolean =>
  policy.permittedOperations.some(
    ({ performatives, protocols, ontologies }) =>
      (performatives === '*' || performatives.includes(header.performative)) &&
      (protocols === undefined || protocols.includes(header.protocol)) &&
      (ontologies === undefined || ontologies.includes(header.ontology)),
  );

/** The sender’s rate under the policy: its own, its tenant’s, the default; `undefined` leaves it to the node. */
export const rateFor = (policy: PolicyRules, sender: AgentId): Rate | undefined =>
  policy.rateLimits.senders.find(([pattern]) => matchesAgent(pattern, sender))?.[1] ?? policy.rateLimits.default;

/** Equal sets of rules have equal text, whatever the order they were written in: hash this. JSON. */
export const policyCanonicalText = (set: PolicySet): string => JSON.stringify(policiesInOrder(set));

/** The keys of the file, sorted, every default written out: what a document of the cluster has as its body. */
export function policiesInOrder(set: PolicySet): object {
  const sorted = [...set.byReceiver.values()].sort((a, b) => (a.receiver < b.receiver ? -1 : 1));
  return { policies: sorted.map((policy) => ({ receiver: policy.receiver, ...policyRulesObject(policy) })) };
}
