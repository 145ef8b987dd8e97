import { ok, type Refusal, type Result, refuse } from '../errors.ts';
import { type Notice, type NoticeKind, noticeKinds } from '../protocols/notice/notice.ts';
import {
  type NoticesState,
  revocationsInForce,
  type SignedNotice,
  suspensionsInForce,
  trustInForce,
} from '../protocols/notice/reconciliation.ts';
import { revocationsInOrder } from '../protocols/notice/revocation.ts';
import { resumedBy, suspensionsInOrder } from '../protocols/notice/suspension.ts';
import { trustInOrder } from '../protocols/notice/trust.ts';
import { partitionMode } from '../protocols/swim/partition.ts';
import type { Deployments } from './agents/deployments.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import type { NoticeNews } from './cluster/notices/notice-board.ts';
import type { MessagingParts } from './messaging/assemble.ts';
import type { NodeBase } from './node-base.ts';
import type { AuditDraft } from './operations/audit/audit-draft.ts';
import type { Caller, NodeStatus } from './operations/control.ts';
import type { NoticeView } from './operations/notice-view.ts';
import { OwnStanding } from './own-standing.ts';

/** The cluster’s documents as the node’s operator sees and changes them. */
export interface NodeNotices {
  views(): readonly NoticeView[];
  /** See `NodeControl.publishNotice`. */
  publish(text: string, caller: Caller): Promise<Result<NoticeView>>;
  /** Whether and why this node itself is revoked or suspended. */
  out(): Pick<NodeStatus, 'revoked' | 'suspended'>;
}

interface Rooms {
  readonly base: NodeBase;
  readonly cluster: ClusterParts;
  readonly messaging: MessagingParts;
  readonly deployments: Deployments;
}

const typeOf = {
  trust: 'TrustChanged',
  revocations: 'SecurityPolicyUpdated',
  suspensions: 'SecurityPolicyUpdated',
} as const;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * Makes the documents bite: whatever changes them is passed on, recorded, and carried out in every room of the node at
 * once. Protective, so nothing here waits for a record.
 */
export function assembleNotices(rooms: Rooms): NodeNotices {
  const { base, cluster } = rooms;
  const { notices, files } = base;
  const standing = new OwnStanding(base);
  const ownRefusal = () => base.revocations.ofCertificate(cluster.identity.svid);
  notices.onNews((news) => {
    tellNews(base, news);
    carryOut(rooms, news);
    standing.say(ownRefusal());
  });
  cluster.links.onOut((peer, how, reason) => standing.refusedBy(peer, how, reason));
  cluster.links.onReady(({ nodeId: peer }) => standing.taken(peer));
  // Another certificate may be one that is not revoked.
  cluster.identity.onInstalled(() => {
    standing.forget();
    standing.say(ownRefusal());
    cluster.links.redial();
  });
  // What was kept from an earlier boot.
  standing.say(ownRefusal());
  return {
    views: () => viewsOf(base),
    publish: (text, caller) => publish(rooms, text, caller),
    out: () => standing.view(base.revocations.ofCertificate(files.identity.svid)),
  };
}

function carryOut({ base, cluster, messaging, deployments }: Rooms, { document, origin }: NoticeNews): void {
  const { links, gossip, directory, exchange } = cluster;
  const { revocations, fault } = base;
  // First of all to everybody, whoever is revoked included: the proof is the kindest way to learn of it.
  exchange.spread(links.all(), document, origin.type === 'peer' ? origin.peer : undefined);
  gossip.revoke();
  directory.dropRevoked();
  links.cutRevoked();
  // No link to whoever is revoked is left, and a new gossip key is due.
  cluster.keys.viewChanged();
  messaging.registry.revoke(revocations.nodes);
  messaging.registry.trustChanged();
  deployments.stopRevoked().catch((error: unknown) => fault('a revoked agent could not be stopped in order', error));
}

function tellNews(base: NodeBase, news: NoticeNews): void {
  const { events, nodeId, ports, audit, fault, files } = base;
  const { notice } = news.document;
  ports.metrics.gauge('notice_generation', notice.generation, { kind: notice.kind });
  if (news.type !== 'installed') {
    ports.metrics.count('notice_alarms', { kind: notice.kind, alarm: news.type });
    fault(alarmOf(news), undefined);
  }
  events.emit({
    type: 'notice.changed',
    nodeId,
    kind: notice.kind,
    generation: notice.generation,
    change: news.type,
  });
  // What was published here is recorded with the name of whoever did it; what the files brought, at the boot.
  if (news.type !== 'installed' || news.origin.type === 'peer') audit.note(recordOf(base, news));
  const unsigned = viewsOf(base).filter(({ signerTrusted }) => !signerTrusted);
  if (news.type === 'installed' && notice.kind === 'trust' && unsigned.length > 0)
    fault(
      `the notices about ${unsigned.map(({ kind }) => kind).join(' and ')} are signed by a key that is no authority any more: sign them again with a higher generation, or whoever was away cannot take them`,
      files.trust.notice.generation,
    );
}

function alarmOf(news: NoticeNews): string {
  const { kind, generation } = news.document.notice;
  if (news.type === 'left-out')
    return `generation ${generation} of the ${kind} leaves out ${news.revocations.length} revocations, which stay in force here: publish one that has them`;
  return `TWO DIFFERENT ${kind.toUpperCase()} NOTICES HAVE GENERATION ${generation}: an authority key is misused. The stricter of them applies until a higher generation comes`;
}

function recordOf({ nodeId }: NodeBase, news: NoticeNews): AuditDraft {
  const { document, origin, type } = news;
  const { notice, hash, signer } = document;
  const isAlarm = type !== 'installed';
  return {
    type: typeOf[notice.kind],
    identity: origin.type === 'peer' ? `node/${origin.peer}` : `node/${nodeId}`,
    sourceIp: '',
    outcome: isAlarm ? 'failure' : 'success',
    ...(isAlarm ? { code: 'PROTOCOL_VIOLATION' as const } : {}),
    reasons: isAlarm ? [alarmOf(news)] : [],
    metadata: {
      what: notice.kind,
      generation: notice.generation,
      hash: hex(hash),
      signer,
      ...(type === 'installed' ? { before: news.before } : {}),
      ...(type === 'forked' ? { beside: hex(news.beside.hash), besideSigner: news.beside.signer } : {}),
      ...(type === 'left-out' ? { revocations: news.revocations.length } : {}),
    },
  };
}

/**
 * A minority must not write what the majority may write otherwise. What is judged and recorded is in force when this
 * resolves; a revocation is in force even before it is recorded.
 */
async function publish(rooms: Rooms, text: string, caller: Caller): Promise<Result<NoticeView>> {
  const { base, cluster } = rooms;
  const { notices, audit, fault } = base;
  if (cluster.gossip.partition() !== 'majority')
    return refuse(
      'PARTITION_MINORITY',
      'This node sees no quorum of the cluster, so it takes no cluster documents now.',
    );
  const judged = notices.judge(text);
  if (!judged.ok) {
    audit.note(publicationOf(caller, undefined, judged.refusal));
    return judged;
  }
  const { kind } = judged.value.notice;
  const held = heldOf(base, judged.value);
  if (held) {
    if (!held.ok) audit.note(publicationOf(caller, undefined, held.refusal));
    await notices.saved();
    return held;
  }
  const stranded = strands(rooms, judged.value.notice);
  if (stranded) {
    audit.note(publicationOf(caller, undefined, stranded));
    return { ok: false, refusal: stranded };
  }
  const record = () => audit.record(publicationOf(caller, judged.value, undefined));
  // What protects is in force before it is recorded; what lets in, afterwards.
  const protects = !opens(notices.state, judged.value.notice);
  if (!protects) {
    const recorded = await record();
    if (!recorded.ok) return recorded;
  }
  // Another may have come while the record was written: two of one generation would be a fork that nobody meant.
  const again = notices.judge(text);
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
  return ok(viewsOf(base).find((view) => view.kind === kind)!);
}

/**
 * Why a suspension would leave a minority: nobody could publish anything after it, what ends it neither. One of members that
 * do not count now takes nothing away.
 */
function strands({ base, cluster }: Rooms, notice: Notice): Refusal | undefined {
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

/** Whether a document lets somebody do what could not be done before. */
function opens(state: NoticesState, notice: Notice): boolean {
  if (notice.kind === 'trust') return true;
  return notice.kind === 'suspensions' && resumedBy(suspensionsInForce(state), notice.body.suspensions).length > 0;
}

/**
 * The answer about a document that is held already. Giving it again changes nothing, so no second success is recorded;
 * an earlier generation is told from the one in force.
 */
function heldOf(base: NodeBase, document: SignedNotice): Result<NoticeView> | undefined {
  const { kind, generation } = document.notice;
  const shelf = base.notices.state.shelves[kind];
  if (!shelf) return undefined;
  const isSame = ({ hash }: SignedNotice) => hex(hash) === hex(document.hash);
  if ([shelf.current, ...shelf.rivals].some(isSame)) return ok(viewsOf(base).find((view) => view.kind === kind)!);
  if (!shelf.earlier.some(isSame)) return undefined;
  const current = shelf.current.notice.generation;
  return refuse('REPLAYED', `The ${kind} notice has generation ${generation}; ${current} is in force.`);
}

function publicationOf(caller: Caller, document: SignedNotice | undefined, refusal: Refusal | undefined): AuditDraft {
  const kind = document?.notice.kind ?? 'revocations';
  return {
    type: refusal ? 'AccessDenied' : typeOf[kind],
    identity: caller.identity,
    sourceIp: caller.sourceIp,
    outcome: refusal ? 'refused' : 'success',
    ...(refusal ? { code: refusal.code } : {}),
    reasons: refusal?.reasons ?? [],
    requestId: caller.requestId,
    metadata: document
      ? { what: kind, generation: document.notice.generation, hash: hex(document.hash), signer: document.signer }
      : { operation: 'publish notice' },
  };
}

function viewsOf({ notices, files }: NodeBase): readonly NoticeView[] {
  const { state } = notices;
  return noticeKinds.flatMap((kind) => {
    const shelf = state.shelves[kind];
    if (!shelf) return [];
    const { current, rivals } = shelf;
    return [
      {
        kind,
        generation: current.notice.generation,
        hash: hex(current.hash),
        issuedAt: new Date(current.notice.issuedAt).toISOString(),
        signer: current.signer,
        signerTrusted: files.trust.isAuthority(current.signer),
        rivals: rivals.length,
        document: current.text,
        body: { ...bodyInForce(state, kind) },
      },
    ];
  });
}

function bodyInForce(state: NoticesState, kind: NoticeKind): Notice['body'] {
  if (kind === 'trust') return trustInOrder(trustInForce(state)!);
  if (kind === 'revocations') return revocationsInOrder({ revocations: revocationsInForce(state) });
  return suspensionsInOrder({ suspensions: suspensionsInForce(state) });
}
