import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Capability } from '../authorization/capability.ts';
import { type Manifest, placementAllows } from '../deployment/manifest.ts';
import { PersistentMap } from '../persistent-map.ts';
import { type Change, changeOf } from './change.ts';
import type { RegistryDelta, RegistryRecord } from './record.ts';
import { reindexed, type ServiceIndex } from './service-index.ts';

/** An agent that a node hosts, with its documents verified. */
export interface Registration {
  readonly record: RegistryRecord;
  readonly manifest: Manifest;
  /** `undefined` for an agent that only answers: its record carries no token. */
  readonly capability: Capability | undefined;
}

/** A tombstone remembers how far version and generation had come. */
export interface Tombstone {
  readonly record: RegistryRecord;
  readonly generation: number;
}

/** All that one node says. */
export interface NodeRecords {
  /** The boot epoch in which it said so. */
  readonly epoch: number;
  readonly live: PersistentMap<AgentId, Registration>;
  readonly gone: PersistentMap<AgentId, Tombstone>;
}

/**
 * Which node hosts which agent, as told by each node about its own. Who counts when two name one agent is worked out
 * when it is asked (`lookup`), so the order in which news arrived never matters.
 */
export interface RegistryState {
  readonly nodes: PersistentMap<NodeId, NodeRecords>;
  /** Kept in step with `nodes`, so that asking for a service costs as much as there are who offer it. */
  readonly services: ServiceIndex;
}

export const emptyRegistry: RegistryState = { nodes: PersistentMap.empty(), services: PersistentMap.empty() };

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

/** What was found about a live record. */
export interface VerifiedRecord {
  readonly manifest: Manifest;
  readonly capability: Capability | undefined;
  /** The same record in a form that takes less memory; absent: it is kept as it came. */
  readonly kept?: RegistryRecord;
}

/**
 * Verifies the signatures of both documents and that their signers are trusted; an empty capability is none. Called
 * for new live records only.
 */
export type VerifyRecord = (record: RegistryRecord) => Result<VerifiedRecord>;

/**
 * Takes in what `from` says about the agents that it hosts; `from` is the peer at the other end of an authenticated
 * link, or this node itself. Each record stands alone: a refused one leaves what was known.
 *
 * UNAUTHORIZED: a record about another node. REPLAYED: an old version or generation. PROTOCOL_VIOLATION: one version
 * with two contents, or a node that `nodeBooted` never announced. DEPLOYMENT_REFUSED: outside the placement, or
 * documents about another agent. LIMIT_EXCEEDED. And whatever `verifyRecord` refuses with.
 */
export function applyRecords(
  state: RegistryState,
  from: NodeId,
  delta: RegistryDelta,
  verifyRecord: VerifyRecord,
): RegistryStep {
  const known = state.nodes.get(from);
  if (!known) {
    const { refusal } = refuse('PROTOCOL_VIOLATION', `${from} sends registry records before its boot was announced.`);
    return { state, changes: [], refusals: delta.records.map(({ agentId }) => ({ agentId, refusal })) };
  }
  const draft: Draft = { live: known.live, gone: known.gone };
  const refusals: RecordRefusal[] = [];
  const touched = new Set<AgentId>();
  for (const record of delta.records) {
    const { agentId } = record;
    const judged = judge(record, from, draft.live.get(agentId), draft.gone.get(agentId), verifyRecord);
    if (!judged.ok) refusals.push({ agentId, refusal: judged.refusal });
    else if (judged.value) {
      const isNew = !draft.live.get(agentId) && !draft.gone.get(agentId);
      if (isNew && draft.live.size + draft.gone.size >= limits.agentsMax) {
        const { refusal } = refuse('LIMIT_EXCEEDED', `${from} has ${limits.agentsMax} registry records already.`);
        refusals.push({ agentId, refusal });
        continue;
      }
      put(draft, judged.value);
      touched.add(agentId);
    }
  }
  if (delta.full) for (const agent of buryMissing(draft, delta)) touched.add(agent);
  if (touched.size === 0) return { state, changes: [], refusals };
  return step(state, from, { epoch: known.epoch, live: draft.live, gone: draft.gone }, touched, refusals);
}

/**
 * Notes the boot epoch of a node, as its link’s `hello` says it. A higher one than known starts the node over, versions
 * and tombstones included; a lower one is refused with REPLAYED, and the same one changes nothing.
 */
export function nodeBooted(state: RegistryState, node: NodeId, epoch: number): Result<RegistryStep> {
  const known = state.nodes.get(node);
  if (known && epoch < known.epoch)
    return refuse('REPLAYED', `${node} was seen in boot epoch ${known.epoch}; ${epoch} is over.`);
  if (known?.epoch === epoch) return ok({ state, changes: [], refusals: [] });
  if (!known && state.nodes.size >= limits.membersMax)
    return refuse('LIMIT_EXCEEDED', `The registry knows ${limits.membersMax} nodes already.`);
  const touched = new Set(known?.live.keys());
  return ok(step(state, node, { epoch, live: PersistentMap.empty(), gone: PersistentMap.empty() }, touched, []));
}

/** Forgets a node that is revoked, with all that it said. */
export function nodeRevoked(state: RegistryState, node: NodeId): RegistryStep {
  const known = state.nodes.get(node);
  if (!known) return { state, changes: [], refusals: [] };
  const nodes = state.nodes.without(node);
  return stepped(state, node, nodes, new Set(known.live.keys()), []);
}

/**
 * Judges what a node says once more, because trust has changed: an agent whose documents do not pass any more is gone.
 * Its version is kept, so that what was refused does not come back as older news.
 */
export function judgedAgain(state: RegistryState, node: NodeId, verifyRecord: VerifyRecord): RegistryStep {
  const known = state.nodes.get(node);
  const fallen = [...(known?.live.values() ?? [])].filter(({ record }) => !verifyRecord(record).ok);
  if (!known || fallen.length === 0) return { state, changes: [], refusals: [] };
  const draft: Draft = { live: known.live, gone: known.gone };
  for (const registration of fallen) bury(draft, registration);
  const records = { epoch: known.epoch, live: draft.live, gone: draft.gone };
  return step(state, node, records, new Set(fallen.map(({ record }) => record.agentId)), []);
}

/** Whether the records of a node in this boot are what counts here; not before `nodeBooted` took the boot. */
export const runsBoot = (state: RegistryState, node: NodeId, epoch: number): boolean =>
  state.nodes.get(node)?.epoch === epoch;

/** The registration that counts: the highest generation, then the node whose id sorts first. */
export function lookup(state: RegistryState, agent: AgentId): Registration | undefined {
  let best: Registration | undefined;
  for (const { live } of state.nodes.values()) {
    const claim = live.get(agent);
    if (claim && (!best || outranks(claim, best))) best = claim;
  }
  return best;
}

/** What a node hosts and counts, by agent id. */
export const byNode = (state: RegistryState, node: NodeId): readonly Registration[] =>
  sorted([...(state.nodes.get(node)?.live.values() ?? [])].filter((claim) => counts(state, claim)));

/** Who offers `tenant/service`, by agent id: of each agent, as the registration that counts says it. */
export function byService(state: RegistryState, service: string): readonly Registration[] {
  const name = service.slice(service.indexOf('/') + 1);
  const claimed = [...(state.services.get(service)?.keys() ?? [])].flatMap((agent) => lookup(state, agent) ?? []);
  return sorted(claimed.filter(({ manifest }) => manifest.services.includes(name)));
}

/** The nodes that claim an agent, if there are several; the one that counts first. */
export function rivalsOf(state: RegistryState, agent: AgentId): readonly NodeId[] {
  const claims = [...state.nodes.values()].flatMap(({ live }) => live.get(agent) ?? []);
  return claims.length < 2 ? [] : claims.sort((a, b) => (outranks(a, b) ? -1 : 1)).map(({ record }) => record.node);
}

/** All that one node would tell another about itself, as a full delta. Tombstones stay at home: absence says it. */
export const fullDelta = (state: RegistryState, node: NodeId): RegistryDelta => ({
  full: true,
  records: sorted([...(state.nodes.get(node)?.live.values() ?? [])]).map(({ record }) => record),
});

/** A registration or tombstone to put, `undefined` for nothing new, or why the record is not taken. */
function judge(
  record: RegistryRecord,
  from: NodeId,
  live: Registration | undefined,
  gone: Tombstone | undefined,
  verifyRecord: VerifyRecord,
): Result<Registration | Tombstone | undefined> {
  const { agentId, node, version } = record;
  if (node !== from)
    return refuse('UNAUTHORIZED', `${from} wrote a record for ${node}; each node writes only its own.`);
  const known = (live ?? gone)?.record;
  if (known && version < known.version)
    return refuse('REPLAYED', `The record of ${agentId} on ${from} is at version ${known.version}, not ${version}.`);
  if (known && version === known.version)
    return isSame(record, known)
      ? ok(undefined)
      : refuse('PROTOCOL_VIOLATION', `${from} wrote two records of ${agentId} with version ${version}.`);
  // A tombstone needs no signature, so one for an agent that never lived there would let a node fill the table with names.
  if (record.state === 'gone' && !known) return ok(undefined);
  const generation = live?.manifest.generation ?? gone?.generation ?? 0;
  if (record.state === 'gone') return ok({ record: { ...record, manifest: '', capability: '' }, generation });
  const verified = verifyRecord(record);
  if (!verified.ok) return verified;
  const { manifest, capability, kept = record } = verified.value;
  if (manifest.agentId !== agentId || (capability && capability.subject !== agentId))
    return refuse('DEPLOYMENT_REFUSED', `The documents in the record of ${agentId} are about another agent.`);
  if (!placementAllows(manifest, from))
    return refuse('DEPLOYMENT_REFUSED', `The manifest of ${agentId} does not place it on ${from}.`);
  if (manifest.generation < generation)
    return refuse('REPLAYED', `${agentId} was at generation ${generation} on ${from}, not ${manifest.generation}.`);
  return ok({ record: kept, manifest, capability });
}

/** A node’s records while a delta is taken in. */
type Draft = { -readonly [K in 'live' | 'gone']: NodeRecords[K] };

function put(draft: Draft, entry: Registration | Tombstone): void {
  const { agentId } = entry.record;
  if ('manifest' in entry) {
    draft.live = draft.live.with(agentId, entry);
    draft.gone = draft.gone.without(agentId);
  } else {
    draft.live = draft.live.without(agentId);
    draft.gone = draft.gone.with(agentId, entry);
  }
}

/** Live ones that a full delta does not name are gone; their version is kept, since nobody stated a higher one. */
function buryMissing(draft: Draft, delta: RegistryDelta): readonly AgentId[] {
  const named = new Set(delta.records.map(({ agentId }) => agentId));
  const missing = [...draft.live.values()].filter(({ record }) => !named.has(record.agentId));
  for (const registration of missing) bury(draft, registration);
  return missing.map(({ record }) => record.agentId);
}

function bury(draft: Draft, { record, manifest }: Registration): void {
  const { agentId, node, version } = record;
  const tombstone: RegistryRecord = { agentId, node, version, state: 'gone', manifest: '', capability: '' };
  put(draft, { record: tombstone, generation: manifest.generation });
}

function step(
  before: RegistryState,
  node: NodeId,
  records: NodeRecords,
  touched: ReadonlySet<AgentId>,
  refusals: readonly RecordRefusal[],
): RegistryStep {
  return stepped(before, node, before.nodes.with(node, records), touched, refusals);
}

function stepped(
  before: RegistryState,
  node: NodeId,
  nodes: RegistryState['nodes'],
  touched: ReadonlySet<AgentId>,
  refusals: readonly RecordRefusal[],
): RegistryStep {
  const [was, is] = [before.nodes.get(node)?.live, nodes.get(node)?.live];
  let { services } = before;
  for (const agent of touched) services = reindexed(services, agent, was?.get(agent), is?.get(agent));
  const state = { nodes, services };
  const changes = [...touched].flatMap((agent) => {
    const rivals = rivalsOf(state, agent);
    return changeOf(agent, lookup(before, agent), lookup(state, agent), rivals, rivalsOf(before, agent));
  });
  return { state, changes, refusals };
}

function outranks(a: Registration, b: Registration): boolean {
  if (a.manifest.generation !== b.manifest.generation) return a.manifest.generation > b.manifest.generation;
  return a.record.node < b.record.node;
}

const counts = (state: RegistryState, claim: Registration): boolean =>
  lookup(state, claim.record.agentId)?.record.node === claim.record.node;

const sorted = (claims: readonly Registration[]): Registration[] =>
  claims.toSorted((a, b) => (a.record.agentId < b.record.agentId ? -1 : 1));

const isSame = (a: RegistryRecord, b: RegistryRecord): boolean =>
  a.state === b.state && (a.state === 'gone' || (a.manifest === b.manifest && a.capability === b.capability));
