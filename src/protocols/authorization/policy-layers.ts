import type { AgentId } from '../../names.ts';
import {
  denyAll,
  emptyPolicySet,
  type Policy,
  type PolicySet,
  policyCanonicalText,
  policyFor,
  rateFor,
} from './policy.ts';
import type { PolicyRules } from './policy-rules.ts';
import { type Rate, stricterRate } from './rate.ts';

/** Where the policies of a node come from. */
export interface PolicySources {
  /** The node’s own file; undefined when it has none. */
  readonly local: PolicySet | undefined;
  /** The documents of the cluster: none before there is one, several while two of one generation are about. */
  readonly cluster: readonly PolicySet[];
  /** Nothing is permitted before a document of the cluster is held. */
  readonly clusterRequired: boolean;
}

export type PolicyLayers = readonly [Policy, ...Policy[]];

/**
 * The policies for a receiver, each of which must permit a message. A document of the cluster is a ceiling: what it does
 * not permit, neither the node’s file nor a manifest (`inline`) can. Two documents of one generation are two ceilings.
 * Without file and manifest the ceiling alone decides, and without a document these two do.
 */
export function policiesFor(sources: PolicySources, receiver: AgentId, inline?: PolicyRules): PolicyLayers {
  const { local, cluster, clusterRequired } = sources;
  const [first, ...rivals] = cluster;
  if (!first) return [clusterRequired ? noneHeld(receiver) : policyFor(local ?? emptyPolicySet, receiver, inline)];
  const own = local || inline ? [policyFor(local ?? emptyPolicySet, receiver, inline)] : [];
  return [policyFor(first, receiver), ...rivals.map((rival) => policyFor(rival, receiver)), ...own];
}

const noneHeld = (receiver: AgentId): Policy => ({
  ...denyAll,
  name: `default for ${receiver} before the cluster’s policies are held`,
});

/** What keeps to the rate that each layer states for the sender, or else to the node’s own. */
export const layeredRate = (layers: PolicyLayers, sender: AgentId, ownRate: Rate): Rate =>
  layers.map((layer) => rateFor(layer, sender) ?? ownRate).reduce(stricterRate);

/**
 * What decisions are made by, as one text to hash: of one set its canonical text. Of several, each on a line, in an order
 * that does not depend on which came first.
 */
export function sourcesCanonicalText({ local, cluster }: PolicySources): string {
  const documents = cluster.map(policyCanonicalText).sort();
  const sets = [...documents, ...(local ? [policyCanonicalText(local)] : [])];
  return sets.length === 0 ? policyCanonicalText(emptyPolicySet) : sets.join('\n');
}
