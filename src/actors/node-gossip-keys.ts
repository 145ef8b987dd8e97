import { ok, type Result, refuse } from '../errors.ts';
import type { NodeId } from '../names.ts';
import type { KeyId } from '../protocols/gossip-keys/key-id.ts';
import type { PeerKeys } from '../protocols/gossip-keys/state.ts';
import type { ClusterParts } from './cluster/assemble.ts';
import type { NodeBase } from './node-base.ts';
import type { Caller } from './operations/control.ts';
import type { GossipKeyControl, GossipKeysView, GossipKeyView, MemberKeysView } from './operations/gossip-key-view.ts';

/** The gossip keys as the node’s operator sees and changes them: names, never a key. */
export const assembleGossipKeys = (base: NodeBase, cluster: ClusterParts): GossipKeyControl => ({
  gossipKeys: () => viewOf(base, cluster),
  rotateGossipKey: (caller) => rotate(base, cluster, caller),
});

/** A minority must not change what the majority may change otherwise; and whoever asked is on record before it is done. */
async function rotate(base: NodeBase, cluster: ClusterParts, caller: Caller): Promise<Result<GossipKeysView>> {
  const { gossip, keys } = cluster;
  const epoch = keys.ring.sealing.id.epoch;
  if (gossip.partition() !== 'majority')
    return refuse('PARTITION_MINORITY', 'This node sees no quorum of the cluster, so it makes no gossip key now.');
  const recorded = await base.audit.record({
    type: 'GossipKeyRotated',
    identity: caller.identity,
    sourceIp: caller.sourceIp,
    outcome: 'success',
    reasons: ['A new gossip key was asked for.'],
    requestId: caller.requestId,
    metadata: { change: 'asked', epoch },
  });
  if (!recorded.ok) return recorded;
  keys.rotate();
  // What it made is kept, or another is under way already.
  await keys.make();
  if (!keys.state.candidate && keys.state.sealing.epoch === epoch)
    return refuse(
      'RATE_LIMIT_EXCEEDED',
      'Too many gossip keys were made in a row: this one is made as soon as it may.',
    );
  return ok(viewOf(base, cluster));
}

function viewOf({ ports, nodeId }: NodeBase, { keys }: ClusterParts): GossipKeysView {
  const { state, stage } = keys;
  const { clock } = ports;
  // The rules count on a clock that never jumps; people read the other one.
  const iso = (ms: number): string => new Date(clock.now() - clock.monotonic() + ms).toISOString();
  const nextMs = state.switchedMs + state.times.intervalMs;
  const own: MemberKeysView = {
    nodeId,
    self: true,
    sealing: nameOf(state.sealing),
    ...(state.candidate ? { candidate: nameOf(state.candidate.id) } : {}),
  };
  return {
    stage,
    sealing: { ...nameOf(state.sealing), since: iso(state.switchedMs) },
    ...(state.candidate ? { candidate: nameOf(state.candidate.id) } : {}),
    retiring: state.retiring.map(({ id }) => nameOf(id)),
    nextAt: iso(nextMs),
    ...(state.due ? { due: state.due.reason } : {}),
    members: [own, ...state.view.live.toSorted().map((node) => memberOf(node, state.peers.get(node)))],
  };
}

const memberOf = (nodeId: NodeId, said: PeerKeys | undefined): MemberKeysView => ({
  nodeId,
  self: false,
  ...(said ? { sealing: nameOf(said.sealing) } : {}),
  ...(said?.candidate ? { candidate: nameOf(said.candidate) } : {}),
});

const nameOf = ({ epoch, hash, proposer }: KeyId): GossipKeyView => ({ epoch, hash, proposer });
