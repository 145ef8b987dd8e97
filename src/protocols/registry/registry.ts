import type { Refusal } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Capability } from '../authorization/capability.ts';
import type { Manifest } from '../deployment/manifest.ts';
import { PersistentMap } from '../persistent-map.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import { type Change, changeOf } from './change.ts';
import { type ClaimIndex, claimantsOf, claimed } from './claim-index.ts';
import { reindexed, type ServiceIndex } from './service-index.ts';

/** The two documents of an agent as they were signed; the capability may be empty. */
export interface SignedDocuments {
  readonly manifest: string;
  readonly capability: string;
}

/** An agent that a node hosts, with its documents verified. */
export interface Registration {
  readonly node: NodeId;
  /** Of its newest record, and of the one that brought its documents. */
  readonly version: number;
  readonly documents: number;
  /** It handles nothing now. */
  readonly suspended: boolean;
  readonly signed: SignedDocuments;
  readonly manifest: Manifest;
  /** `undefined` for an agent that only answers: its record carries no token. */
  readonly capability: Capability | undefined;
}

/** A listing of everything that a node says, as far as it has come: see `RegistryDelta`. */
export interface Listing {
  /** The newest one that was begun or asked for; 0: none yet. */
  readonly pass: number;
  /** All of it up to this number was taken. */
  readonly listed: number;
  readonly done: boolean;
  /**
   * Which of the agents that are known it has named so far: at its end, the others are gone, but those that were heard of
   * since. Absent once it is done.
   */
  readonly named: PersistentMap<AgentId, true> | undefined;
}

/** All that one node says. */
export interface NodeRecords {
  /** The boot epoch in which it said so. */
  readonly epoch: number;
  readonly live: PersistentMap<AgentId, Registration>;
  /**
   * Everything that it wrote up to this number was taken. That is all that has to be remembered of agents that are gone:
   * what an older record says about one is no news.
   */
  readonly upTo: number;
  readonly listing: Listing;
  /** Documents of it were refused that another trust might not refuse. */
  readonly refused: boolean;
  /** It is dead, or has left: its claims yield to those of nodes that are there. */
  readonly absent: boolean;
}

/**
 * Which node hosts which agent, as told by each node about its own. Who counts when two name one agent is worked out
 * when it is asked (`lookup`), so the order in which news arrived never matters.
 */
export interface RegistryState {
  readonly nodes: PersistentMap<NodeId, NodeRecords>;
  /** Kept in step with `nodes`, so that asking for an agent costs as much as there are who claim it. */
  readonly claims: ClaimIndex;
  /** The same for a service, and who offers it. */
  readonly services: ServiceIndex;
}

export const emptyRegistry: RegistryState = {
  nodes: PersistentMap.empty(),
  claims: PersistentMap.empty(),
  services: PersistentMap.empty(),
};

export const noListing: Listing = { pass: 0, listed: 0, done: true, named: undefined };

export interface RegistryStep {
  readonly state: RegistryState;
  /** What `lookup` now answers differently, and the conflicts that arose. */
  readonly changes: readonly Change[];
  /** Records that were not taken. The others of the same delta were. */
  readonly refusals: readonly RecordRefusal[];
}

export interface RecordRefusal {
  readonly agentId: AgentId;
  readonly refusal: Refusal;
}

/** Whether the records of a node in this boot are what counts here; not before `nodeBooted` took the boot. */
export const runsBoot = (state: RegistryState, node: NodeId, epoch: number): boolean =>
  state.nodes.get(node)?.epoch === epoch;

/**
 * The registration that counts: of those whose node is there, if it is at all, the highest generation, then the node
 * whose id sorts first.
 */
export function lookup(state: RegistryState, agent: AgentId): Registration | undefined {
  const [first] = claimsOf(state, agent);
  return first?.registration;
}

/** The highest generation in which any node claims an agent, whether it is there or not; 0 when none does. */
export const latestGeneration = (state: RegistryState, agent: AgentId): number =>
  Math.max(0, ...claimsOf(state, agent).map(({ registration }) => registration.manifest.generation));

/** What a node hosts and counts, by agent id. */
export const byNode = (state: RegistryState, node: NodeId): readonly Registration[] =>
  sorted([...(state.nodes.get(node)?.live.values() ?? [])].filter((claim) => counts(state, claim)));

/** Who offers `tenant/service`, by agent id: of each agent, as the registration that counts says it. */
export function byService(state: RegistryState, service: string): readonly Registration[] {
  const name = service.slice(service.indexOf('/') + 1);
  const found = [...(state.services.get(service)?.keys() ?? [])].flatMap((agent) => lookup(state, agent) ?? []);
  return sorted(found.filter(({ manifest }) => manifest.services.includes(name)));
}

/** The nodes that are there and claim an agent, if there are several; the one that counts first. */
export function rivalsOf(state: RegistryState, agent: AgentId): readonly NodeId[] {
  const present = claimsOf(state, agent).filter(({ absent }) => !absent);
  return present.length < 2 ? [] : present.map(({ registration }) => registration.node);
}

/** How far this node has the records of another one, as it acknowledges them; not before `nodeBooted`. */
export function positionIn(state: RegistryState, node: NodeId): Omit<Acknowledgement, 'missing'> {
  const { upTo, listing } = state.nodes.get(node) ?? { upTo: 0, listing: noListing };
  return { upTo, pass: listing.pass, listed: listing.listed, done: listing.done };
}

/** A step in which what one node says about these agents, or what its word counts, has become something else. */
export function stepped(
  before: RegistryState,
  node: NodeId,
  records: NodeRecords | undefined,
  touched: Iterable<AgentId>,
  refusals: readonly RecordRefusal[] = [],
): RegistryStep {
  const was = before.nodes.get(node)?.live;
  const agents = [...touched];
  let { claims, services } = before;
  for (const agent of agents) {
    const [old, fresh] = [was?.get(agent), records?.live.get(agent)];
    claims = claimed(claims, agent, node, fresh !== undefined);
    services = reindexed(services, agent, old, fresh);
  }
  const nodes = records ? before.nodes.with(node, records) : before.nodes.without(node);
  const state = { nodes, claims, services };
  const changes = agents.flatMap((agent) =>
    changeOf(agent, lookup(before, agent), lookup(state, agent), rivalsOf(state, agent), rivalsOf(before, agent)),
  );
  return { state, changes, refusals };
}

interface Claim {
  readonly registration: Registration;
  readonly absent: boolean;
}

/** All claims to an agent, the one that counts first. */
function claimsOf(state: RegistryState, agent: AgentId): readonly Claim[] {
  const claims = claimantsOf(state.claims, agent).flatMap((node) => {
    const { live, absent } = state.nodes.get(node)!;
    return { registration: live.get(agent)!, absent };
  });
  return claims.length < 2 ? claims : claims.sort((a, b) => (outranks(a, b) ? -1 : 1));
}

function outranks(a: Claim, b: Claim): boolean {
  if (a.absent !== b.absent) return b.absent;
  const [one, other] = [a.registration, b.registration];
  if (one.manifest.generation !== other.manifest.generation) return one.manifest.generation > other.manifest.generation;
  return one.node < other.node;
}

const counts = (state: RegistryState, claim: Registration): boolean =>
  lookup(state, claim.manifest.agentId)?.node === claim.node;

const sorted = (claims: readonly Registration[]): Registration[] =>
  claims.toSorted((a, b) => (a.manifest.agentId < b.manifest.agentId ? -1 : 1));
