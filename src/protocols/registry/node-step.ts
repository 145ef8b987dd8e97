import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { PersistentMap } from '../persistent-map.ts';
import { claimantsOf } from './claim-index.ts';
import type { VerifyDocuments } from './delta-step.ts';
import { noListing, type RegistryState, type RegistryStep, stepped } from './registry.ts';

const nothing = (state: RegistryState): RegistryStep => ({ state, changes: [], refusals: [] });

/**
 * Notes the boot epoch of a node, as its link’s `hello` says it. A higher one than known starts the node over, versions
 * included; a lower one is refused with REPLAYED, and the same one changes nothing. LIMIT_EXCEEDED.
 */
export function nodeBooted(state: RegistryState, node: NodeId, epoch: number): Result<RegistryStep> {
  const known = state.nodes.get(node);
  if (known && epoch < known.epoch)
    return refuse('REPLAYED', `${node} was seen in boot epoch ${known.epoch}; ${epoch} is over.`);
  if (known?.epoch === epoch) return ok(nothing(state));
  if (!known && state.nodes.size >= limits.membersMax)
    return refuse('LIMIT_EXCEEDED', `The registry knows ${limits.membersMax} nodes already.`);
  const fresh = { epoch, live: PersistentMap.empty<AgentId, never>(), upTo: 0, refused: false, absent: false };
  return ok(stepped(state, node, { ...fresh, listing: noListing }, known?.live.keys() ?? []));
}

/** Forgets a node that is revoked, with all that it said. */
export function nodeRevoked(state: RegistryState, node: NodeId): RegistryStep {
  const known = state.nodes.get(node);
  return known ? stepped(state, node, undefined, known.live.keys()) : nothing(state);
}

/**
 * Notes whether a node is there: a member that is dead or has left is not, and what it hosted in this boot yields to the
 * claims of others until it is back. News about an older boot than the one whose records are known is none.
 */
export function nodeStanding(state: RegistryState, node: NodeId, epoch: number, absent: boolean): RegistryStep {
  const known = state.nodes.get(node);
  if (!known || epoch < known.epoch || known.absent === absent) return nothing(state);
  const contested = [...known.live.keys()].filter((agent) => claimantsOf(state.claims, agent).length > 1);
  return stepped(state, node, { ...known, absent }, contested);
}

/**
 * Judges what a node says once more, because trust has changed: an agent whose documents do not pass any more is gone
 * until the node lists it again.
 */
export function judgedAgain(state: RegistryState, node: NodeId, verify: VerifyDocuments): RegistryStep {
  const known = state.nodes.get(node);
  const fallen = [...(known?.live.values() ?? [])].filter(({ signed }) => !verify(signed).ok);
  if (!known || fallen.length === 0) return nothing(state);
  const agents = fallen.map(({ manifest }) => manifest.agentId);
  const live = agents.reduce((rest, agent) => rest.without(agent), known.live);
  return stepped(state, node, { ...known, live, refused: true }, agents);
}

/**
 * Asks a node to list everything again, because trust has changed and documents of it were refused: what stood in the
 * refused records was not kept. `undefined` when there is nothing to ask for.
 */
export function askedAgain(state: RegistryState, node: NodeId): RegistryState | undefined {
  const known = state.nodes.get(node);
  if (!known?.refused) return undefined;
  const { pass, listed, done } = known.listing;
  const named = PersistentMap.empty<AgentId, true>();
  // One that was asked for and has not begun is all that is wanted: the writer counts its listings, and this is its next.
  const isAsked = !done && listed === 0 && pass > 0;
  const listing = { pass: isAsked ? pass : pass + 1, listed: 0, done: false, named };
  return { ...state, nodes: state.nodes.with(node, { ...known, listing, refused: false }) };
}
