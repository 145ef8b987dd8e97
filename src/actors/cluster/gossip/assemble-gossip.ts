import { rawPublicKey } from '../../../crypto/keys.ts';
import { swimProfiles } from '../../../protocols/swim/config.ts';
import type { Member } from '../../../protocols/swim/member.ts';
import { raiseBootEpoch } from '../../boot-epoch.ts';
import type { Hearers } from '../../hearers.ts';
import type { NodeBase } from '../../node-base.ts';
import { memberView } from '../../node-control.ts';
import type { Directory } from '../directory.ts';
import type { Links } from '../links/links.ts';
import type { NoticeExchange } from '../notices/notice-exchange.ts';
import { Gossip } from './gossip.ts';
import type { GossipMemberEvent } from './gossip-member.ts';
import type { KeyRotation } from './key-rotation.ts';
import { PairSeals } from './pair-seals.ts';

interface GossipRooms {
  readonly base: NodeBase;
  readonly links: Links;
  readonly directory: Directory;
  readonly exchange: NoticeExchange;
  readonly keys: KeyRotation;
  readonly members: Hearers<Member>;
}

/** The gossip of a node, wired to its events and its audit log. */
export function createGossip({ base, links, directory, exchange, keys, members }: GossipRooms): Gossip {
  const { config, ports, files, kernel, bootEpoch, nodeId } = base;
  const box = ports.crypto.generateKeyPair('x25519');
  const boxPublic = rawPublicKey(box.publicKey);
  const seals = new PairSeals({
    crypto: ports.crypto,
    clusterId: config.cluster.id,
    self: { nodeId, epoch: bootEpoch },
    boxPrivate: box.privateKey,
    boxPublic,
    keyring: () => keys.ring,
    onOtherKey: (key) => keys.heard(key),
  });
  const member = kernel.ref<GossipMemberEvent>('/node/cluster/gossip-member');
  const gossip: Gossip = new Gossip({
    identity: files.identity,
    directory,
    links,
    seals,
    network: ports.network,
    clock: ports.clock,
    metrics: ports.metrics,
    store: ports.store,
    bind: config.cluster.bind,
    advertise: config.cluster.advertise,
    seeds: base.seeds,
    swim: {
      bootEpoch,
      boxKey: boxPublic,
      config: swimProfiles[config.cluster.profile],
      seed: ports.random.uint32(),
      expectedSize: config.cluster.expectedSize,
    },
    revoked: () => base.revocations.nodes,
    onPushPull: (link) => {
      exchange.compare(link);
      keys.tell(link);
    },
    onMember: (changed) => {
      memberChanged(base, links, changed);
      base.transport.memberChanged(changed);
      keys.viewChanged();
      members.tell(changed);
    },
    onPartition: (mode) => {
      member.tell({ type: 'gossip.partition', mode }, 'control');
      keys.viewChanged();
      base.events.emit({ type: 'partition.changed', nodeId, partition: mode });
      base.audit.note({
        type: 'PartitionChanged',
        identity: nodeId,
        sourceIp: '',
        outcome: 'success',
        reasons: [],
        metadata: { mode },
      });
    },
    onJoined: () => member.tell({ type: 'gossip.joined' }, 'control'),
    onTrouble: (what, error) => base.fault(what, error),
    onLeft: () => member.tell({ type: 'gossip.left' }, 'control'),
    onEpochStale: (known) => {
      // Others saw a later boot than this one: the store was lost or set back. Only a new boot can outrank it.
      base.fault(`others know boot ${known} of this node, and it runs boot ${bootEpoch}: start it again`, undefined);
      raiseBootEpoch(ports.store, known).catch((error: unknown) =>
        base.fault('the later boot epoch could not be kept', error),
      );
    },
  });
  return gossip;
}

function memberChanged({ audit, events, nodeId, ports, revocations }: NodeBase, links: Links, member: Member): void {
  const view = memberView({ clock: ports.clock, links, revocations }, member);
  events.emit({ type: 'member.changed', nodeId, member: view });
  audit.note({
    type: 'MemberChanged',
    identity: member.nodeId,
    sourceIp: '',
    outcome: 'success',
    reasons: [],
    metadata: { status: view.status, bootEpoch: member.bootEpoch },
  });
}
