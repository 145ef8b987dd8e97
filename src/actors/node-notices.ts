import type { Result } from '../errors.ts';
import { bodyInOrder, type NoticeKind, type NoticeOf, noticeKinds } from '../protocols/notice/notice.ts';
import {
  type NoticesState,
  revocationsInForce,
  rootsInForce,
  suspensionsInForce,
  trustInForce,
} from '../protocols/notice/reconciliation.ts';
import { revocationsInOrder } from '../protocols/notice/revocation.ts';
import { rotationStage } from '../protocols/notice/root-rotation.ts';
import { type RootsBody, rootsInOrder } from '../protocols/notice/roots.ts';
import { suspensionsInOrder } from '../protocols/notice/suspension.ts';
import { trustInOrder } from '../protocols/notice/trust.ts';
import type { Deployments } from './agents/deployments.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import type { NoticeNews } from './cluster/notices/notice-board.ts';
import type { MessagingParts } from './messaging/assemble.ts';
import type { NodeBase } from './node-base.ts';
import { hex, noticeAuditTypes, publishNotice } from './notice-publication.ts';
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
    publish: (text, caller) => publishNotice({ base, cluster, views: () => viewsOf(base) }, text, caller),
    out: () => standing.view(base.revocations.ofCertificate(files.identity.svid)),
  };
}

function carryOut({ base, cluster, messaging, deployments }: Rooms, { document, origin }: NoticeNews): void {
  const { links, gossip, directory, exchange } = cluster;
  const { revocations, fault } = base;
  // First of all to everybody, whoever is revoked included: the proof is the kindest way to learn of it.
  exchange.spread(links.all(), document, origin.type === 'peer' ? origin.peer : undefined);
  const { kind } = document.notice;
  if (kind === 'roots') {
    cluster.roots.changed();
    cluster.keys.viewChanged();
  }
  if (!barring.has(kind)) return;
  gossip.revoke();
  directory.dropRevoked();
  links.cutRevoked();
  // No link to whoever is revoked is left, and a new gossip key is due.
  cluster.keys.viewChanged();
  messaging.registry.revoke(revocations.nodes);
  messaging.registry.trustChanged();
  deployments.stopRevoked().catch((error: unknown) => fault('a revoked agent could not be stopped in order', error));
}

/** Kinds that may put somebody out: a node, a key, a deployment. What the others say is in force by being asked for. */
const barring: ReadonlySet<NoticeKind> = new Set(['trust', 'revocations', 'suspensions']);

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
  // What was published here is recorded with the name of whoever did it; the trust notice of the files, at the boot.
  const isRecorded = news.origin.type === 'api' || (news.origin.type === 'files' && notice.kind === 'trust');
  if (news.type !== 'installed' || !isRecorded) audit.note(recordOf(base, news));
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

function recordOf({ nodeId, policies }: NodeBase, news: NoticeNews): AuditDraft {
  const { document, origin, type } = news;
  const { notice, hash, signer } = document;
  const isAlarm = type !== 'installed';
  return {
    type: noticeAuditTypes[notice.kind],
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
      ...(notice.kind === 'roots' ? stageOf(notice.body) : {}),
      ...(notice.kind === 'policies' ? { policyHash: policies.hash } : {}),
      ...(type === 'installed' ? { before: news.before } : {}),
      ...(type === 'forked' ? { beside: hex(news.beside.hash), besideSigner: news.beside.signer } : {}),
      ...(type === 'left-out' ? { revocations: news.revocations.length } : {}),
    },
  };
}

const stageOf = (body: RootsBody) => ({
  stage: rotationStage(body),
  roots: body.roots.length,
  lockedOut: body.lockedOut.join(' '),
});

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

/** Of kinds that are not merged into one body: all documents, each of which must permit. */
function bodyInForce(state: NoticesState, kind: NoticeKind): object {
  const { current, rivals } = state.shelves[kind]!;
  switch (kind) {
    case 'trust':
      return trustInOrder(trustInForce(state)!);
    case 'revocations':
      return revocationsInOrder({ revocations: revocationsInForce(state) });
    case 'suspensions':
      return suspensionsInOrder({ suspensions: suspensionsInForce(state) });
    case 'roots':
      return rootsInOrder(rootsInForce(state) ?? (current.notice as NoticeOf<'roots'>).body);
    default:
      return rivals.length === 0
        ? bodyInOrder(current.notice)
        : { allOf: [current, ...rivals].map(({ notice }) => bodyInOrder(notice)) };
  }
}
