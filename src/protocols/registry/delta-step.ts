import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Capability } from '../authorization/capability.ts';
import { type Manifest, placementAllows } from '../deployment/manifest.ts';
import { PersistentMap } from '../persistent-map.ts';
import type { RegistryDelta, RegistryRecord } from './record.ts';
import {
  type Listing,
  type NodeRecords,
  type RecordRefusal,
  type Registration,
  type RegistryState,
  type RegistryStep,
  type SignedDocuments,
  stepped,
} from './registry.ts';

/** What was found about the documents of an agent. */
export interface VerifiedDocuments {
  readonly manifest: Manifest;
  readonly capability: Capability | undefined;
  /** The same texts in a form that takes less memory; absent: they are kept as they came. */
  readonly kept?: SignedDocuments;
}

/**
 * Verifies the signatures of both documents and that their signers are trusted; an empty capability is none. Called
 * for new documents only.
 */
export type VerifyDocuments = (documents: SignedDocuments) => Result<VerifiedDocuments>;

export interface DeltaStep extends RegistryStep {
  /** It begins beyond what is known, so nothing of it was taken: the writer has to tell from there on. */
  readonly missing: boolean;
}

/**
 * Takes in what `from` says about the agents that it hosts; `from` is the peer at the other end of an authenticated
 * link, or this node itself. Each record stands alone: a refused one leaves what was known. What is known already, such
 * as a delta that comes late on a link that another one has replaced, changes nothing.
 *
 * UNAUTHORIZED: a record about another node. REPLAYED: an older generation than the one that lives there.
 * PROTOCOL_VIOLATION: one version with two contents, or a node that `nodeBooted` never announced. DEPLOYMENT_REFUSED:
 * outside the placement, or documents about another agent. LIMIT_EXCEEDED. And whatever `verify` refuses with.
 */
export function applyDelta(
  state: RegistryState,
  from: NodeId,
  delta: RegistryDelta,
  verify: VerifyDocuments,
): DeltaStep {
  const known = state.nodes.get(from);
  if (!known) {
    const { refusal } = refuse('PROTOCOL_VIOLATION', `${from} sends registry records before its boot was announced.`);
    return {
      ...unchanged(
        state,
        delta.records.map(({ agentId }) => ({ agentId, refusal })),
      ),
      missing: false,
    };
  }
  const listing = listingOf(known, delta);
  const isPart = delta.pass !== 0 && !listing.done;
  const reached = isPart ? listing.listed : known.upTo;
  // A part of a listing that was begun anew since says nothing any more.
  const isOver = delta.pass !== 0 && delta.pass < listing.pass;
  if (isOver || (delta.upTo <= reached && listing === known.listing)) return { ...unchanged(state), missing: false };
  if (delta.above > reached) return { ...unchanged(state), missing: true };
  const draft = new Draft(known, listing, from, verify);
  for (const record of delta.records) {
    if (record.version <= reached) continue;
    draft.take(record);
    if (isPart) draft.name(record);
  }
  if (isPart) draft.listedTo(delta);
  return { ...stepped(state, from, draft.records(delta), draft.touched, draft.refusals), missing: false };
}

const unchanged = (state: RegistryState, refusals: readonly RecordRefusal[] = []): RegistryStep => ({
  state,
  changes: [],
  refusals,
});

/** The listing in which the delta is: one with a higher number begins anew, unless it knows less than was told. */
function listingOf({ listing, upTo }: NodeRecords, { pass, newest }: RegistryDelta): Listing {
  if (pass <= listing.pass || newest < upTo) return listing;
  return { pass, listed: 0, done: false, named: PersistentMap.empty() };
}

/** A node’s records while a delta is taken in. */
class Draft {
  readonly touched = new Set<AgentId>();
  readonly refusals: RecordRefusal[] = [];
  readonly #known: NodeRecords;
  readonly #from: NodeId;
  readonly #verify: VerifyDocuments;
  #live: NodeRecords['live'];
  #listing: Listing;
  #named: Listing['named'];
  #refused: boolean;

  constructor(known: NodeRecords, listing: Listing, from: NodeId, verify: VerifyDocuments) {
    this.#known = known;
    this.#listing = listing;
    this.#named = listing.named;
    this.#from = from;
    this.#verify = verify;
    this.#live = known.live;
    this.#refused = known.refused;
  }

  take(record: RegistryRecord): void {
    const { agentId } = record;
    const held = this.#live.get(agentId);
    const judged = this.#judge(record, held);
    if (!judged.ok) this.refusals.push({ agentId, refusal: judged.refusal });
    else if (judged.value === 'gone') this.#bury(agentId);
    else if (judged.value && !held && this.#live.size >= limits.agentsMax) {
      const { refusal } = refuse('LIMIT_EXCEEDED', `${this.#from} has ${limits.agentsMax} registry records already.`);
      this.refusals.push({ agentId, refusal });
      this.#refused = true;
    } else if (judged.value) {
      this.#live = this.#live.with(agentId, judged.value);
      this.touched.add(agentId);
    }
  }

  /** The listing has it as it is known now. A change that came beside the listing says nothing of what that will name. */
  name({ agentId, version }: RegistryRecord): void {
    if (this.#live.get(agentId)?.version === version) this.#named = this.#named?.with(agentId, true);
  }

  /** A part of a listing was taken; at its end those are gone that it never named, unless they are later than it. */
  listedTo({ upTo, newest }: RegistryDelta): void {
    const done = upTo === newest;
    const named = this.#named;
    if (done && named)
      for (const [agent, { version }] of this.#live.entries())
        if (version <= upTo && !named.get(agent)) this.#bury(agent);
    this.#named = done ? undefined : this.#named;
    this.#listing = { ...this.#listing, listed: Math.max(this.#listing.listed, upTo), done };
  }

  records(delta: RegistryDelta): NodeRecords {
    const upTo = Math.max(this.#known.upTo, delta.upTo);
    const listing = { ...this.#listing, named: this.#named };
    return { ...this.#known, live: this.#live, upTo, listing, refused: this.#refused };
  }

  #bury(agent: AgentId): void {
    if (!this.#live.get(agent)) return;
    this.#live = this.#live.without(agent);
    this.#named = this.#named?.without(agent);
    this.touched.add(agent);
  }

  /** What is to be put there, `undefined` for nothing new, or why the record is not taken. */
  #judge(record: RegistryRecord, held: Registration | undefined): Result<Registration | 'gone' | undefined> {
    const { node, version, documents, state, manifest } = record;
    if (node !== this.#from)
      return refuse('UNAUTHORIZED', `${this.#from} wrote a record for ${node}; each node writes only its own.`);
    // A record of before that comes on the way that is slower.
    if (held && version < held.version) return ok(undefined);
    if (held && version === held.version) return this.#judgeSame(record, held);
    if (state === 'gone') return ok('gone');
    const suspended = state === 'suspended';
    if (held?.documents === documents) return ok({ ...held, version, suspended });
    // Its documents were refused here; so is what is said about it since.
    if (manifest === '') return ok(undefined);
    const judged = this.#judgeDocuments(record, held);
    return judged.ok ? ok({ node, version, documents, suspended, ...judged.value }) : judged;
  }

  #judgeSame(record: RegistryRecord, held: Registration): Result<undefined> {
    const { agentId, version, state, manifest, capability } = record;
    const same =
      state === (held.suspended ? 'suspended' : 'live') &&
      (manifest === '' || (manifest === held.signed.manifest && capability === held.signed.capability));
    if (same) return ok(undefined);
    return refuse('PROTOCOL_VIOLATION', `${this.#from} wrote two records of ${agentId} with version ${version}.`);
  }

  #judgeDocuments(
    { agentId, manifest: text, capability: token }: RegistryRecord,
    held: Registration | undefined,
  ): Result<Pick<Registration, 'signed' | 'manifest' | 'capability'>> {
    const documents = { manifest: text, capability: token };
    const verified = this.#verify(documents);
    if (!verified.ok) {
      this.#refused = true;
      return verified;
    }
    const { manifest, capability, kept = documents } = verified.value;
    if (manifest.agentId !== agentId || (capability && capability.subject !== agentId))
      return refuse('DEPLOYMENT_REFUSED', `The documents in the record of ${agentId} are about another agent.`);
    if (!placementAllows(manifest, this.#from))
      return refuse('DEPLOYMENT_REFUSED', `The manifest of ${agentId} does not place it on ${this.#from}.`);
    const lives = held?.manifest.generation ?? 0;
    if (manifest.generation < lives)
      return refuse(
        'REPLAYED',
        `${agentId} lives on ${this.#from} with generation ${lives}, not ${manifest.generation}.`,
      );
    return ok({ signed: kept, manifest, capability });
  }
}
