import { limits } from '../../../limits.ts';
import type { RotationTimes, RotationView } from '../../../protocols/gossip-keys/state.ts';
import type { NoticeKind } from '../../../protocols/notice/notice.ts';
import type { NoticesState } from '../../../protocols/notice/reconciliation.ts';
import { rotationStage } from '../../../protocols/notice/root-rotation.ts';
import type { NodeBase } from '../../node-base.ts';
import type { Links } from '../links/links.ts';
import type { NoticeExchange } from '../notices/notice-exchange.ts';
import type { Gossip } from './gossip.ts';
import { KeyLinks } from './key-links.ts';
import { type KeyNews, KeyRotation } from './key-rotation.ts';
import type { KeyRotatorEvent } from './key-rotator.ts';
import { KeyShelf } from './key-shelf.ts';

/** Where the rotator lives in the tree. */
const rotatorPath = '/node/cluster/key-rotator';

export interface KeyRooms {
  readonly base: NodeBase;
  readonly links: Links;
  readonly exchange: NoticeExchange;
  /** Undefined while the node is being made. */
  readonly gossip: () => Gossip | undefined;
}

/** The gossip keys of a node, as it kept them, and their rotation. Rejects as `KeyShelf.open` does. */
export async function assembleKeys(rooms: KeyRooms): Promise<KeyRotation> {
  const { base, links, exchange } = rooms;
  const { config, ports, files, kernel, nodeId, fault, revocations } = base;
  const { clock, crypto, metrics, store } = ports;
  const owner = { clusterId: config.cluster.id, nodeId };
  const shelf = new KeyShelf({ store, crypto, vault: files.vault, owner });
  const kept = await shelf.open(files.keyring, clock.now());
  // At once, so that the time of the first rotation is counted from the first boot, and under the vault’s newest key.
  await shelf.save(kept);
  const rotator = kernel.ref<KeyRotatorEvent>(rotatorPath);
  const rotation = new KeyRotation({
    clock,
    crypto,
    metrics,
    links: new KeyLinks({ clock, metrics, links, isRevoked: (svid) => revocations.ofCertificate(svid) !== undefined }),
    nodeId,
    times: timesOf(config.security.gossip.keyRotationIntervalMs),
    kept,
    save: (ring) => shelf.save(ring),
    view: () => viewOf(rooms),
    onNews: (news) => tellNews(base, rotation, news),
    onBehind: (link) => exchange.compare(link),
    onStage: (stage) => rotator.tell({ type: 'keys.changed', stage }, 'control'),
    trouble: (error) => fault('the gossip keys could not be kept: after a restart they come from peers', error),
  });
  rotation.listen();
  files.vault.onRotated(() => void rotation.keepAgain());
  return rotation;
}

const timesOf = (intervalMs: number): RotationTimes => ({
  intervalMs,
  fallbackMs: limits.gossipKeyFallbackMs,
  graceMs: limits.gossipKeyGraceMs,
  retireMs: limits.gossipKeyRetireMs,
  retireMsMax: limits.gossipKeyRetireMsMax,
  askMs: limits.gossipKeyAskMs,
});

function viewOf({ base, gossip }: KeyRooms): RotationView {
  const { config, notices, revocations } = base;
  const members = gossip()?.members() ?? [];
  const { expectedSize } = config.cluster;
  return {
    live: members
      .filter(({ self, status }) => !self && (status === 'alive' || status === 'suspect'))
      .map(({ nodeId }) => nodeId),
    majority: gossip()?.partition() === 'majority',
    quorum: Math.floor(expectedSize / 2) + 1,
    revocations: stepsOf(notices.state, 'revocations') + stepsOf(notices.state, 'suspensions') + dropsOf(notices.state),
    revoked: revocations.nodes,
  };
}

/** A rival of a document has something to say of its own, so it counts as a step. */
function stepsOf({ shelves }: NoticesState, kind: NoticeKind): number {
  const shelf = shelves[kind];
  return shelf ? shelf.current.notice.generation * (limits.noticeRivalsMax + 1) + shelf.rivals.length : 0;
}

/**
 * Grows when a root is dropped, since members may have been locked out with it, and not with the two steps before. From the
 * document alone, or nodes that have missed one would count differently; and never less, so its rivals are left to the
 * directory, which hears nobody whose root is dropped.
 */
function dropsOf({ shelves }: NoticesState): number {
  const notice = shelves.roots?.current.notice;
  if (notice?.kind !== 'roots') return 0;
  const steps = { settled: 0, distributing: 1, issuing: 2 } as const;
  return Math.max(0, notice.generation - steps[rotationStage(notice.body)]) * (limits.noticeRivalsMax + 1);
}

function tellNews({ audit, events, ports, nodeId }: NodeBase, rotation: KeyRotation, news: KeyNews): void {
  const { epoch, proposer, hash, revocations } = news.id;
  if (news.type === 'leap') {
    ports.metrics.count('gossip_keys_refused', { code: 'LIMIT_EXCEEDED' });
    audit.note({
      type: 'AccessDenied',
      identity: news.peer,
      sourceIp: '',
      outcome: 'refused',
      code: 'LIMIT_EXCEEDED',
      reasons: ['It says that the cluster’s gossip key is of an epoch that no rotation can have reached.'],
      metadata: { operation: 'lead to a gossip key', epoch },
    });
    return;
  }
  const { change, reasons } = news;
  ports.metrics.count('gossip_key_changes', { change });
  events.emit({ type: 'gossip-key.changed', nodeId, change, epoch, hash, stage: rotation.stage });
  audit.note({
    type: 'GossipKeyRotated',
    identity: nodeId,
    sourceIp: '',
    outcome: 'success',
    reasons,
    metadata: { change, epoch, proposer, hash, revocations },
  });
}
