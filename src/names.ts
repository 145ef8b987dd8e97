/**
 * The grammar of names. Everything that names something on the wire or on disk is checked here, once, before it
 * is used in a path, a header or a comparison.
 */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** `[a-z0-9]([a-z0-9_-]{0,62})`: the id of a node, unique in the cluster; also the CN of its certificate. */
export type NodeId = Branded<string, 'NodeId'>;
/** `tenant/name`, both parts in the same grammar as a node id. */
export type AgentId = Branded<string, 'AgentId'>;
/** Lower-case trust domain, at most 255 bytes (SPIFFE-ID §2.1). */
export type TrustDomain = Branded<string, 'TrustDomain'>;

const part = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const trustDomain = /^[a-z0-9._-]{1,255}$/;

export const isName = (text: string): boolean => part.test(text);
export const isNodeId = (text: string): text is NodeId => part.test(text);
export const isTrustDomain = (text: string): text is TrustDomain => trustDomain.test(text);

export function isAgentId(text: string): text is AgentId {
  const slash = text.indexOf('/');
  return slash > 0 && text.length <= 127 && part.test(text.slice(0, slash)) && part.test(text.slice(slash + 1));
}

/** The tenant half of an agent id. */
export const tenantOf = (agent: AgentId): string => agent.slice(0, agent.indexOf('/'));
/** The name half of an agent id. */
export const localNameOf = (agent: AgentId): string => agent.slice(agent.indexOf('/') + 1);

/** `spiffe://<trust-domain>/node/<id>`: what a node certificate’s single URI SAN must be. */
export const nodeSpiffeId = (domain: TrustDomain, node: NodeId): string => `spiffe://${domain}/node/${node}`;
