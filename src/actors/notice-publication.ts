import { ok, type Refusal, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { onlyTakesAway } from '../protocols/access/api-keys.ts';
import type { Notice } from '../protocols/notice/notice.ts';
import {
  bodiesInForce,
  type NoticesState,
  type SignedNotice,
  suspensionsInForce,
  takeNotice,
} from '../protocols/notice/reconciliation.ts';
import { lockedOutUnsaid } from '../protocols/notice/root-rotation.ts';
import { judgeRootsStep } from '../protocols/notice/roots.ts';
import { resumedBy } from '../protocols/notice/suspension.ts';
import { partitionMode } from '../protocols/swim/partition.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import type { MessagePolicies } from './messaging/message-policies.ts';
import type { NodeBase } from './node-base.ts';
import type { AuditDraft } from './operations/audit/audit-draft.ts';
import type { Caller } from './operations/control.ts';
import type { NoticeView } from './operations/notice-view.ts';

/** As what a change of each kind is recorded. */
export const noticeAuditTypes = {
  trust: 'TrustChanged',
  revocations: 'SecurityPolicyUpdated',
  suspensions: 'SecurityPolicyUpdated',
  roots: 'TrustChanged',
  policies: 'SecurityPolicyUpdated',
  roles: 'SecurityPolicyUpdated',
  'api-keys': 'SecurityPolicyUpdated',
} as const;

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export interface Publishing {
  readonly base: NodeBase;
  readonly cluster: ClusterParts;
  readonly views: () => readonly NoticeView[];
}

/**
 * A minority must not write what the majority may write otherwise. What is judged and recorded is in force when this
 * resolves; what protects, such as a revocation, is in force even before it is recorded.
 */
export async function publishNotice(
  { base, cluster, views }: Publishing,
  text: string,
  caller: Caller,
): Promise<Result<NoticeView>> {
  const { notices, audit, fault } = base;
  if (cluster.gossip.partition() !== 'majority')
    return refuse(
      'PARTITION_MINORITY',
      'This node sees no quorum of the cluster, so it takes no cluster documents now.',
    );
  const judged = judgedForPublication(base, cluster, text);
  if (!judged.ok) {
    audit.note(publicationOf(caller, undefined, judged.refusal));
    return judged;
  }
  const { kind } = judged.value.notice;
  const held = heldOf(base, judged.value, views);
  if (held) {
    if (!held.ok) audit.note(publicationOf(caller, undefined, held.refusal));
    await notices.saved();
    return held;
  }
  const stranded = strands(base, cluster, judged.value.notice) ?? locksOut(base, judged.value, caller);
  if (stranded) {
    audit.note(publicationOf(caller, undefined, stranded));
    return { ok: false, refusal: stranded };
  }
  const record = () => audit.record(publicationOf(caller, judged.value, undefined, base.policies));
  // What protects is in force before it is recorded; what lets in, afterwards.
  const protects = !opens(notices.state, judged.value.notice);
  if (!protects) {
    const recorded = await record();
    if (!recorded.ok) return recorded;
  }
  // Another may have come while the record was written: two of one generation would be a fork that nobody meant.
  const again = judgedForPublication(base, cluster, text);
  const taken = again.ok ? notices.take(text, { type: 'api' }) : again;
  if (!taken.ok) {
    audit.note(publicationOf(caller, undefined, taken.refusal));
    return taken;
  }
  if (protects) {
    const recorded = await record();
    if (!recorded.ok) fault(`${kind} are in force without a record: ${recorded.refusal.reasons.join(' ')}`, undefined);
  }
  await notices.saved();
  return ok(views().find((view) => view.kind === kind)!);
}

/**
 * Why a suspension would leave a minority: nobody could publish anything after it, what ends it neither. One of members that
 * do not count now takes nothing away.
 */
function strands(base: NodeBase, cluster: ClusterParts, notice: Notice): Refusal | undefined {
  if (notice.kind !== 'suspensions') return undefined;
  const { suspensions } = notice.body;
  if (resumedBy(suspensions, suspensionsInForce(base.notices.state)).length === 0) return undefined;
  const out = new Set(suspensions.map(({ node }) => node));
  const left = cluster.gossip
    .members()
    .filter(({ nodeId, status }) => !out.has(nodeId) && (status === 'alive' || status === 'suspect')).length;
  const { expectedSize } = base.config.cluster;
  if (partitionMode(left, expectedSize) === 'majority') return undefined;
  return refuse(
    'PARTITION_MINORITY',
    `It would leave ${left} of ${expectedSize} nodes (cluster.expected_size), which is no quorum: nothing could be published any more, nor anybody resumed.`,
    'Suspend fewer; or first bring up others, or set cluster.expected_size to what is left. Who must be out all the same is revoked.',
  ).refusal;
}

/**
 * Why a document would leave whoever publishes it unable to publish another: the next mistake could only be mended on the
 * disks of the nodes.
 */
function locksOut({ access, notices, ports }: NodeBase, document: SignedNotice, caller: Caller): Refusal | undefined {
  const { kind } = document.notice;
  if (kind !== 'roles' && kind !== 'api-keys') return undefined;
  const { state } = takeNotice(notices.state, document);
  const documents = { roles: bodiesInForce(state, 'roles'), keys: bodiesInForce(state, 'api-keys') };
  if (!access.wouldLose(caller.identity, 'ManageSecurity', documents, ports.clock.now())) return undefined;
  return refuse(
    'INSUFFICIENT_PERMISSIONS',
    `With it ${caller.identity}, who publishes it, could publish nothing any more (ManageSecurity).`,
    'Publish it with another key that keeps this permission, or keep it for this one.',
  ).refusal;
}

/** Whether a document lets somebody do what could not be done before, as another root does. */
function opens(state: NoticesState, notice: Notice): boolean {
  switch (notice.kind) {
    case 'revocations':
      return false;
    case 'suspensions':
      return resumedBy(suspensionsInForce(state), notice.body.suspensions).length > 0;
    case 'api-keys':
      return !onlyTakesAway(bodiesInForce(state, 'api-keys'), notice.body);
    default:
      return true;
  }
}

/**
 * Besides what the board judges: a bundle of roots goes one step on from the one in force, and locks out nobody whom its
 * signer has not named. Told to whoever publishes; a document that is in force elsewhere is followed.
 */
function judgedForPublication(base: NodeBase, cluster: ClusterParts, text: string): Result<SignedNotice> {
  const judged = base.notices.judge(text);
  if (!judged.ok || judged.value.notice.kind !== 'roots') return judged;
  const { body: after, generation } = judged.value.notice;
  const { body: before, inForce } = base.roots;
  if (!before || inForce?.generation === generation) return judged;
  const step = judgeRootsStep(before, after);
  if (!step.ok) return step;
  // Costs a signature check or two a member.
  const state = before.roots.every((root) => after.roots.includes(root)) ? undefined : cluster.roots.rotation();
  const [first, ...more] = state ? lockedOutUnsaid(state, after) : [];
  if (!first) return judged;
  const all = [first, ...more].slice(0, limits.reasonsMax - 1).map(({ nodeId, reason }) => `${nodeId} ${reason}.`);
  return refuse(
    'PROTOCOL_VIOLATION',
    `The bundle drops a root, and ${more.length + 1} members would be locked out whom it does not name as such.`,
    ...all,
  );
}

/**
 * The answer about a document that is held already. Giving it again changes nothing, so no second success is recorded;
 * an earlier generation is told from the one in force.
 */
function heldOf(base: NodeBase, document: SignedNotice, views: Publishing['views']): Result<NoticeView> | undefined {
  const { kind, generation } = document.notice;
  const shelf = base.notices.state.shelves[kind];
  if (!shelf) return undefined;
  const isSame = ({ hash }: SignedNotice) => hex(hash) === hex(document.hash);
  if ([shelf.current, ...shelf.rivals].some(isSame)) return ok(views().find((view) => view.kind === kind)!);
  if (!shelf.earlier.some(isSame)) return undefined;
  const current = shelf.current.notice.generation;
  return refuse('REPLAYED', `The ${kind} notice has generation ${generation}; ${current} is in force.`);
}

function publicationOf(
  caller: Caller,
  document: SignedNotice | undefined,
  refusal: Refusal | undefined,
  policies?: MessagePolicies,
): AuditDraft {
  const kind = document?.notice.kind ?? 'revocations';
  return {
    type: refusal ? 'AccessDenied' : noticeAuditTypes[kind],
    identity: caller.identity,
    sourceIp: caller.sourceIp,
    outcome: refusal ? 'refused' : 'success',
    ...(refusal ? { code: refusal.code } : {}),
    reasons: refusal?.reasons ?? [],
    requestId: caller.requestId,
    metadata: document
      ? {
          ...{ what: kind, generation: document.notice.generation, hash: hex(document.hash), signer: document.signer },
          ...(document.notice.kind === 'policies' && policies
            ? { policyHash: policies.hashWith([document.notice.body]) }
            : {}),
        }
      : { operation: 'publish notice' },
  };
}
